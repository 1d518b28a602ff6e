"""Chats with tools as plain turns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT, pair_turns, render_prompt
from qwen_space.tools import (
    NO_TOOLS,
    InvalidCall,
    Message,
    ToolBinding,
    ToolCall,
    call_text,
    reasked,
    render,
)

FILE = Path(__file__).parents[2] / "data" / "qwen2.5-template" / "chats.json"
CHATS = json.loads(FILE.read_text("utf-8"))


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def message(plain: dict[str, Any]) -> Message:
    calls = [each.get("function", each) for each in plain.get("tool_calls", [])]
    return Message(
        plain["role"],
        plain["content"],
        tuple(ToolCall(call["name"], call["arguments"]) for call in calls),
    )


def as_the_template_renders(turns: list[Turn]) -> str:
    """Render plain turns as Qwen2.5's chat template does."""
    if turns[0].role != "system":
        turns = [Turn("system", DEFAULT_SYSTEM_PROMPT), *turns]
    parts = [f"<|im_start|>{turn.role}\n{turn.text}<|im_end|>\n" for turn in turns]
    return "".join([*parts, "<|im_start|>assistant\n"])


@pytest.mark.parametrize("chat", [pytest.param(chat, id=chat["name"]) for chat in CHATS])
def test_plain_turns_equal_the_template_s_native_tools(chat: dict[str, Any]) -> None:
    turns = render(list(map(message, chat["messages"])), ToolBinding.from_schemas(chat["tools"]))

    assert {turn.role for turn in turns} <= {"system", "user", "assistant"}
    assert as_the_template_renders(turns) == chat["rendered"]


def test_a_loop_of_calls_alternates_so_that_an_app_s_own_history_can_hold_it() -> None:
    chat = next(chat for chat in CHATS if chat["name"] == "a-loop-of-calls")
    turns = render(list(map(message, chat["messages"])), ToolBinding.from_schemas(chat["tools"]))

    found = pair_turns(turns)

    assert found is not None
    assert [len(found[0]), found[1]] == [4, "<tool_response>\n7\n</tool_response>"]
    again = pair_turns(reasked(turns, "Seven.", "Call it."))
    assert again is not None
    assert again[1] == "Call it."


def test_several_system_messages_are_one_with_the_tools_at_its_end() -> None:
    chat = [Message("system", "A"), Message("user", "Hi"), Message("developer", "B")]

    turns = render(chat, ToolBinding.from_schemas([tool("f")]))

    assert [turn.role for turn in turns] == ["system", "user"]
    assert turns[0].text.startswith("A\nB\n\n# Tools\n")
    assert render_prompt(turns).system == turns[0].text


def test_without_tools_turns_stay_as_they_are() -> None:
    chat = [Message("system", "A"), Message("user", "Hi"), Message("system", "B")]

    assert render(chat) == [Turn("system", "A"), Turn("user", "Hi"), Turn("system", "B")]


@pytest.mark.parametrize(
    ("system", "begins"),
    [(None, DEFAULT_SYSTEM_PROMPT), ("Be brief.", "Be brief."), ("", "\n\n# Tools")],
)
def test_the_tools_follow_on_the_system_prompt_that_a_chat_would_have(
    system: str | None, begins: str
) -> None:
    turns = render([Message("user", "Hi")], ToolBinding.from_schemas([tool("f")]), system=system)

    assert turns[0].text.startswith(begins + ("\n\n# Tools" if begins[0] != "\n" else ""))


def test_the_result_of_an_invalid_call_stands_in_its_place() -> None:
    calls = [InvalidCall("add(1", "it is cut off", id="1"), ToolCall("f", {}, "2")]
    results = [Message("tool", "b", call_id="2"), Message("tool", "a", call_id="1")]

    turns = render([Message("user", "Hi"), Message("assistant", "", calls), *results])

    assert turns[1].text.startswith("<tool_call>\nadd(1\n</tool_call>\n<tool_call>\n{")
    assert turns[2].text == (
        "<tool_response>\na\n</tool_response>\n<tool_response>\nb\n</tool_response>"
    )


def test_results_stand_in_the_order_of_their_calls() -> None:
    calls = (ToolCall("f", {}, "a"), ToolCall("f", {}, "b"), ToolCall("f", {}, "c"))
    results = [Message("tool", each, call_id=each) for each in ("c", "x", "a", "b")]

    turns = render([Message("user", "Hi"), Message("assistant", "", calls), *results])

    assert turns[-1].role == "user"
    order = [part[0] for part in turns[-1].text.split("<tool_response>\n")[1:]]
    assert order == ["a", "b", "c", "x"]


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        pytest.param("b", ["No result.", "b"], id="the-first-has-none"),
        pytest.param("ca", ["a", "No result.", "c"], id="one-between-has-none"),
        pytest.param("a", ["a"], id="none-after-it"),
        pytest.param("x", ["x"], id="of-no-call"),
    ],
)
def test_no_call_gets_the_result_of_the_next(answered: str, expected: list[str]) -> None:
    calls = [ToolCall("f", {}, each) for each in "abc"]
    results = [Message("tool", each, call_id=each) for each in answered]

    turns = render([Message("assistant", "", calls), *results])

    shown = re.findall("<tool_response>\n(.*)\n</tool_response>", turns[-1].text)
    assert shown == expected


def test_calls_of_one_id_have_their_results() -> None:
    calls = [ToolCall("f", {}, each) for each in "aab"]
    results = [Message("tool", each, call_id=each) for each in "aab"]

    turns = render([Message("assistant", "", calls), *results])

    assert "No result." not in turns[-1].text


@pytest.mark.parametrize(
    ("arguments", "rendered"),
    [
        pytest.param({"b": 1, "a": "é"}, '{"b": 1, "a": "é"}', id="object"),
        pytest.param('{"b":1}', '{"b": 1}', id="text-of-an-object"),
        pytest.param("[1]", '"[1]"', id="text-of-a-list"),
        pytest.param("{", '"{"', id="no-json"),
        pytest.param({"p": Path("a")}, '{"p": "a"}', id="what-is-no-json"),
    ],
)
def test_arguments_are_rendered_as_an_object(arguments: Any, rendered: str) -> None:
    text = call_text(ToolCall("f", arguments))

    assert text == f'<tool_call>\n{{"name": "f", "arguments": {rendered}}}\n</tool_call>'


def test_tools_that_must_not_be_called_are_not_shown() -> None:
    tools = ToolBinding.from_schemas([tool("f")], "none")

    assert not tools.active
    assert render([Message("user", "Hi")], tools) == [Turn("user", "Hi")]
    assert not NO_TOOLS.active
    assert (tools.block(), tools.instruction()) == ("", "")


def test_of_several_tools_only_the_one_that_must_be_called_is_shown() -> None:
    block = ToolBinding.from_schemas([tool("f"), tool("g")], "g").block()

    assert '"name": "g"' in block
    assert '"name": "f"' not in block


@pytest.mark.parametrize(("choice", "told"), [("auto", True), ("any", False), ("f", False)])
def test_advice_on_when_to_call_none_follows_on_the_tools(choice: str, told: bool) -> None:
    plain = ToolBinding.from_schemas([tool("f")], choice).block()

    block = ToolBinding.from_schemas([tool("f")], choice, usage_hint=True).block()

    assert block.startswith(plain)
    assert ("When none fits" in block) is told


ASKED = [Message("user", "Hi")]
CALLED = [*ASKED, Message("assistant", "", [ToolCall("f", {})]), Message("tool", "7")]
AGAIN = [*CALLED, Message("assistant", "It is 7."), Message("user", "And now?")]


@pytest.mark.parametrize(
    ("messages", "parallel", "told"),
    [
        pytest.param(ASKED, True, True, id="a-question"),
        pytest.param(CALLED, True, False, id="results"),
        pytest.param(AGAIN, True, True, id="a-question-after-results"),
        pytest.param(ASKED, False, False, id="one-call-at-most"),
        pytest.param([], True, True, id="nothing"),
    ],
)
def test_advice_on_several_calls_is_for_a_question(
    messages: list[Message], parallel: bool, told: bool
) -> None:
    tools = ToolBinding.from_schemas([tool("f")], parallel=parallel, usage_hint=True)

    system = render(messages, tools)[0].text

    assert ("a JSON list of all calls" in system) is told
    assert "When none fits" in system


@pytest.mark.parametrize(
    ("messages", "options", "expected"),
    [
        pytest.param(CALLED, {}, "Reply in words if this answers the question.", id="results"),
        pytest.param(
            CALLED,
            {"parallel": False},
            "Call one function at most. Reply in words if this answers the question.",
            id="one-call-at-most",
        ),
        pytest.param(CALLED, {"usage_hint": False}, "", id="no-hints"),
        pytest.param(ASKED, {}, "", id="a-question"),
        pytest.param(
            AGAIN, {}, "Call a function if one fits this question.", id="a-question-after-results"
        ),
        pytest.param(AGAIN, {"usage_hint": False}, "", id="a-question-after-results-no-hints"),
        pytest.param([*AGAIN, Message("assistant", "It")], {}, "", id="a-begun-reply"),
    ],
)
def test_the_last_turn_ends_on_advice(
    messages: list[Message], options: dict[str, Any], expected: str
) -> None:
    tools = ToolBinding.from_schemas([tool("f")], **{"usage_hint": True, **options})

    *_, last = render(messages, tools)

    assert last.text == render(messages)[-1].text + (f"\n\n{expected}" if expected else "")


@pytest.mark.parametrize(
    ("choice", "parallel", "says"),
    [
        pytest.param("auto", True, "", id="auto"),
        pytest.param("auto", False, "one function at most", id="one-at-most"),
        pytest.param("any", True, "Answer with a function call", id="any"),
        pytest.param("any", False, "Make one call only", id="exactly-one"),
        pytest.param("f", True, 'a call of the function "f"', id="name"),
    ],
)
def test_the_last_user_turn_has_the_instruction_that_the_template_lacks(
    choice: str, parallel: bool, says: str
) -> None:
    tools = ToolBinding.from_schemas([tool("f")], choice, parallel=parallel)

    turns = render([Message("user", "Hi")], tools)

    assert turns[0].text == DEFAULT_SYSTEM_PROMPT + tools.block()
    assert turns[1].text == (f"Hi\n\n{tools.instruction()}" if says else "Hi")
    assert says in turns[1].text


def test_an_instruction_follows_on_the_tools_where_the_user_is_not_the_last() -> None:
    tools = ToolBinding.from_schemas([tool("f")], "any")

    turns = render([Message("user", "Hi"), Message("assistant", "Well,")], tools)

    assert turns[0].text.endswith(tools.instruction())
    assert turns[-1] == Turn("assistant", "Well,")


@pytest.mark.parametrize("choice", ["auto", "any"])
def test_a_message_keeps_its_name(choice: str) -> None:
    tools = ToolBinding.from_schemas([tool("f")], choice)

    turns = render([Message("user", "Hi", name="Ann")], tools)

    assert (turns[-1].role, turns[-1].name) == ("user", "Ann")
    assert turns[-1].text.startswith("Hi")
