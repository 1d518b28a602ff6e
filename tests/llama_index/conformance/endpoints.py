"""The eight endpoints, and LlamaIndex's record of a call."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import LLM

from tests.llama_index.conformance.base import PIECES, Conformance, Limiter, Listener, Server
from tests.llama_index.conformance.calls import (
    ASYNC_STREAMS,
    ENDPOINTS,
    STREAMS,
    answers,
    ask,
    question,
    text_of,
)


class Endpoints(Conformance):
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_endpoint_gives_the_whole_text(self, llm: LLM, endpoint: str) -> None:
        responses = await ask(llm, endpoint)

        assert text_of(responses[-1]) == "Hello there."

    @pytest.mark.parametrize("endpoint", STREAMS)
    async def test_chunks_have_the_text_so_far_and_the_delta(self, llm: LLM, endpoint: str) -> None:
        chunks = await ask(llm, endpoint)

        assert len(chunks) >= len(PIECES)
        so_far = ""
        for chunk in chunks:
            assert chunk.delta is not None
            so_far += chunk.delta
            assert text_of(chunk) == so_far

    @pytest.mark.parametrize("endpoint", STREAMS)
    async def test_each_piece_is_there_before_the_next_is_made(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        given = question(endpoint)

        with self.held(server, 1) as gate:
            stream = getattr(llm, endpoint)(given)
            stream = await stream if endpoint in ASYNC_STREAMS else stream
            first = await anext(stream) if endpoint in ASYNC_STREAMS else next(stream)
            was_running = server.running
            gate.release(10)
            rest = await answers(stream)

        assert first.delta == "Hello"
        assert was_running == 1
        assert text_of(rest[-1]) == "Hello there."

    @pytest.mark.parametrize("endpoint", STREAMS)
    async def test_an_empty_reply_is_at_least_one_chunk(
        self, llm: LLM, server: Server, endpoint: str
    ) -> None:
        server.reply = []

        chunks = await ask(llm, endpoint)

        assert chunks
        assert text_of(chunks[-1]) == ""

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_raw_is_a_mapping_or_none(self, llm: LLM, endpoint: str) -> None:
        last = (await ask(llm, endpoint))[-1]

        usable = last.raw is None or dict(last.raw) is not None
        assert usable

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_call_is_one_event(self, llm: LLM, listener: Listener, endpoint: str) -> None:
        debug = LlamaDebugHandler(print_trace_on_end=False)
        llm.callback_manager = CallbackManager([debug])

        await ask(llm, endpoint)

        names = Counter(
            re.sub("LLM(Chat|Completion)", "", each.class_name()) for each in listener.seen
        )
        assert (names["StartEvent"], names["EndEvent"]) == (1, 1)
        assert len(debug.get_llm_inputs_outputs()) == 1

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_call_is_one_slot_of_the_rate_limiter(self, llm: LLM, endpoint: str) -> None:
        llm.rate_limiter = limiter = Limiter()  # type: ignore[assignment]

        await ask(llm, endpoint)

        assert limiter.count == 1

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_call_is_one_count_of_tokens(self, llm: LLM, endpoint: str) -> None:
        tokens = TokenCountingHandler(tokenizer=str.split)
        llm.callback_manager = CallbackManager([tokens])

        await ask(llm, endpoint)

        assert len(tokens.llm_token_counts) == 1
        assert tokens.completion_llm_token_count > 0

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_call_is_one_span(
        self, llm: LLM, spans: SimpleSpanHandler, endpoint: str
    ) -> None:
        await ask(llm, endpoint)

        names = [span.id_.partition("-")[0] for span in spans.completed_spans]
        assert names == [f"{type(llm).__name__}.{endpoint}"]
        assert not spans.open_spans

    @pytest.mark.parametrize("endpoint", ["complete", "stream_complete"])
    async def test_a_prompt_may_be_named_but_not_be_missing_nor_given_twice(
        self, llm: LLM, endpoint: str
    ) -> None:
        call = getattr(llm, endpoint)

        assert text_of((await answers(call(prompt="Hi")))[-1]) == "Hello there."
        with pytest.raises(TypeError):
            await answers(call("Hi", prompt="Hi"))
        with pytest.raises(ValueError, match="prompt"):
            await answers(call())
