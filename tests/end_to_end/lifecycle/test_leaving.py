"""Streams that are left in the middle, in every way there is: the job stops, and nobody stays.

The models' handlers keep the exception that ended a stream, and so its traceback and frames.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.lifecycle.callers import ASYNC_STREAMS, STREAMS
from tests.end_to_end.lifecycle.conftest import WatchedSpace

# Blocking streams


class PlannedError(Exception):
    pass


def broken_off(stream: Any) -> None:
    for _ in stream:
        break


def closed(stream: Any) -> None:
    next(stream)
    stream.close()


def failed(stream: Any) -> None:
    try:
        for _ in stream:
            raise PlannedError
    except PlannedError:
        pass


def interrupted(stream: Any) -> None:
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)


def in_a_circle(stream: Any) -> None:
    next(stream)
    circle: list[Any] = [stream]
    circle.append(circle)
    del circle, stream
    gc.collect()


def in_another_thread(stream: Any) -> None:
    next(stream)
    kept = [stream]
    del stream
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join(20)


WAYS: list[Callable[[Any], None]] = [
    *(broken_off, closed, failed, interrupted, in_a_circle, in_another_thread)
]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.usefixtures("no_collector")
def test_leaving_a_blocking_stream_stops_its_job(
    watched: WatchedSpace, stream: str, leave: Callable[[Any], None]
) -> None:
    watched.hold(1)

    leave(STREAMS[stream](watched.url))

    watched.until_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("stream", STREAMS)
def test_a_blocking_stream_that_the_collector_finds_in_the_bridge_s_own_thread(
    watched: WatchedSpace, stream: str
) -> None:
    from qwen_space.chat_model.bridge import run_sync

    async def collect() -> None:
        gc.collect()

    watched.hold(1)
    kept = STREAMS[stream](watched.url)
    next(kept)
    circle: list[Any] = [kept]
    circle.append(circle)
    del circle, kept

    run_sync(collect)

    watched.until_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("stream", STREAMS)
async def test_leaving_a_blocking_stream_in_a_running_loop_stops_its_job(
    watched: WatchedSpace, stream: str
) -> None:
    watched.hold(1)

    broken_off(STREAMS[stream](watched.url))

    await watched.auntil_left()
    assert watched.engine.cancelled == 1


# Asynchronous streams


async def abroken_off(stream: Any) -> None:
    async for _ in stream:
        break


async def aclosed(stream: Any) -> None:
    await anext(stream)
    await stream.aclose()


async def afailed(stream: Any) -> None:
    try:
        async for _ in stream:
            raise PlannedError
    except PlannedError:
        pass


async def ain_a_circle(stream: Any) -> None:
    await anext(stream)
    circle: list[Any] = [stream]
    circle.append(circle)
    del circle, stream
    gc.collect()


async def too_late(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            pass

    await anext(stream)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(read(), 0.05)


async def dropped_in_another_thread(stream: Any) -> None:
    await anext(stream)
    kept = [stream]
    del stream
    await asyncio.to_thread(kept.clear)


async def with_its_task(stream: Any) -> None:
    """Left by a task that ends, as the last to know of the stream."""

    async def read() -> None:
        await anext(stream)

    await asyncio.ensure_future(read())


# All streams in the ways that everyone knows, and one of each kind in the others.
AWAYS: list[Any] = [
    *((leave, stream) for leave in (abroken_off, aclosed) for stream in ASYNC_STREAMS),
    *(
        (leave, stream)
        for leave in (afailed, ain_a_circle, too_late, dropped_in_another_thread, with_its_task)
        for stream in ("space", "langchain", "llama-index")
    ),
]


@pytest.mark.parametrize(("leave", "stream"), AWAYS)
@pytest.mark.every_loop
@pytest.mark.usefixtures("no_collector")
async def test_leaving_an_asynchronous_stream_stops_its_job(
    watched: WatchedSpace, leave: Callable[[Any], Any], stream: str
) -> None:
    watched.hold(1)

    await leave(ASYNC_STREAMS[stream](watched.url))

    await watched.auntil_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("stream", ASYNC_STREAMS)
def test_the_end_of_a_loop_stops_the_job_of_a_stream(watched: WatchedSpace, stream: str) -> None:
    watched.hold(1)
    kept: list[Any] = []

    async def begin() -> None:
        kept.append(ASYNC_STREAMS[stream](watched.url))
        await anext(kept[0])

    asyncio.run(begin())

    watched.until_left()
    assert watched.engine.cancelled == 1
