from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable

import pytest

from qwen_space.chat_model.closing_stream import ClosingStream

Log = list[str]


async def source(log: Log, closed: asyncio.Event) -> AsyncGenerator[int, None]:
    try:
        yield 1
        yield 2
    finally:
        log.append("source")
        closed.set()


def make(
    log: Log, *, fails: bool = False, closed: asyncio.Event | None = None
) -> ClosingStream[int]:
    opened: list[AsyncGenerator[int, None]] = []

    async def outer() -> AsyncGenerator[int, None]:
        opened.append(source(log, closed or asyncio.Event()))
        try:
            async for number in opened[0]:
                yield number
                if fails:
                    raise RuntimeError("outer")
        finally:
            log.append("outer")

    return ClosingStream(outer(), opened)


async def test_it_gives_the_items_of_its_generator() -> None:
    log: Log = []

    assert [number async for number in make(log)] == [1, 2]
    assert sorted(log) == ["outer", "source"]


async def test_closing_it_closes_those_that_it_has_opened() -> None:
    log: Log = []
    stream = make(log)
    assert await anext(stream) == 1

    await stream.aclose()

    assert log == ["outer", "source"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_an_error_closes_them_too() -> None:
    log: Log = []
    stream = make(log, fails=True)
    await anext(stream)

    with pytest.raises(RuntimeError, match="outer"):
        await anext(stream)

    assert log == ["outer", "source"]


async def test_an_error_that_is_thrown_in_closes_them() -> None:
    log: Log = []
    stream = make(log)
    await anext(stream)

    with pytest.raises(KeyError):
        await stream.athrow(KeyError("x"))

    assert log == ["outer", "source"]


@pytest.mark.parametrize("drop", [lambda: None, gc.collect])
async def test_one_that_is_dropped_is_closed_by_the_loop(drop: Callable[[], object]) -> None:
    log: Log = []
    closed = asyncio.Event()
    stream = make(log, closed=closed)
    await anext(stream)

    del stream
    drop()
    await asyncio.wait_for(closed.wait(), 5)

    assert log == ["outer", "source"]


async def test_it_has_all_that_a_generator_has() -> None:
    stream = make([])
    assert stream.ag_frame is not None
    assert stream.ag_code.co_name == "outer"
    assert (stream.ag_running, stream.ag_await) == (False, None)

    assert [number async for number in stream] == [1, 2]

    assert stream.ag_frame is None
