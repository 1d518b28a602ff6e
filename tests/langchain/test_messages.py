"""Messages in all their forms, as texts."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_qwen_space.messages import to_core_messages

LINES = [{"type": "text", "text": "Paris: 21"}, {"type": "text", "text": "Oslo: 3"}]
FILE = base64.b64encode("a ü".encode()).decode()
IMAGE = {"type": "image", "base64": "aaaa", "mime_type": "image/png"}


def text_of(message: BaseMessage) -> str | None:
    return to_core_messages([message])[0].text


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(ToolMessage(LINES, tool_call_id="1"), id="result"),  # type: ignore[arg-type]
        pytest.param(FunctionMessage(LINES, name="f"), id="older-result"),  # type: ignore[arg-type]
        pytest.param(HumanMessage(LINES), id="person"),  # type: ignore[arg-type]
        pytest.param(SystemMessage(LINES), id="system"),  # type: ignore[arg-type]
    ],
)
def test_several_blocks_are_several_lines(message: BaseMessage) -> None:
    assert text_of(message) == "Paris: 21\nOslo: 3"


def test_the_texts_of_an_answer_are_one() -> None:
    assert text_of(AIMessage(LINES)) == "Paris: 21Oslo: 3"  # type: ignore[arg-type]


BLOCKS = [
    pytest.param({"type": "json", "json": {"a": ["ü"]}}, '{"a": ["ü"]}', id="json"),
    pytest.param({"type": "text-plain", "text": "a"}, "a", id="plain-text"),
    pytest.param({"type": "text-plain", "base64": FILE}, "a ü", id="plain-text-in-base64"),
    pytest.param(
        {"type": "file", "mime_type": "text/markdown", "base64": FILE}, "a ü", id="text-file"
    ),
    pytest.param(
        {"type": "document", "title": "T", "source": {"type": "text", "data": "a"}},
        "T\na",
        id="document",
    ),
    pytest.param(
        {"type": "document", "source": {"type": "content", "content": LINES}},
        "Paris: 21\nOslo: 3",
        id="document-of-blocks",
    ),
    pytest.param(
        {"type": "search_result", "title": "T", "source": "http://a", "content": LINES},
        "T\nhttp://a\nParis: 21\nOslo: 3",
        id="search-result",
    ),
]


@pytest.mark.parametrize(("block", "text"), BLOCKS)
@pytest.mark.parametrize("kind", ["person", "result"])
def test_text_in_other_forms_is_text(block: dict[str, Any], text: str, kind: str) -> None:
    message = HumanMessage([block]) if kind == "person" else ToolMessage([block], tool_call_id="1")

    assert text_of(message) == text


OTHERS = [
    pytest.param(IMAGE, id="image"),
    pytest.param({"type": "image_url", "image_url": {"url": "http://a"}}, id="image_url"),
    pytest.param({"type": "file", "mime_type": "application/pdf", "base64": "aa"}, id="file"),
    pytest.param({"type": "file", "file_id": "1"}, id="file"),
    pytest.param({"type": "document", "source": {"type": "url", "url": "a"}}, id="document"),
]


@pytest.mark.parametrize("block", OTHERS)
def test_a_picture_in_a_result_becomes_a_line_that_says_so(block: dict[str, Any]) -> None:
    message = ToolMessage([LINES[0], block], tool_call_id="1")  # type: ignore[list-item]

    kind = block["type"]
    assert text_of(message) == f"Paris: 21\n[{kind}: left out, as only text can be read here]"


@pytest.mark.parametrize("block", OTHERS)
def test_a_picture_in_a_question_is_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"type '{block['type']}' cannot be sent"):
        text_of(HumanMessage([block]))


def test_the_name_of_a_person_reaches_the_model() -> None:
    assert text_of(HumanMessage("Hi", name="Ada")) == "Ada: Hi"
    assert text_of(AIMessage("Hi", name="researcher")) == "Hi"
