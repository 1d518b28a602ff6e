"""Messages in all their forms, as texts."""

from __future__ import annotations

import base64

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
from qwen_space import Media
from qwen_space.chat.media import PLACEHOLDER
from qwen_space.tools import ToolCall

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


@pytest.mark.parametrize("kind", [HumanMessage, ToolMessage])
def test_text_in_other_forms_is_text(kind: type[BaseMessage]) -> None:
    blocks = [
        {"type": "text-plain", "text": "a"},
        {"type": "file", "mime_type": "text/markdown", "base64": FILE},
    ]

    assert text_of(kind(content=blocks, tool_call_id="1")) == "a\na ü"


@pytest.mark.parametrize("kind", [HumanMessage, ToolMessage])
def test_a_picture_is_media_with_a_place_in_the_text(kind: type[BaseMessage]) -> None:
    [message] = to_core_messages([kind(content=[LINES[0], IMAGE], tool_call_id="1")])

    assert message.text == f"Paris: 21\n{PLACEHOLDER}"
    assert message.media == (Media("image", data=b"i\xa6\x9a", mime_type="image/png"),)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(AIMessage, "S"), (ToolMessage, "S\n[image: left out, as only text can be read here]")],
)
def test_media_by_another_provider_s_id_ends_no_thread(kind: type[BaseMessage], text: str) -> None:
    blocks = [LINES[0] | {"text": "S"}, {"type": "image", "file_id": "file_1"}]

    assert text_of(kind(content=blocks, tool_call_id="1")) == text
    with pytest.raises(ValueError, match="'image' has None"):
        text_of(HumanMessage(blocks))  # type: ignore[arg-type]


def test_a_call_that_another_provider_gives_in_two_forms_is_one() -> None:
    old = {"name": "add", "arguments": '{"a": 2}'}  # as Gemini's messages have it beside the new
    call = {"name": "add", "args": {"a": 2}, "id": "1", "type": "tool_call"}
    message = AIMessage("", additional_kwargs={"function_call": old}, tool_calls=[call])

    assert to_core_messages([message])[0].calls == [ToolCall("add", {"a": 2}, "1")]


def test_the_models_own_picture_is_a_line_between_its_deltas() -> None:
    message = AIMessage(["S", "ee:", {"type": "image", "url": "http://x/y.png"}, "Ni", "ce?"])

    assert text_of(message) == f"See:\n{PLACEHOLDER}\nNice?"


def test_the_name_of_the_speaker_goes_with_the_message() -> None:
    messages = to_core_messages([HumanMessage("Hi", name="Ada"), AIMessage("Yes?", name="Bo")])

    assert [message.name for message in messages] == ["Ada", "Bo"]
