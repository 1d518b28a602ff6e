"""Chunks that are made without pydantic's checks equal those that are checked."""

from __future__ import annotations

import pickle

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen_space.chunks import text_chunk


def test_a_text_chunk_equals_langchains_own() -> None:
    made = text_chunk("Hello")
    checked = ChatGenerationChunk(message=AIMessageChunk(content="Hello"))

    assert made == checked
    assert made.message == checked.message
    assert repr(made) == repr(checked)
    assert made.model_dump() == checked.model_dump()
    assert made.model_fields_set == checked.model_fields_set
    assert made.message.model_fields_set == checked.message.model_fields_set
    assert pickle.loads(pickle.dumps(made)) == checked


def test_no_chunk_shares_anything_with_another() -> None:
    one, other = text_chunk("one"), text_chunk("other")

    one.message.additional_kwargs["x"] = one.message.response_metadata["x"] = 1
    one.message.tool_calls.append({})  # type: ignore[attr-defined]
    one.message.id = "1"
    one.generation_info = {}

    assert other == ChatGenerationChunk(message=AIMessageChunk(content="other"))


def test_chunks_of_text_add_up() -> None:
    assert (text_chunk("one ") + text_chunk("two")).text == "one two"
    assert (text_chunk("one ").message + text_chunk("two").message).content == "one two"
