"""The system prompt and the messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.llms import LLM

from tests.llama_index.conformance.base import Conformance, Server, said_to
from tests.llama_index.conformance.calls import CHATS, ENDPOINTS, ask, text_of


class Messages(Conformance):
    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_the_llms_system_prompt_is_used_in_direct_calls(
        self, make: Callable[..., LLM], server: Server, endpoint: str
    ) -> None:
        await ask(make(system_prompt="Be brief."), endpoint)

        assert said_to(server, "system") == "Be brief."

    @pytest.mark.parametrize("streaming", [False, True])
    def test_a_query_engine_sends_the_system_prompt_once(
        self, make: Callable[..., LLM], server: Server, streaming: bool
    ) -> None:
        index = SummaryIndex.from_documents([Document(text="The tower leans.")])
        llm = make(system_prompt="Be brief.")

        response = index.as_query_engine(llm=llm, streaming=streaming).query("What leans?")

        assert "Hello there." in ("".join(response.response_gen) if streaming else str(response))
        assert said_to(server, "system").count("Be brief.") == 1
        assert "The tower leans." in said_to(server, "user")

    def test_an_image_reaches_the_model_or_is_refused(self, llm: LLM, server: Server) -> None:
        picture = "iVBORw0KGgo="
        image = ImageBlock(image=picture.encode(), image_mimetype="image/png")
        message = ChatMessage([TextBlock(text="What is this?"), image])

        if self.takes_images:
            assert text_of(llm.chat([message])) == "Hello there."
            assert picture in str(server.requests)
            return
        with pytest.raises((ValueError, TypeError, NotImplementedError)):
            llm.chat([message])
        assert server.requests == []

    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_the_callers_messages_stay_as_they_are(self, llm: LLM, endpoint: str) -> None:
        messages = [
            ChatMessage("Be brief.", role="system"),
            ChatMessage("Hi"),
            ChatMessage([ThinkingBlock(content="hm"), TextBlock(text="Yes?")], role="assistant"),
            ChatMessage("5+5?"),
        ]
        before = [message.model_copy(deep=True) for message in messages]

        await ask(llm, endpoint, messages)

        assert messages == before

    @pytest.mark.parametrize("endpoint", ["achat", "chat"])
    async def test_arguments_meant_for_other_providers_do_no_harm(
        self, llm: LLM, endpoint: str
    ) -> None:
        # As LlamaIndex's DocumentContextExtractor calls whatever LLM it has.
        foreign = {"extra_headers": {"anthropic-beta": "prompt-caching-2024-07-31"}}

        [response] = await ask(llm, endpoint, **foreign)

        assert text_of(response) == "Hello there."
