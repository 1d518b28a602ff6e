"""A task that is cancelled, at each stage: the job stops, and nobody stays connected."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest

from tests.end_to_end.lifecycle.callers import CALLS, HI, space
from tests.end_to_end.lifecycle.conftest import CONFIG, JOIN, STREAM, WatchedSpace

pytestmark = pytest.mark.every_loop

# A job that may have been accepted is given up by opening its stream, and leaving that.
GIVEN_UP = JOIN, STREAM
ONE_OF_EACH = ["client-complete", "space", "langchain-invoke", "langchain", "llama-index"]


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await ended(task)


async def ended(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_while_it_asks_for_the_config(watched: WatchedSpace, call: str) -> None:
    watched.watch.held = CONFIG
    task = asyncio.ensure_future(CALLS[call](watched.url))
    await watched.auntil(lambda: watched.watch.asked == [CONFIG])

    await cancelled(task)

    await watched.auntil_left()
    assert watched.watch.asked == [CONFIG]


@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_while_its_join_is_answered(watched: WatchedSpace, call: str) -> None:
    watched.hold(0)
    watched.watch.kept = JOIN
    task = asyncio.ensure_future(CALLS[call](watched.url))
    await watched.auntil(lambda: JOIN in watched.watch.answered)

    task.cancel()
    watched.watch.kept = None
    await ended(task)

    await watched.auntil_left(for_good=True)
    assert watched.watch.asked == [CONFIG, *GIVEN_UP]


@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_while_its_join_is_on_its_way(watched: WatchedSpace, call: str) -> None:
    watched.hold(0)
    watched.watch.held = JOIN
    task = asyncio.ensure_future(CALLS[call](watched.url))
    await watched.auntil(lambda: JOIN in watched.watch.asked)

    task.cancel()
    await asyncio.sleep(0.05)  # the app is slow to take it
    watched.watch.held = None
    await ended(task)

    await watched.auntil(lambda: JOIN in watched.watch.answered)
    await watched.auntil_left(for_good=True)
    assert watched.watch.asked == [CONFIG, *GIVEN_UP]


@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_while_its_stream_opens(watched: WatchedSpace, call: str) -> None:
    watched.hold(0)
    watched.watch.held = STREAM
    task = asyncio.ensure_future(CALLS[call](watched.url))
    await watched.auntil(lambda: STREAM in watched.watch.asked)

    task.cancel()
    watched.watch.held = None
    await ended(task)

    await watched.auntil_left(for_good=True)
    assert watched.watch.asked == [CONFIG, *GIVEN_UP, STREAM]


@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_while_it_waits_in_the_queue(watched: WatchedSpace, call: str) -> None:
    watched.hold(1)
    async with space(watched.url).astream_chat(HI) as first:
        while not hasattr(await anext(first), "delta"):
            pass  # it has its place, and works
        task = asyncio.ensure_future(CALLS[call](watched.url))
        await watched.auntil(lambda: watched.watch.answered.count(STREAM) == 2)

        await cancelled(task)

        await watched.auntil(lambda: watched.connections <= 1, 100)
        watched.engine.gate = None
        assert [event async for event in first][-1].text == "one two three"

    await watched.auntil_left()
    assert len(watched.engine.requests) == 1


@pytest.mark.parametrize("pieces", [0, 1])
@pytest.mark.parametrize("call", CALLS)
async def test_before_the_first_token_and_after(
    watched: WatchedSpace, call: str, pieces: int
) -> None:
    watched.hold(pieces)
    task = asyncio.ensure_future(CALLS[call](watched.url))
    await watched.auntil(lambda: watched.engine.running == 1)
    gate = watched.engine.gate
    await watched.auntil(lambda: gate is not None and gate._value == 0)

    await cancelled(task)

    await watched.auntil_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("stage", [JOIN, STREAM])
async def test_twice_as_from_an_impatient_caller(
    watched: WatchedSpace, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched.hold(0)
    watched.watch.held = stage
    task = asyncio.ensure_future(space(watched.url).achat(HI))
    await watched.auntil(lambda: stage in watched.watch.asked)

    task.cancel()
    await asyncio.sleep(0.02)
    await cancelled(task)

    watched.watch.held = None
    watched.engine.gate = None  # the job on its way may have been accepted
    await watched.auntil(lambda: stage in watched.watch.answered)
    await watched.auntil_left(for_good=True)  # else its job would begin in the next test
    gc.collect()
    assert [each for each in caplog.records if each.name != "uvicorn.error"] == []


@pytest.mark.parametrize("stage", [JOIN, STREAM])
@pytest.mark.parametrize("call", ONE_OF_EACH)
async def test_by_anyio_which_cancels_again_at_each_step(
    watched: WatchedSpace, call: str, stage: str
) -> None:
    """As the tasks of Starlette, FastAPI and MCP are."""
    watched.hold(0)
    watched.watch.held = stage

    async with anyio.create_task_group() as group:
        group.start_soon(CALLS[call], watched.url)
        await watched.auntil(lambda: stage in watched.watch.asked)
        group.cancel_scope.cancel()
    watched.watch.held = None

    await watched.auntil(lambda: STREAM in watched.watch.answered)
    await watched.auntil_left(for_good=True)
    assert watched.watch.asked.count(JOIN) == 1
