"""Messages in all their forms, as texts."""

from __future__ import annotations

import base64
from datetime import date
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from conftest import ScriptedSpace

    from langchain_qwen_space import ChatQwenSpace

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
        {"text": "b"},
    ]

    assert text_of(kind(content=blocks, tool_call_id="1")) == "a\na ü\nb"


def test_text_without_a_type_is_not_lost_from_an_answer() -> None:
    assert text_of(AIMessage([{"text": "a"}, {"text": "b"}])) == "ab"


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


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"type": "tool_use", "input": {"a": 2}}, id="anthropic"),
        pytest.param({"type": "tool_call", "args": {"a": 2}}, id="langchain"),
    ],
)
def test_a_call_that_stands_in_the_content_alone_is_sent(block: dict[str, Any]) -> None:
    message = AIMessage([{"type": "text", "text": "So:"}, {"name": "add", "id": "1", **block}])
    with_call = AIMessage(message.content, tool_calls=[{"name": "f", "args": {}, "id": "2"}])

    [alone, both] = to_core_messages([message, with_call])

    assert (alone.text, alone.calls) == ("So:", [ToolCall("add", {"a": 2}, "1")])
    assert both.calls == [ToolCall("f", {}, "2")]


def test_the_models_own_picture_is_a_line_between_its_deltas() -> None:
    message = AIMessage(["S", "ee:", {"type": "image", "url": "http://x/y.png"}, "Ni", "ce?"])

    assert text_of(message) == f"See:\n{PLACEHOLDER}\nNice?"


def test_the_name_of_the_speaker_goes_with_the_message() -> None:
    messages = to_core_messages([HumanMessage("Hi", name="Ada"), AIMessage("Yes?", name="Bo")])

    assert [message.name for message in messages] == ["Ada", "Bo"]


# On their way to the Space


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(
            [{"type": "image", "url": "http://x/y.png"}], "'image'.*takes text only", id="image"
        ),
        pytest.param(
            [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "u"}}],
            "'image_url' has 'u' where its bytes or its address",
            id="image-url",
        ),
        pytest.param(
            [{"type": "file", "base64": "", "mime_type": "a/b"}], "'file' has ''", id="file"
        ),
        pytest.param([{"type": "poll"}], "'poll' cannot be sent", id="another"),
    ],
)
def test_unsupported_content_is_refused_by_its_name(
    space: ScriptedSpace, model: ChatQwenSpace, content: list[Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        model.invoke([HumanMessage(content)])

    assert space.joins == []


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "refusal", "refusal": "I cannot."}, "I cannot."),
        ({"type": "text-plain", "text": "plain"}, "plain"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, ""),
        ({"type": "server_tool_call", "name": "search", "args": {}, "id": "1"}, ""),
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, ""),
        ({"type": "mcp_list_tools", "id": "1", "server_label": "a", "tools": []}, ""),
        ({"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}, ""),
        ({"type": "web_search_tool_result", "tool_use_id": "1", "content": []}, ""),
        ({"type": "executable_code", "language": "PYTHON", "executable_code": "1"}, ""),
        ({"type": "code_execution_result", "outcome": 1, "code_execution_result": "1"}, ""),
        ({"type": "non_standard", "value": {"type": "citations"}}, ""),
        ({"type": "function_call_signature", "signature": "s"}, ""),
        ({"type": "compaction", "encrypted_content": "s"}, ""),
        ({"type": "reasoning_content", "reasoning_content": {"text": "Hm."}}, ""),
        ({"cachePoint": {"type": "default"}}, ""),
    ],
    ids=lambda value: value.get("type", "no-type") if isinstance(value, dict) else "",
)
def test_messages_of_other_providers_can_be_answered(
    space: ScriptedSpace, model: ChatQwenSpace, block: Any, text: str
) -> None:
    model.invoke([HumanMessage("Hi"), AIMessage([block]), HumanMessage("And?")])

    assert space.transcript(0) == f"User: Hi\nAssistant: {text}\nUser: And?\nAssistant:"


@pytest.mark.parametrize(
    "beside",
    [{"refusal": "I cannot."}, {"audio": {"id": "1", "transcript": "I cannot."}}],
    ids=["refusal", "audio"],
)
def test_words_beside_the_content_are_the_answer_s(
    space: ScriptedSpace, model: ChatQwenSpace, beside: Any
) -> None:
    answer = AIMessage("", additional_kwargs=beside)

    model.invoke([HumanMessage("Hi"), answer, HumanMessage("And?")])

    assert space.transcript(0) == "User: Hi\nAssistant: I cannot.\nUser: And?\nAssistant:"


def test_a_mark_for_another_provider_s_cache_says_nothing(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    mark: Any = {"cachePoint": {"type": "default"}}

    model.invoke([SystemMessage(["Be brief.", mark]), HumanMessage(["Hi", mark])])

    assert space.joins[0]["data"][0::2] == ["Hi", "Be brief."]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "mcp_list_tools", "id": "1", "server_label": "a", "tools": []},
        {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "1", "content": []},
        {"type": "server_tool_result", "tool_call_id": "1", "status": "success"},
        {"type": "executable_code", "language": "PYTHON", "executable_code": "1"},
        {"type": "invalid_tool_call", "name": "f", "args": "{", "id": "1", "error": None},
    ],
    ids=lambda block: block["type"],
)
def test_a_person_s_message_may_be_made_of_another_provider_s_answer(
    space: ScriptedSpace, model: ChatQwenSpace, block: Any
) -> None:
    found = HumanMessage([block, {"type": "text", "text": "Found."}], name="researcher")

    model.invoke([HumanMessage("Hi"), AIMessage("Hello."), found])

    assert space.transcript(0).endswith("researcher: Found.\nAssistant:")


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result", "tool_use_id": "1", "content": "2"},
        {"type": "image_generation_call", "id": "1", "result": "aGk="},
    ],
    ids=lambda block: block["type"],
)
def test_a_person_s_message_is_never_sent_without_a_part(
    space: ScriptedSpace, model: ChatQwenSpace, block: Any
) -> None:
    with pytest.raises(ValueError, match=rf"'{block['type']}'.*takes text"):
        model.invoke([HumanMessage([block, {"type": "text", "text": "And?"}])])

    assert space.joins == []


def test_the_arguments_of_a_call_may_be_of_any_type(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    call = {"name": "book", "args": {"day": date(2026, 11, 22)}, "id": "1"}

    model.invoke([HumanMessage("Hi"), AIMessage("", tool_calls=[call]), HumanMessage("And?")])

    assert '"day": "2026-11-22"' in space.transcript(0)


def test_an_invalid_call_of_another_provider_goes_back_as_qwen_would_write_it(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    invalid = {"name": "add", "args": '{"a": 2', "id": "1", "error": None}
    answer = AIMessage("", invalid_tool_calls=[invalid])  # type: ignore[list-item]

    model.invoke([HumanMessage("Hi"), answer, HumanMessage("That is no call.")])

    written = '<tool_call>\n{"name": "add", "arguments": {"a": 2}\n</tool_call>'
    assert f"Assistant: {written}\nUser: That is no call." in space.transcript(0)


def test_a_function_s_call_and_its_result_of_old_are_understood(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    function_call = {"name": "add", "arguments": '{"a": 2, "b": 3}'}
    call = AIMessage("", additional_kwargs={"function_call": function_call})

    model.invoke([HumanMessage("Hi"), call, FunctionMessage("5", name="add")])

    assert space.transcript(0) == (
        'User: Hi\nAssistant: <tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n'
        "</tool_call>\nUser: <tool_response>\n5\n</tool_response>\nAssistant:"
    )


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "tool_use", "id": "1", "input": {"a": 2}}]),
        AIMessage([{"type": "tool_call", "name": None, "args": {}}]),
        AIMessage("", additional_kwargs={"function_call": {"arguments": "{}"}}),
    ],
)
def test_a_call_without_a_name_is_an_error_that_says_so(message: AIMessage) -> None:
    with pytest.raises(ValueError, match=r"A tool call has no name: .* leave it out"):
        to_core_messages([message])


def test_a_call_without_arguments_has_none() -> None:
    message = AIMessage("", additional_kwargs={"function_call": {"name": "now"}})

    assert to_core_messages([message])[0].calls == [ToolCall("now", {})]
