"""Tools: bound in every form, chosen in every way, streamed, invalid, and sent back."""

from __future__ import annotations

import functools
import json
import operator
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_qwen_space import ChatQwenSpace
from tests.langchain.ways import every_way, fold
from tests.pieces import cut
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return word


class Weather(BaseModel):
    """Tell the weather."""

    city: str = Field(description="Where.")


class Song(TypedDict):
    """Play a song."""

    title: str


SCHEMA = {
    "type": "function",
    "function": {
        "name": "walk",
        "description": "Go for a walk.",
        "parameters": {"type": "object", "properties": {}},
    },
}
ADD = tool_call("add", a=2, b=3)


def shown_tools(space: ScriptedSpace) -> list[dict[str, Any]]:
    """Return the tools that the model was shown in the first request."""
    system = space.joins[0]["data"][2]
    block = system.partition("<tools>\n")[2].partition("\n</tools>")[0]
    return [json.loads(line)["function"] for line in block.splitlines()]


# Binding


@pytest.mark.parametrize(
    ("given", "name", "properties"),
    [
        pytest.param(add, "add", {"a", "b"}, id="function"),
        pytest.param(look_up, "look_up", {"word"}, id="tool"),
        pytest.param(Weather, "Weather", {"city"}, id="pydantic-class"),
        pytest.param(Song, "Song", {"title"}, id="typed-dict"),
        pytest.param(SCHEMA, "walk", set(), id="schema"),
        pytest.param(SCHEMA["function"], "walk", set(), id="bare-schema"),
        pytest.param(Weather.model_json_schema(), "Weather", {"city"}, id="json-schema"),
    ],
)
def test_a_tool_is_shown_in_qwens_own_form(
    space: ScriptedSpace, model: ChatQwenSpace, given: Any, name: str, properties: set[str]
) -> None:
    model.bind_tools([given]).invoke("Hi")

    (shown,) = shown_tools(space)
    assert shown["name"] == name
    assert shown["description"]
    assert set(shown["parameters"]["properties"]) == properties


def test_tools_may_be_given_with_a_call(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = [ADD]

    answer = model.invoke("What is 2 + 3?", tools=[add, Weather])

    assert [each["name"] for each in shown_tools(space)] == ["add", "Weather"]
    assert [call["name"] for call in answer.tool_calls] == ["add"]


def test_with_native_history_the_system_prompt_is_qwens_template_for_tools(
    space: ScriptedSpace,
) -> None:
    model = ChatQwenSpace(space=space.url, history="native", tool_advice=False)

    model.bind_tools([SCHEMA]).invoke([("system", "Be brief."), ("human", "Hi")])

    prompt, history, system, _ = space.joins[0]["data"]
    assert (prompt, history) == ("Hi", [])
    assert system == (
        "Be brief.\n\n# Tools\n\nYou may call one or more functions to assist with the user"
        " query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n"
        '<tools>\n{"type": "function", "function": {"name": "walk", "description": "Go for a walk."'
        ', "parameters": {"type": "object", "properties": {}}}}\n</tools>\n\n'
        "For each function call, return a json object with function name and arguments within"
        ' <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments":'
        " <args-json-object>}\n</tool_call>"
    )


RESULT = [
    HumanMessage("Walk."),
    AIMessage("", tool_calls=[{"name": "walk", "args": {}, "id": "1"}]),
    ToolMessage("I walked.", tool_call_id="1"),
]


@pytest.mark.parametrize("history", ["split", "native"])
@pytest.mark.parametrize("advice", [True, False])
def test_sentences_say_when_to_call_none(space: ScriptedSpace, history: Any, advice: bool) -> None:
    model = ChatQwenSpace(space=space.url, history=history, tool_advice=advice)

    model.bind_tools([SCHEMA]).invoke("Hi")
    model.bind_tools([SCHEMA]).invoke(RESULT)

    assert ("When none fits the question" in space.joins[0]["data"][2]) is advice
    said = "</tool_response>\n\nReply in words if this answers the question."
    assert (said in space.joins[1]["data"][0]) is advice


@pytest.mark.parametrize(
    ("options", "allow_list"),
    [({}, True), ({"stream_arguments": True}, False), ({"parallel_tool_calls": False}, False)],
    ids=["default", "stream_arguments", "one-at-most"],
)
def test_several_calls_are_asked_for_as_a_list(
    space: ScriptedSpace, options: dict[str, Any], allow_list: bool
) -> None:
    ChatQwenSpace(space=space.url).bind_tools([SCHEMA], **options).invoke("Hi")

    assert ("a JSON list of all calls" in space.joins[0]["data"][2]) is allow_list


def test_the_system_prompt_of_the_model_stays_before_its_tools(space: ScriptedSpace) -> None:
    ChatQwenSpace(space=space.url, system_prompt="Rhyme.").bind_tools([add]).invoke("Hi")

    assert space.joins[0]["data"][2].startswith("Rhyme.\n\n# Tools\n\n")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("auto", None, id="auto"),
        pytest.param("any", "Answer with a function call", id="any"),
        pytest.param("required", "Answer with a function call", id="required"),
        pytest.param(True, "Answer with a function call", id="true"),
        pytest.param("Weather", 'call of the function "Weather"', id="name"),
        pytest.param(
            {"type": "function", "function": {"name": "Weather"}},
            'call of the function "Weather"',
            id="as-openai-has-it",
        ),
    ],
)
def test_a_choice_is_asked_for_in_words(
    space: ScriptedSpace, model: ChatQwenSpace, choice: Any, said: str | None
) -> None:
    model.bind_tools([add, Weather], tool_choice=choice).invoke("Hi")

    prompt = space.joins[0]["data"][0]
    assert prompt == "Hi" if said is None else said in prompt


@pytest.mark.parametrize("choice", ["none", False])
def test_tools_can_be_kept_from_the_model(
    space: ScriptedSpace, model: ChatQwenSpace, choice: Any
) -> None:
    space.engine.reply = [ADD]

    answer = model.bind_tools([add], tool_choice=choice).invoke("Hi")

    assert "# Tools" not in space.joins[0]["data"][2]
    assert (answer.text, answer.tool_calls) == (ADD, [])


def test_a_choice_that_is_no_tool_is_refused_when_it_is_bound(model: ChatQwenSpace) -> None:
    with pytest.raises(ValueError, match=r"'subtract' is no tool.*add"):
        model.bind_tools([add], tool_choice="subtract")


def test_a_call_without_a_tool_cannot_be_wanted(model: ChatQwenSpace) -> None:
    with pytest.raises(ValueError, match="no tool is bound"):
        model.bind_tools([], tool_choice="any")


def test_two_tools_of_one_name_are_refused_when_they_are_called(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    with pytest.raises(ValueError, match="Several tools have the name 'add'"):
        model.bind_tools([add, {**SCHEMA["function"], "name": "add"}]).invoke("Hi")  # type: ignore[dict-item]

    assert space.joins == []


@pytest.mark.parametrize(("parallel", "said"), [(None, False), (True, False), (False, True)])
def test_one_call_at_most_is_asked_for(
    space: ScriptedSpace, model: ChatQwenSpace, parallel: bool | None, said: bool
) -> None:
    model.bind_tools([add], parallel_tool_calls=parallel).invoke("Hi")

    assert ("one function at most" in space.joins[0]["data"][0]) is said


def test_strict_schemas_are_shown_as_such(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    model.bind_tools([add], strict=True).invoke("Hi")

    (shown,) = shown_tools(space)
    assert shown["strict"] is True
    assert shown["parameters"]["additionalProperties"] is False


def test_a_cache_tells_tools_and_choices_apart(model: ChatQwenSpace) -> None:
    keys = {
        model._get_llm_string(**bound.kwargs)
        for bound in (
            model.bind_tools([add]),
            model.bind_tools([Weather]),
            model.bind_tools([add], tool_choice="any"),
            model.bind_tools([add], parallel_tool_calls=False),
        )
    }

    assert len(keys) == 4


# Calls


async def test_text_streams_while_tools_are_bound(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["one ", "two <", "b> ", f"three {ADD[:15]}", ADD[15:], "\nfour"]
    space.engine.delay = 0.02

    chunks = [chunk async for chunk in model.bind_tools([add]).astream("Hi")]

    assert [chunk.text for chunk in chunks if chunk.text] == [
        "one ",
        "two ",
        "<b> ",
        "three ",
        "four",
    ]
    assert [len(chunk.tool_call_chunks) for chunk in chunks] == [0, 0, 0, 0, 1, 0, 0]
    assert fold(chunks).text == "one two <b> three four"


async def test_each_call_has_a_name_an_id_and_a_place_of_its_own(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["Both.\n", ADD, "\n", ADD.replace("2", "4")]
    space.engine.delay = 0.02

    chunks = [chunk async for chunk in model.bind_tools([add]).astream("Hi")]

    parts = [part for chunk in chunks for part in chunk.tool_call_chunks]
    assert [part["name"] for part in parts] == ["add", "add"]
    assert len({part["index"] for part in parts}) == len({part["id"] for part in parts}) == 2
    assert [call["args"] for call in fold(chunks).tool_calls] == [
        {"a": 2, "b": 3},
        {"a": 4, "b": 3},
    ]
    assert chunks[-1].response_metadata["finish_reason"] == "tool_calls"


def test_arguments_are_streamed_where_that_is_asked_for(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = cut(ADD, 4)
    bound = model.bind_tools([add], stream_arguments=True)

    chunks: list[Any] = list(bound.stream("Hi"))

    parts = [part for chunk in chunks for part in chunk.tool_call_chunks]
    assert [part["name"] for part in parts] == ["add"] + [None] * (len(parts) - 1)
    assert "".join(part["args"] or "" for part in parts) == '{"a": 2, "b": 3}'
    assert len(parts) > 3
    assert fold(chunks).tool_calls == [
        {"name": "add", "args": {"a": 2, "b": 3}, "id": parts[0]["id"], "type": "tool_call"}
    ]


@pytest.mark.parametrize(
    ("written", "name", "error"),
    [
        pytest.param(ADD[:-20], "add", "not closed", id="cut-off"),
        pytest.param(ADD.replace("}\n", "\n"), "add", "no JSON", id="no-json"),
        pytest.param('<tool_call>\n{"name": "add"}\n</tool_call>', None, "arguments", id="no-args"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_invalid_call_is_never_a_tool_call(
    space: ScriptedSpace,
    model: ChatQwenSpace,
    written: str,
    name: str | None,
    error: str,
    streamed: bool,
) -> None:
    space.engine.reply = ["Well: ", written]
    bound = model.bind_tools([add], reask=False)

    answer: AIMessage
    answer = fold(list(bound.stream("Hi"))) if streamed else bound.invoke("Hi")  # type: ignore[arg-type]

    assert (answer.text, answer.tool_calls) == ("Well: ", [])
    (invalid,) = answer.invalid_tool_calls
    assert invalid["name"] == name
    assert str(invalid["args"]).startswith(written)
    assert answer.response_metadata["finish_reason"] == "error"
    (said,) = answer.response_metadata["tool_call_errors"]
    assert error in said
    assert invalid["error"] == (None if streamed else said)


# Forcing


async def test_a_call_that_does_not_come_is_asked_for_once_more(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = in_turn(*["It is 5.", f"Sorry.\n{ADD}"] * 4)
    forced = model.bind_tools([add], tool_choice="add")

    answers = await every_way(forced, "What is 2 + 3?")

    for answer in answers:
        assert answer.text == "Sorry."
        assert [call["args"] for call in answer.tool_calls] == [{"a": 2, "b": 3}]
        assert answer.response_metadata["asked_again"] is True
    assert len(space.joins) == 8
    second = space.joins[1]["data"][0]
    assert "Assistant: It is 5.\nUser: Your answer has no function call." in second


async def test_a_call_that_does_not_come_at_all_is_not_made_up(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["It is ", "5."]
    forced = model.bind_tools([add], tool_choice="any")

    answers = await every_way(forced, "What is 2 + 3?")

    assert [(answer.text, answer.tool_calls) for answer in answers] == [("It is 5.", [])] * 4
    assert len(space.joins) == 8


async def test_a_call_that_comes_at_once_is_asked_for_once(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["Here: ", ADD]
    forced = model.bind_tools([add], tool_choice="any")

    answers = await every_way(forced, "What is 2 + 3?")

    assert [answer.text for answer in answers] == ["Here: "] * 4
    assert [len(answer.tool_calls) for answer in answers] == [1] * 4
    assert len(space.joins) == 4


async def test_asking_again_can_be_switched_off(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = ["No."]
    forced = model.bind_tools([add], tool_choice="any", reask=False)

    answers = await every_way(forced, "What is 2 + 3?")

    assert [answer.text for answer in answers] == ["No."] * 4
    assert len(space.joins) == 4


def test_a_call_without_tags_is_understood(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = ['```json\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n```']

    answer = model.bind_tools([add]).invoke("What is 2 + 3?")

    assert [call["args"] for call in answer.tool_calls] == [{"a": 2, "b": 3}]
    assert answer.text == ""


# Going on after calls


def test_calls_and_results_go_back_in_qwens_own_form(space: ScriptedSpace) -> None:
    calls = [
        {"name": "add", "args": {"a": 2, "b": 3}, "id": "1"},
        {"name": "look_up", "args": {"word": "你好"}, "id": "2"},
    ]
    chat = [
        HumanMessage("Hi"),
        AIMessage("Both.", tool_calls=calls),
        ToolMessage("hello", tool_call_id="2"),
        ToolMessage([{"type": "text", "text": "5"}], tool_call_id="1", status="error"),
    ]

    ChatQwenSpace(space=space.url, history="native").bind_tools([add, look_up]).invoke(chat)

    prompt, history, _, _ = space.joins[0]["data"]
    said = [turn["content"][0]["text"] for turn in history]
    assert said == [
        "Hi",
        (
            'Both.\n<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>\n'
            '<tool_call>\n{"name": "look_up", "arguments": {"word": "你好"}}\n</tool_call>'
        ),
    ]
    assert prompt == (
        "<tool_response>\n5\n</tool_response>\n<tool_response>\nhello\n</tool_response>\n\n"
        "Reply in words if this answers the question."
    )


def test_an_invalid_call_goes_back_as_it_was_written(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    written = "<tool_call>\nadd(2, 3)\n</tool_call>"
    space.engine.reply = [f"Well: {written}"]
    bound = model.bind_tools([add], reask=False)
    answer = bound.invoke("Hi")

    bound.invoke([HumanMessage("Hi"), answer, HumanMessage("That is no call.")])

    assert f"Assistant: Well: \n{written}\nUser: That is no call." in space.joins[1]["data"][0]


@pytest.mark.parametrize("streams", [False, True], ids=["invoke", "stream"])
def test_a_result_that_the_model_makes_up_stops_the_job(
    space: ScriptedSpace, streams: bool
) -> None:
    space.engine.reply = [
        tool_call("get_weather", city="Oslo"),
        "\n<tool_",
        "response>",
        *["made up "] * 1000,
    ]
    space.engine.gate = threading.Semaphore(4)
    model = ChatQwenSpace(space=space.url).bind_tools([SCHEMA])

    chunks = model.stream("Hi") if streams else [model.invoke("Hi")]
    reply: Any = functools.reduce(operator.add, chunks)

    assert reply.tool_calls[0]["args"] == {"city": "Oslo"}
    assert reply.text == ""
    assert reply.response_metadata["finish_reason"] == "tool_calls"
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


def test_a_first_question_is_the_same_in_each_mode(space: ScriptedSpace) -> None:
    for history in ("split", "native"):
        model = ChatQwenSpace(space=space.url, history=history)
        model.bind_tools([look_up]).invoke([("system", "Be brief."), ("human", "Hi")])

    split, native = (join["data"] for join in space.joins)
    assert split == native
