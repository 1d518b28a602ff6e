from __future__ import annotations

import pickle

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock

from llama_index_qwen_space.responses import Piece, chat_response


@pytest.mark.parametrize("delta", ["there", None])
def test_a_response_of_text_is_what_llama_index_would_make(delta: str | None) -> None:
    made = chat_response(Piece("Hello there", delta))

    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Hello there")])
    checked = ChatResponse(message=message, delta=delta, raw=None, additional_kwargs={})
    assert made == checked
    assert repr(made) == repr(checked)
    assert made.model_dump() == checked.model_dump()
    assert made.model_fields_set == checked.model_fields_set
    assert made.message.model_fields_set == checked.message.model_fields_set
    assert made.message.blocks[0].model_fields_set == {"text"}
    assert pickle.loads(pickle.dumps(made)) == checked


def test_no_response_shares_anything_with_another() -> None:
    one, other = chat_response(Piece("one", "one")), chat_response(Piece("other", "other"))

    one.additional_kwargs["x"] = one.message.additional_kwargs["x"] = 1
    one.message.content = "changed"
    one.message.blocks.append(TextBlock(text="more"))
    one.raw = {}

    assert other == chat_response(Piece("other", "other"))
    assert other.message.content == "other"
