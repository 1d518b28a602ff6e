"""Replies that are left, and those that fail."""

from __future__ import annotations

import asyncio
import gc

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.llms import LLM

from tests.llama_index.conformance.base import PATIENCE, Conformance, Server
from tests.llama_index.conformance.calls import (
    ASYNC,
    ASYNC_STREAMS,
    ENDPOINTS,
    SYNC_STREAMS,
    ask,
    question,
)


class Leaving(Conformance):
    @pytest.mark.parametrize("endpoint", SYNC_STREAMS)
    def test_closing_a_stream_stops_the_server(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        with self.held(server, 1):
            before = server.cancelled
            stream = getattr(llm, endpoint)(question(endpoint))
            next(stream)
            stream.close()

            server.wait_until(lambda each: each.cancelled == before + 1, PATIENCE / 2)

    @pytest.mark.parametrize("endpoint", ASYNC_STREAMS)
    @pytest.mark.parametrize("keeps", [False, True], ids=["", "though-a-handler-keeps-the-error"])
    async def test_aclose_stops_the_server(
        self, llm: LLM, server: Server, endpoint: str, keeps: bool
    ) -> None:
        if keeps:
            handler = LlamaDebugHandler(print_trace_on_end=False)
            llm.callback_manager = CallbackManager([handler])
        with self.held(server, 1):
            before = server.cancelled
            stream = await getattr(llm, endpoint)(question(endpoint))
            await anext(stream)
            gc.disable()  # so that it is not the garbage collector that closes
            try:
                await stream.aclose()
                await asyncio.to_thread(
                    server.wait_until, lambda each: each.cancelled == before + 1, PATIENCE / 2
                )
            finally:
                gc.enable()

    @pytest.mark.parametrize("endpoint", ASYNC)
    async def test_cancelling_the_task_stops_the_server(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        with self.held(server, 1):
            before = server.cancelled
            task = asyncio.create_task(ask(llm, endpoint))
            await asyncio.to_thread(server.wait_until, lambda each: each.running == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            await asyncio.to_thread(
                server.wait_until, lambda each: each.cancelled == before + 1, PATIENCE / 2
            )

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_failure_on_the_server_is_an_error_and_no_text(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        server.reply = ["Hel", ValueError("no luck")]

        with pytest.raises(Exception, match="no luck"):
            await ask(llm, endpoint)
