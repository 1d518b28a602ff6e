"""Streams: each piece is there at once, and leaving one stops the job."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler

from llama_index_qwen_space import QwenSpace
from qwen_space import JobError
from qwen_space.chat_model.arguments import build_config
from qwen_space.chat_model.space import Space
from qwen_space.events import Event, EventStream, Exits
from tests.llama_index.conformance.calls import ASYNC_STREAMS, SYNC_STREAMS, question


def keep_exceptions(llm: QwenSpace) -> LlamaDebugHandler:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([handler])
    return handler


# Each piece at once


@pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
def test_a_loop_may_run_for_one_piece_at_a_time(llm: QwenSpace, endpoint: str) -> None:
    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(getattr(llm, endpoint)(question(endpoint)))

    deltas = []
    while (chunk := loop.run_until_complete(anext(stream, None))) is not None:
        deltas.append(chunk.delta)
    loop.close()

    assert deltas == ["Hello", " ", "there", ".", ""]


@pytest.mark.parametrize("endpoint", SYNC_STREAMS)
def test_each_piece_is_there_before_the_next_is_made(
    llm: QwenSpace, held: Any, endpoint: str
) -> None:
    gate = held(0)
    stream = getattr(llm, endpoint)(question(endpoint))

    deltas = []
    for _ in range(4):
        gate.release()
        deltas.append(next(stream).delta)
    assert deltas == ["Hello", " ", "there", "."]
    assert [chunk.delta for chunk in stream] == [""]


@pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
async def test_each_piece_is_there_before_the_next_is_made_async(
    llm: QwenSpace, held: Any, endpoint: str
) -> None:
    gate = held(0)
    stream = await getattr(llm, endpoint)(question(endpoint))

    deltas = []
    for _ in range(4):
        gate.release()
        deltas.append((await anext(stream)).delta)
    assert deltas == ["Hello", " ", "there", "."]
    assert [chunk.delta async for chunk in stream] == [""]


async def test_nothing_is_sent_before_the_first_piece_is_asked_for(
    space: Any, llm: QwenSpace
) -> None:
    streams = [llm.stream_complete("Hi"), llm.stream_chat([ChatMessage("Hi")])]
    for stream in streams:
        stream.close()
    async_streams = [
        await llm.astream_complete("Hi"),
        await llm.astream_chat([ChatMessage("Hi")]),
    ]
    for async_stream in async_streams:
        await async_stream.aclose()

    assert space.paths == []


async def test_two_streams_run_side_by_side_in_one_loop(llm: QwenSpace) -> None:
    first, second = [await llm.astream_complete("Hi") for _ in range(2)]

    deltas = [((await anext(first)).delta, (await anext(second)).delta) for _ in range(5)]

    assert deltas == [(piece, piece) for piece in ["Hello", " ", "there", ".", ""]]


# Leaving a stream


@pytest.mark.parametrize("endpoint", SYNC_STREAMS)
def test_closing_a_stream_stops_the_job_though_a_handler_keeps_the_exception(
    space: Any, llm: QwenSpace, held: Any, endpoint: str
) -> None:
    handler = keep_exceptions(llm)
    held(1)
    stream = getattr(llm, endpoint)(question(endpoint))
    next(stream)

    gc.disable()  # so that it is not the garbage collector that closes
    try:
        stream.close()
        space.engine.wait_until(lambda engine: engine.cancelled == 1)
    finally:
        gc.enable()

    [(_, end)] = handler.get_event_pairs(CBEventType.LLM)
    assert isinstance(end.payload["exception"], GeneratorExit)


def drop(stream: Any) -> None:
    for _ in stream:
        break


@pytest.mark.parametrize("endpoint", SYNC_STREAMS)
def test_dropping_a_stream_stops_the_job(
    space: Any, llm: QwenSpace, held: Any, endpoint: str
) -> None:
    held(1)

    drop(getattr(llm, endpoint)(question(endpoint)))

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


class Watched(Space):
    """A Space that counts its open streams."""

    open = 0

    def astream_chat(self, *args: Any, **options: Any) -> EventStream[Event]:
        stream = super().astream_chat(*args, **options)

        async def close(*_: object) -> None:
            type(self).open -= 1

        async def enter(exits: Exits) -> AsyncIterator[Event]:
            type(self).open += 1
            exits.push(close)
            return await stream.enter_on(exits)

        return EventStream(enter)


@pytest.fixture
def watched(llm: QwenSpace) -> type[Watched]:
    Watched.open = 0
    llm._space = Watched.from_config(build_config(llm))
    return Watched


@pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
async def test_aclose_returns_when_the_connection_is_closed(
    space: Any, llm: QwenSpace, held: Any, watched: type[Watched], endpoint: str
) -> None:
    keep_exceptions(llm)
    held(1)
    stream = await getattr(llm, endpoint)(question(endpoint))
    async for _ in stream:
        break
    assert watched.open == 1

    await stream.aclose()

    assert watched.open == 0
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


@pytest.mark.parametrize("endpoint", [*ASYNC_STREAMS, "achat", "acomplete"])
async def test_cancelling_the_task_stops_the_job(
    space: Any, llm: QwenSpace, held: Any, watched: type[Watched], endpoint: str
) -> None:
    keep_exceptions(llm)
    held(1)

    async def read() -> None:
        result = await getattr(llm, endpoint)(question(endpoint))
        if "stream" in endpoint:
            async for _ in result:
                pass

    task = asyncio.create_task(read())
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert watched.open == 0
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


async def test_a_handler_that_raises_does_not_keep_the_stream_open(
    space: Any, llm: QwenSpace, held: Any, watched: type[Watched]
) -> None:
    handler = keep_exceptions(llm)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ValueError("over budget")

    handler.on_event_end = refuse  # type: ignore[method-assign]
    held(1)
    stream = await llm.astream_complete("Hi")
    await anext(stream)

    with pytest.raises(ValueError, match="over budget"):
        await stream.aclose()

    assert watched.open == 0
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


@pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
async def test_an_error_in_the_middle_comes_after_the_pieces(
    space: Any, llm: QwenSpace, books: Any, endpoint: str
) -> None:
    space.engine.reply = ["Hel", ValueError("no luck")]
    stream = await getattr(books.keep(llm), endpoint)(question(endpoint))

    assert (await anext(stream)).delta == "Hel"
    with pytest.raises(JobError, match="no luck"):
        await anext(stream)

    assert len(books.named("ExceptionEvent")) == 1
