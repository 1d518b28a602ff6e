"""Replies that end early: left, cancelled, at a stop sequence or after so many tokens."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from qwen_space import Completed, SpaceClient, TextDelta
from tests.core.client.events import collect_events, deltas


async def test_leaving_the_block_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    async with SpaceClient(space.url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_an_error_in_the_block_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    async def read(client: SpaceClient) -> None:
        async with client.stream("Hi") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    raise ZeroDivisionError

    async with SpaceClient(space.url) as client:
        with pytest.raises(ZeroDivisionError):
            await read(client)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_cancelling_the_task_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)
    first = asyncio.Event()

    async def read() -> None:
        async with SpaceClient(space.url) as client, client.stream("Hi") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_reading_to_the_end_cancels_nothing(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await collect_events(client)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.finished == 1)
    assert space.engine.cancelled == 0


async def test_leaving_before_the_first_event_is_read_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(0)

    async with SpaceClient(space.url) as client, client.stream("Hi"):
        await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        pytest.param(["a", "STOP", "b"], ["STOP"], ["a"], id="a-piece"),
        pytest.param(["a S", "TO", "P b"], ["STOP"], ["a "], id="over-borders"),
        pytest.param(["STOP"], ["STOP"], [], id="at-once"),
        pytest.param(["a", "b ST", "c"], ["STOP"], ["a", "b ", "STc"], id="only-the-start"),
        pytest.param(["a", "ST"], ["STOP"], ["a", "ST"], id="only-the-start-at-the-end"),
        pytest.param(["one", " two", " three"], ["three", " two"], ["one"], id="two"),
    ],
)
async def test_a_reply_ends_before_a_stop_sequence(
    space: Any, pieces: list[str], stop: list[str], expected: list[str]
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client, stop=stop)

    done = events[-1]
    assert deltas(events) == expected
    assert isinstance(done, Completed)
    assert done.text == "".join(expected)
    hit = any(each in "".join(pieces) for each in stop)
    assert done.finish_reason == ("stop_sequence" if hit else "stop")
    assert sum(isinstance(event, Completed) for event in events) == 1


async def test_a_stop_sequence_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.reply = ["a", "STOP", "b", "c"]
    space.engine.gate = threading.Semaphore(2)

    async with SpaceClient(space.url) as client:
        done = await client.complete("Hi", stop=["STOP"])

    assert done.text == "a"
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


LIMITS = [
    pytest.param(["a", " b", " c"], 2, ["a", " b"], "length", id="cut"),
    pytest.param(["a b c"], 2, ["a b"], "length", id="one-piece"),
    pytest.param(["a", " b"], 2, ["a", " b"], "stop", id="just-enough"),
    pytest.param(["a", " STOP", " c"], 2, ["a", " "], "stop_sequence", id="stop-comes-first"),
    pytest.param(["a", " b", "STOP"], 1, ["a"], "length", id="length-comes-first"),
]


@pytest.mark.parametrize(("pieces", "most", "expected", "reason"), LIMITS)
async def test_a_reply_ends_after_so_many_tokens(
    space: Any, pieces: list[str], most: int, expected: list[str], reason: str
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client, stop=["STOP"], sampling={"max_tokens": most})

    done = events[-1]
    assert deltas(events) == expected
    assert (done.text, done.finish_reason) == ("".join(expected), reason)
    assert sum(isinstance(event, Completed) for event in events) == 1


async def test_a_limit_of_tokens_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.reply = ["a", " b", " c", " d"]
    space.engine.gate = threading.Semaphore(2)

    async with SpaceClient(space.url) as client:
        done = await client.complete("Hi", sampling={"max_tokens": 1})

    assert (done.text, done.finish_reason) == ("a", "length")
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)
