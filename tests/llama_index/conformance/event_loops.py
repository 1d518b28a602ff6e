"""The event loop of the caller, other loops, and threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import LLM

from tests.llama_index.conformance.base import PATIENCE, Conformance, Server
from tests.llama_index.conformance.calls import (
    ASYNC,
    ASYNC_STREAMS,
    SYNC_STREAMS,
    ask,
    question,
    text_of,
)


class EventLoops(Conformance):
    @pytest.mark.parametrize("endpoint", ASYNC)
    async def test_an_async_call_leaves_the_loop_to_others(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        with self.held(server) as gate:
            call = asyncio.create_task(ask(llm, endpoint))
            await asyncio.to_thread(server.wait_until, lambda each: each.running == 1)
            still_held = not call.done() and server.running == 1
            gate.release(10)
            responses = await call

        assert still_held
        assert text_of(responses[-1]) == "Hello there."

    @pytest.mark.parametrize("endpoint", ASYNC)
    async def test_five_gathered_calls_overlap(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        with self.held(server) as gate:
            calls = [asyncio.create_task(ask(llm, endpoint)) for _ in range(5)]
            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(
                    server.wait_until, lambda each: each.running == 5, PATIENCE / 2
                )
            at_once = server.running
            gate.release(100)
            texts = [text_of(responses[-1]) for responses in await asyncio.gather(*calls)]

        assert at_once == 5
        assert texts == ["Hello there."] * 5

    @pytest.mark.parametrize("endpoint", ASYNC)
    def test_one_object_works_in_one_loop_after_the_other(self, llm: LLM, endpoint: str) -> None:
        replies = [asyncio.run(ask(llm, endpoint)) for _ in range(3)]

        assert [text_of(reply[-1]) for reply in replies] == ["Hello there."] * 3

    @pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
    async def test_streams_run_side_by_side_and_one_after_the_other(
        self, llm: LLM, endpoint: str
    ) -> None:
        both = await asyncio.gather(ask(llm, endpoint), ask(llm, endpoint))
        third = await ask(llm, endpoint)

        assert [text_of(chunks[-1]) for chunks in (*both, third)] == ["Hello there."] * 3

    async def test_a_blocking_call_works_inside_a_running_loop(self, llm: LLM) -> None:
        assert text_of(llm.complete("Hi")) == "Hello there."
        assert text_of(list(llm.stream_chat([ChatMessage("Hi")]))[-1]) == "Hello there."

    @pytest.mark.parametrize("endpoint", SYNC_STREAMS)
    def test_a_stream_may_be_read_in_another_thread(self, llm: LLM, endpoint: str) -> None:
        stream = getattr(llm, endpoint)(question(endpoint))
        chunks = [next(stream)]

        thread = threading.Thread(target=lambda: chunks.extend(stream))
        thread.start()
        thread.join(20)

        assert text_of(chunks[-1]) == "Hello there."

    def test_threads_share_one_object(self, llm: LLM) -> None:
        texts: list[str] = []
        threads = [
            threading.Thread(target=lambda: texts.append(text_of(llm.complete("Hi"))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert texts == ["Hello there."] * 4
