"""An app that is nothing of ours: Gradio alone stops its job when a stream is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import gradio as gr
import pytest

from tests import gradio_app
from tests.end_to_end.lifecycle.callers import ASYNC_STREAMS, STREAMS


class Jobs:
    """The app's jobs, from their start to their end."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self._changed = threading.Condition()

    def count(self, what: str) -> None:
        with self._changed:
            setattr(self, what, getattr(self, what) + 1)
            self._changed.notify_all()

    def until_all_ended(self) -> None:
        """Wait until no job runs; none of them ends by itself in that time."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended == self.begun, 20)


JOBS = Jobs()
STEPS = 3000  # of 10 ms: half a minute, if nobody stops it


def build() -> gr.Blocks:
    async def answer(message: str, history: Any) -> AsyncIterator[str]:
        JOBS.count("begun")
        try:
            for step in range(STEPS):
                yield "x" * (step + 1)
                await asyncio.sleep(0.01)
        finally:
            JOBS.count("ended")

    return gr.ChatInterface(answer, analytics_enabled=False)


@pytest.fixture(scope="module")
def _url() -> Iterator[str]:
    with gradio_app.running(build) as url:
        yield url


@pytest.fixture
def url(_url: str) -> str:
    """The address of the app, none of whose jobs is counted yet."""
    JOBS.begun = JOBS.ended = 0
    return _url


@pytest.mark.parametrize("stream", STREAMS)
def test_dropping_a_blocking_stream_ends_its_job(url: str, stream: str) -> None:
    for _ in STREAMS[stream](url):
        break

    JOBS.until_all_ended()
    assert JOBS.begun == 1


@pytest.mark.parametrize("stream", ASYNC_STREAMS)
async def test_dropping_an_asynchronous_stream_ends_its_job(url: str, stream: str) -> None:
    async for _ in ASYNC_STREAMS[stream](url):
        break

    await asyncio.to_thread(JOBS.until_all_ended)
    assert JOBS.begun == 1


@pytest.mark.parametrize("stream", ["space", "langchain", "llama-index"])
async def test_cancelling_a_task_ends_its_job(url: str, stream: str) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in ASYNC_STREAMS[stream](url):
            begun.set()

    task = asyncio.ensure_future(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.to_thread(JOBS.until_all_ended)
    assert JOBS.begun == 1
