"""Submitting a job, also through `/call`, for apps whose queue endpoints are closed."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from qwen_space import JobError, SpaceClient, SpaceStatusError, TextDelta
from qwen_space.local import LocalSpace, ScriptedEngine


class Gate:
    """ASGI middleware that answers some paths with a status of its own."""

    def __init__(self) -> None:
        self.closed: dict[str, int] = {}

    def __call__(self, app: Any) -> Any:
        async def gated(scope: Any, receive: Any, send: Any) -> None:
            path = scope.get("path", "")
            status = next((self.closed[part] for part in self.closed if part in path), None)
            if status is None:
                await app(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"<html>closed</html>"})

        return gated


GATE = Gate()


@pytest.fixture(scope="module")
def running() -> Iterator[LocalSpace]:
    with LocalSpace(ScriptedEngine([]), middleware=[GATE]) as space:
        yield space


@pytest.fixture
def closed(running: LocalSpace) -> Iterator[LocalSpace]:
    GATE.closed = {"/queue/": 404}
    yield running
    GATE.closed = {}
    running.engine.gate = None
    running.engine.wait_idle()


@pytest.mark.parametrize("status", [404, 405, 410])
async def test_a_reply_streams_through_call_to_the_letter(closed: LocalSpace, status: int) -> None:
    GATE.closed = {"/queue/": status}
    pieces = ["one ", "one ", "[1]", "\n- a", " 你好🙂"]
    closed.engine.reply = pieces
    closed.engine.delay = 0.02

    async with SpaceClient(closed.url) as client, client.stream("Hi") as stream:
        events = [event async for event in stream]

    assert [event.delta for event in events if isinstance(event, TextDelta)] == pieces
    assert events[-1].text == "".join(pieces)
    assert closed.engine.requests[-1][-1] == {"role": "user", "content": "Hi"}


async def test_a_failure_is_a_job_error_with_the_text_so_far(closed: LocalSpace) -> None:
    closed.engine.reply = ["one ", ValueError("the app broke")]

    async with SpaceClient(closed.url) as client:
        with pytest.raises(JobError) as caught:
            await client.complete("Hi")

    assert caught.value.text == "one "


async def test_leaving_the_stream_stops_the_job(closed: LocalSpace) -> None:
    closed.engine.reply = ["piece "] * 100
    closed.engine.gate = threading.Semaphore(1)
    before = closed.engine.cancelled

    async with SpaceClient(closed.url) as client, client.stream("Hi") as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break

    await asyncio.to_thread(closed.engine.wait_until, lambda engine: engine.cancelled == before + 1)


async def test_where_call_is_closed_too_the_refusal_of_the_queue_is_raised(
    closed: LocalSpace,
) -> None:
    GATE.closed = {"/queue/": 405, "/call/": 404}
    asked = len(closed.engine.requests)

    async with SpaceClient(closed.url) as client:
        with pytest.raises(SpaceStatusError, match="HTTP 405"):
            await client.complete("Hi")

    assert len(closed.engine.requests) == asked


async def test_a_call_that_is_open_and_fails_is_an_error_of_its_own(closed: LocalSpace) -> None:
    GATE.closed = {"/queue/": 404, "/call/": 500}

    async with SpaceClient(closed.url) as client:
        with pytest.raises(SpaceStatusError, match="HTTP 500"):
            await client.complete("Hi")


async def test_a_stream_that_is_refused_after_the_join_does_not_send_the_prompt_again(
    closed: LocalSpace,
) -> None:
    GATE.closed = {"/queue/data": 404}
    closed.engine.reply = ["x"]
    asked = len(closed.engine.requests)

    async with SpaceClient(closed.url) as client:
        with pytest.raises(SpaceStatusError, match="HTTP 404"):
            await client.complete("Hi")

    await asyncio.to_thread(
        closed.engine.wait_until, lambda engine: len(engine.requests) == asked + 1
    )


async def test_a_join_that_is_cancelled_before_its_first_step_leaves_nothing_unawaited(
    running: LocalSpace,
) -> None:
    """At the end of a loop all its tasks are cancelled at once, and the join is one of its own."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with SpaceClient(running.url) as client:
            await client.endpoint()
            before = asyncio.all_tasks()
            asking = asyncio.create_task(client.complete("Hi"))
            while len(begun := asyncio.all_tasks() - before) < 2:  # noqa: ASYNC110 - at its birth
                await asyncio.sleep(0)
            for task in begun:
                task.cancel()
            await asyncio.wait({asking})
        gc.collect()

    assert [str(warning.message) for warning in warned] == []
