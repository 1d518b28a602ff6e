"""Objects in place of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.llms import LLM
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from tests.llama_index.conformance.base import Conformance, Server, said_to
from tests.llama_index.conformance.calls import CHATS, answers, ask

STRUCTURED = ["", "a", "stream_", "astream_"]


class Song(BaseModel):
    """A song."""

    name: str
    year: int


async def ask_for_a_song(llm: LLM, way: str, prompt: Any = None, **kwargs: Any) -> list[Any]:
    prompt = prompt or PromptTemplate("Name a song of {whom}.")
    call = getattr(llm, f"{way}structured_predict")
    return await answers(call(Song, prompt, whom="the Beatles", **kwargs))


class StructuredOutput(Conformance):
    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_json_becomes_an_object(self, llm: LLM, server: Server, way: str) -> None:
        server.reply = ['{"name": "Help!"', ', "year": 1965}']

        objects = await ask_for_a_song(llm, way)

        assert objects[-1] == Song(name="Help!", year=1965)

    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_no_json_is_an_error(self, llm: LLM, server: Server, way: str) -> None:
        server.reply = ["I like the", " Beatles."]

        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the LLM's own
            await ask_for_a_song(llm, way)

    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_a_missing_field_is_an_error(self, llm: LLM, server: Server, way: str) -> None:
        server.reply = ['{"name": ', '"Help!"}']

        with pytest.raises(Exception):  # noqa: B017, PT011
            await ask_for_a_song(llm, way)

    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_the_callers_template_stays_as_it_is(
        self, llm: LLM, server: Server, way: str
    ) -> None:
        server.reply = ['{"name": "Help!", "year": 1965}']
        prompt = PromptTemplate("Name a song of {whom}.")

        await ask_for_a_song(llm, way, prompt)

        assert prompt.output_parser is None
        assert prompt.format(whom="Queen") == "Name a song of Queen."

    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_structured_output_keeps_the_system_prompt(
        self, make: Callable[..., LLM], server: Server, way: str
    ) -> None:
        server.reply = ['{"name": "Help!", "year": 1965}']

        await ask_for_a_song(make(system_prompt="Be brief."), way)

        assert said_to(server, "system").count("Be brief.") == 1

    @pytest.mark.parametrize("way", STRUCTURED)
    async def test_the_schema_has_single_braces(self, llm: LLM, server: Server, way: str) -> None:
        server.reply = ['{"name": "Help!", "year": 1965}']

        await ask_for_a_song(llm, way)

        assert "{{" not in str([each["content"] for each in server.requests[0]])

    # LlamaIndex's structured LLM writes a partial object in a way that Pydantic gave up.
    @pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_a_structured_llm_answers(self, llm: LLM, server: Server, endpoint: str) -> None:
        server.reply = ['{"name": "Help!", "year": 1965}']

        last = (await ask(llm.as_structured_llm(Song), endpoint))[-1]

        assert last.raw == Song(name="Help!", year=1965)
