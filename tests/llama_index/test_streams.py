from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler

from llama_index_qwen_space import QwenSpace
from qwen_space import JobError
from qwen_space.chat_model.arguments import build_config
from qwen_space.chat_model.space import Space
from qwen_space.events import Event, EventStream
from tests.llama_index.conformance.calls import ASYNC_STREAMS, SYNC_STREAMS, question


def keeping_exceptions(llm: QwenSpace) -> LlamaDebugHandler:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([handler])
    return handler


# Each piece at once


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


async def test_an_asynchronous_call_leaves_the_loop_free(llm: QwenSpace, held: Any) -> None:
    gate = held(0)

    async def later() -> None:
        for _ in range(20):
            gate.release()

    replies = await asyncio.gather(*(llm.acomplete("Hi") for _ in range(5)), later())

    assert [reply.text for reply in replies[:5]] == ["Hello there."] * 5


# Leaving a stream


@pytest.mark.parametrize("endpoint", SYNC_STREAMS)
def test_closing_a_stream_stops_the_job_though_a_handler_keeps_the_exception(
    space: Any, llm: QwenSpace, held: Any, endpoint: str
) -> None:
    handler = keeping_exceptions(llm)
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


def dropped(stream: Any) -> None:
    for _ in stream:
        break


@pytest.mark.parametrize("endpoint", SYNC_STREAMS)
def test_dropping_a_stream_stops_the_job(
    space: Any, llm: QwenSpace, held: Any, endpoint: str
) -> None:
    held(1)

    dropped(getattr(llm, endpoint)(question(endpoint)))

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


class Watched(Space):
    """A Space that counts its open streams."""

    open = 0

    def astream_chat(self, *args: Any, **options: Any) -> EventStream[Event]:
        stream = super().astream_chat(*args, **options)

        def close() -> None:
            type(self).open -= 1

        async def enter(stack: contextlib.AsyncExitStack) -> AsyncIterator[Event]:
            type(self).open += 1
            stack.callback(close)
            return await stream.enter_on(stack)

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
    keeping_exceptions(llm)
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
    keeping_exceptions(llm)
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
    handler = keeping_exceptions(llm)

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


# Threads and loops


def in_a_thread(work: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(20)
    [result] = results
    return result


def test_a_stream_may_be_read_in_another_thread(llm: QwenSpace) -> None:
    stream = llm.stream_complete("Hi")
    first = next(stream)

    rest = in_a_thread(lambda: list(stream))

    assert first.delta + "".join(chunk.delta for chunk in rest) == "Hello there."


def test_several_threads_use_one_llm(llm: QwenSpace) -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(llm.complete("Hi").text)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert texts == ["Hello there."] * 4


def test_one_llm_works_in_one_loop_after_the_other(llm: QwenSpace) -> None:
    async def both() -> str:
        stream = await llm.astream_chat([ChatMessage("Hi")])
        return [chunk async for chunk in stream][-1].message.content + (
            await llm.acomplete("Hi")
        ).text

    texts = [asyncio.run(both()) for _ in range(5)]

    assert texts == ["Hello there.Hello there."] * 5


async def test_two_streams_run_side_by_side_in_one_loop(llm: QwenSpace) -> None:
    first, second = [await llm.astream_complete("Hi") for _ in range(2)]

    deltas = [((await anext(first)).delta, (await anext(second)).delta) for _ in range(5)]

    assert deltas == [(piece, piece) for piece in ["Hello", " ", "there", ".", ""]]


async def test_a_blocking_call_works_inside_a_running_loop(llm: QwenSpace) -> None:
    assert llm.complete("Hi").text == "Hello there."
    assert [chunk.text for chunk in llm.stream_complete("Hi")][-1] == "Hello there."
