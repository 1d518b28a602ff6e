from __future__ import annotations

from collections.abc import Sequence

import pytest

from qwen_space.chat.messages import Turn
from qwen_space.chat_model import reply_reader as module
from qwen_space.chat_model.reply import CallEvent, ChatReply, Thought
from qwen_space.chat_model.reply_reader import ReplyReader
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.events import (
    Completed,
    Event,
    Queued,
    ReplyFile,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.tokens import Usage
from qwen_space.tools import (
    NO_TOOLS,
    ArgumentsDelta,
    CallStarted,
    InvalidCall,
    ToolBinding,
    ToolCall,
    call_text,
)
from tests.core.chat_model.scripted_session import reply_events

SCHEMAS = [{"type": "function", "function": {"name": name}} for name in ("add", "sub")]
AUTO = ToolBinding.from_schemas(SCHEMAS)
ANY = ToolBinding.from_schemas(SCHEMAS, "any")
ONE = ToolBinding.from_schemas(SCHEMAS, parallel=False)
CHAT = [Turn("user", "Hi")]
USAGE = Usage(3, 2, "estimate")

ADD = call_text(ToolCall("add", {"a": 1}))
SUB = call_text(ToolCall("sub", {"a": 2}))
BROKEN = "<tool_call>\nadd(1)\n</tool_call>"
CALL = ToolCall("add", {"a": 1}, "id", 0, '{"a": 1}')
REASON = "it is no JSON: Expecting value: line 2 column 1 (char 1)"


@pytest.fixture(autouse=True)
def _same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "new_call_id", lambda: "id")


def read(reader: ReplyReader, *replies: Sequence[Event]) -> list[CallEvent]:
    """Give a reader as many replies as it asks for."""
    out: list[CallEvent] = []
    left = list(replies)
    while reader.chat is not None:
        for event in left.pop(0):
            if isinstance(event, Completed):
                out += reader.complete(event, USAGE)
            else:
                out += reader.receive(event)
    assert not left
    return out


def join_text(events: Sequence[CallEvent]) -> str:
    return "".join(event.delta for event in events if isinstance(event, TextDelta))


def last(events: Sequence[CallEvent]) -> ChatReply:
    assert isinstance(events[-1], ChatReply)
    return events[-1]


# The table: tools, replies, then text, calls, invalid calls, finish reason, whether it was asked
# again, and the problem.

TABLE = [
    pytest.param(NO_TOOLS, ["Hello"], "Hello", [], 0, "stop", False, "", id="text"),
    pytest.param(NO_TOOLS, [""], "", [], 0, "stop", False, "", id="nothing-without-tools"),
    pytest.param(NO_TOOLS, [ADD], ADD, [], 0, "stop", False, "", id="a-call-without-tools"),
    pytest.param(AUTO, ["Hello"], "Hello", [], 0, "stop", False, "", id="text-with-tools"),
    pytest.param(
        AUTO, [f"I add.\n{ADD}"], "I add.", ["add"], 0, "tool_calls", False, "", id="a-call"
    ),
    pytest.param(
        AUTO, [f"{ADD}\n{SUB}"], "", ["add", "sub"], 0, "tool_calls", False, "", id="two-calls"
    ),
    pytest.param(ONE, [f"{ADD}\n{SUB}"], "", ["add"], 0, "tool_calls", False, "", id="one-at-most"),
    pytest.param(
        AUTO,
        [f"I add.\n{BROKEN}", ADD],
        "I add.\n",
        ["add"],
        0,
        "tool_calls",
        True,
        "",
        id="a-broken-call-is-asked-for-again",
    ),
    pytest.param(
        AUTO,
        [f"One.\n{BROKEN}\nTwo.", f"Three.\n{ADD}"],
        "One.\nTwo.\nThree.",
        ["add"],
        0,
        "tool_calls",
        True,
        "",
        id="text-around-a-broken-call-stays",
    ),
    pytest.param(
        AUTO,
        [BROKEN, BROKEN],
        "",
        [],
        1,
        "error",
        True,
        f"The model's function call is not valid: {REASON}.",
        id="broken-twice",
    ),
    pytest.param(
        AUTO, [f"{BROKEN}{ADD}"], "", ["add"], 1, "error", False, "", id="one-of-two-is-broken"
    ),
    pytest.param(AUTO, ["", "Hello"], "Hello", [], 0, "stop", True, "", id="empty-then-text"),
    pytest.param(
        AUTO, ["", " "], " ", [], 0, "stop", True, "The model gave an empty answer.", id="empty"
    ),
    pytest.param(
        ANY, ["It is 5.", f"Sorry.\n{ADD}"], "Sorry.", ["add"], 0, "tool_calls", True, "", id="any"
    ),
    pytest.param(
        ANY, ["It is 5.", "I said: 5."], "I said: 5.", [], 0, "stop", True, "", id="any-and-none"
    ),
]


@pytest.mark.parametrize(
    ("tools", "replies", "text", "calls", "invalid", "finish", "again", "problem"), TABLE
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_call_has_one_outcome_however_its_replies_are_cut(
    tools: ToolBinding,
    replies: list[str],
    text: str,
    calls: list[str],
    invalid: int,
    finish: str,
    again: bool,
    problem: str,
    size: int,
) -> None:
    events = read(ReplyReader(CHAT, tools), *(reply_events(each, size=size) for each in replies))

    reply = last(events)
    assert (reply.text, [call.name for call in reply.calls]) == (text, calls)
    assert (len(reply.invalid), reply.finish_reason) == (invalid, finish)
    assert (reply.asked_again, reply.problem) == (again, problem)
    assert "".join(part for part in reply.parts if isinstance(part, str)) == text
    assert (reply.duration, reply.usage.total_tokens) == (len(replies), 5 * len(replies))
    assert join_text(events) == text
    given = [event for event in events if isinstance(event, (ToolCall, InvalidCall))]
    assert given == [part for part in reply.parts if isinstance(part, (ToolCall, InvalidCall))]
    assert reply.changed == frozenset()


@pytest.mark.parametrize(
    ("tools", "replies"),
    [pytest.param(*case.values[:2], id=case.id) for case in TABLE],
)
def test_a_reply_without_its_deltas_is_the_same(tools: ToolBinding, replies: list[str]) -> None:
    whole = last(read(ReplyReader(CHAT, tools), *([Completed(each, 1.0)] for each in replies)))
    streamed = last(read(ReplyReader(CHAT, tools), *(reply_events(each) for each in replies)))

    assert whole == streamed


@pytest.mark.parametrize("tools", [AUTO, ANY])
@pytest.mark.parametrize("reply", [BROKEN, ""])
def test_nothing_is_asked_again_where_that_is_switched_off(tools: ToolBinding, reply: str) -> None:
    events = read(ReplyReader(CHAT, tools, reask=False), reply_events(reply))

    assert last(events).problem
    assert not last(events).asked_again


def test_the_model_is_told_the_fault_of_its_reply() -> None:
    reader = ReplyReader(CHAT, AUTO)

    reader.complete(Completed(BROKEN, 1.0), USAGE)

    assert reader.chat is not None
    assert reader.chat[:2] == [*CHAT, Turn("assistant", BROKEN)]
    assert "not valid: it is no JSON" in reader.chat[2].text


def test_a_reply_of_a_picture_is_not_empty() -> None:
    picture = ReplyFile("http://127.0.0.1:1/red.png", "image")

    reply = last(read(ReplyReader(CHAT, AUTO), reply_events("", files=(picture,))))

    assert (reply.files, reply.asked_again, reply.problem) == ((picture,), False, "")


def test_a_reply_that_a_stop_sequence_ended_may_be_empty() -> None:
    events = read(ReplyReader(CHAT, AUTO), reply_events("", finish_reason="stop_sequence"))

    assert last(events).problem == ""


def test_an_answer_that_its_thoughts_left_no_tokens_for_is_told_of_and_not_asked_again() -> None:
    reply = reply_events("", finish_reason="length", thinking="hm")

    events = read(ReplyReader(CHAT, AUTO), reply)

    assert last(events).problem == "The model gave no answer within max_tokens."
    assert not last(events).asked_again


def test_nothing_but_thoughts_is_handed_out_before_a_call_that_has_to_come() -> None:
    reader = ReplyReader(CHAT, ANY)

    assert list(reader.receive(ThinkingDelta("hm"))) == [ThinkingDelta("hm")]
    assert list(reader.receive(TextDelta("It is 5. "))) == []
    assert list(reader.receive(TextDelta(ADD))) == [TextDelta("It is 5. "), CALL]
    assert join_text(list(reader.receive(TextDelta("\nSo.")))) == "So."


def test_a_broken_call_and_all_after_it_wait_for_a_valid_one() -> None:
    reader = ReplyReader(CHAT, AUTO)

    assert join_text(list(reader.receive(TextDelta("One. ")))) == "One. "
    assert list(reader.receive(TextDelta(f"{BROKEN}Two. "))) == []
    given = reader.receive(TextDelta(ADD))

    assert [type(event) for event in given] == [InvalidCall, TextDelta, ToolCall]


def test_a_delta_knows_the_text_so_far() -> None:
    reader = ReplyReader(CHAT, AUTO)
    events = [*reader.receive(TextDelta("one ")), *reader.receive(TextDelta("two "))]

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["one ", "one two "]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("One. Two.", ("One. ", Thought("hm"), "Two."), id="as-they-came"),
        pytest.param("Three.", (Thought("hm"), "Three."), id="of-the-whole-where-it-is-another"),
    ],
)
def test_the_order_of_the_parts(text: str, parts: object) -> None:
    pieces = [TextDelta("One. "), ThinkingDelta("hm"), TextDelta("Two.")]

    reply = last(read(ReplyReader(CHAT, NO_TOOLS), [*pieces, Completed(text, 1.0, thinking="hm")]))

    assert reply.parts == parts


def test_thoughts_of_two_replies_are_apart() -> None:
    first = [ThinkingDelta("hm"), Completed(BROKEN, 1.0, thinking="hm")]
    second = [ThinkingDelta("so"), Completed("5", 1.0, thinking="so")]

    events = read(ReplyReader(CHAT, AUTO), first, second)

    assert [event.delta for event in events if isinstance(event, ThinkingDelta)] == ["hm", "\n\nso"]
    assert last(events).thinking == "hm\n\nso"
    assert last(events).parts == (Thought("hm\n\nso"), "5")
    assert last(events).changed == frozenset()


def test_the_first_place_in_the_queue_is_remembered() -> None:
    status: list[Event] = [Queued(2, 3, None), Queued(0, 1, None), Started(None)]
    events = read(ReplyReader(CHAT), [*status, *reply_events("Hi")])

    assert events[:3] == status
    assert last(events).queued == status[0]
    assert last(events).waited is not None


# Arguments while they are written


def test_arguments_are_handed_out_while_they_are_written() -> None:
    reader = ReplyReader(CHAT, AUTO, stream_arguments=True)

    events = read(reader, reply_events(ADD, size=1))

    assert events[0] == CallStarted(0, "id", "add")
    parts = [event.delta for event in events if isinstance(event, ArgumentsDelta)]
    assert "".join(parts) == '{"a": 1}'
    assert len(parts) == 8
    assert last(events).changed == frozenset()


def test_the_call_after_a_torn_one_has_a_place_of_its_own() -> None:
    torn = '<tool_call>\n{"name": "add", "arguments": {"a": '
    reader = ReplyReader(CHAT, AUTO, stream_arguments=True)

    events = read(reader, reply_events(torn, size=1), reply_events(ADD, size=1))

    starts = [event.index for event in events if isinstance(event, CallStarted)]
    assert starts == [0, 1]
    assert [event.index for event in events if isinstance(event, ToolCall)] == [1]
    assert last(events).changed == {"calls"}


# Where the app changes a text that it had sent


def test_a_reply_that_only_its_end_shows_is_handed_out_then() -> None:
    events = read(ReplyReader(CHAT, AUTO), [TextDelta("I "), Completed(f"I add. {ADD}.", 1.0)])

    assert join_text(events) == "I add. ."
    assert [type(event) for event in events] == [
        TextDelta,
        TextDelta,
        ToolCall,
        TextDelta,
        ChatReply,
    ]
    assert last(events).changed == frozenset()


def test_text_that_keeps_its_beginning_is_not_handed_out_twice() -> None:
    reply = "I ask. Now."
    events = read(
        ReplyReader(CHAT, AUTO),
        [TextDelta("I ask you, "), Rewritten(reply[:7]), TextDelta("Now."), Completed(reply, 1.0)],
    )

    assert events[1] == Rewritten("I ask")
    assert join_text(events) == "I ask you, . Now."
    assert last(events).changed == {"text"}


def test_a_call_that_is_taken_back_is_told_of() -> None:
    events = read(
        ReplyReader(CHAT, AUTO), [TextDelta(ADD), Rewritten("No."), Completed("No.", 1.0)]
    )

    assert last(events).calls == ()
    assert last(events).changed == {"calls"}


def test_without_tools_a_rewrite_passes_as_it_is() -> None:
    rewritten = Rewritten("ac", "c")
    events = read(ReplyReader(CHAT), [TextDelta("ab"), rewritten, Completed("ac", 1.0)])

    assert events[:2] == [TextDelta("ab"), rewritten]
    assert last(events).changed == {"text"}


# JSON in place of an answer in words

PERSON = ResponseFormat(
    {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
)
ANY_OBJECT = ResponseFormat()
ADA = '{"name": "Ada [1]", "of": ["\\"}"]}'

JSON = [
    pytest.param(PERSON, [ADA], ADA, False, id="alone"),
    pytest.param(PERSON, [f"Here:\n```json\n{ADA}\n```\nSo."], ADA, False, id="fence"),
    pytest.param(ANY_OBJECT, [f"Here:\n{ADA}\nSo."], ADA, False, id="prose"),
    pytest.param(PERSON, ["I do not know.", ADA], ADA, True, id="no-json"),
    pytest.param(PERSON, ['{"name": 5}', ADA], ADA, True, id="does-not-fit"),
    pytest.param(PERSON, [ADA[:9], ADA], ADA, True, id="cut-off"),
    pytest.param(ANY_OBJECT, ["Hm.", ADA], ADA, True, id="any-object"),
    pytest.param(PERSON, ['{"name": "a\nb"}'], '{"name": "a\\nb"}', False, id="raw-line-break"),
]


@pytest.mark.parametrize(("wanted", "replies", "text", "again"), JSON)
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("tools", [NO_TOOLS, AUTO])
def test_the_text_is_json_where_that_is_asked_for(
    wanted: ResponseFormat,
    replies: list[str],
    text: str,
    again: bool,
    size: int,
    tools: ToolBinding,
) -> None:
    reader = ReplyReader(CHAT, tools, response_format=wanted)

    events = read(reader, *(reply_events(each, size=size) for each in replies))

    assert (last(events).text, last(events).asked_again) == (text, again)
    assert join_text(events) == text
    assert last(events).problem == ""
    assert last(events).changed == frozenset()


def test_json_of_no_schema_is_streamed_from_its_beginning() -> None:
    reader = ReplyReader(CHAT, response_format=ANY_OBJECT)

    events = read(reader, reply_events(f"Here:\n```json\n{ADA}\n```", size=1))

    assert [event.delta for event in events if isinstance(event, TextDelta)] == list(ADA)


def test_a_second_reply_without_json_is_a_problem() -> None:
    events = read(
        ReplyReader(CHAT, response_format=PERSON), reply_events("Hm."), reply_events("Hm!")
    )

    assert last(events).text == "Hm!"
    assert last(events).problem == (
        "The reply is not the JSON that was asked for: There is no JSON in the reply."
    )


def test_the_caller_judges_json_where_nothing_is_asked_again() -> None:
    reader = ReplyReader(CHAT, response_format=PERSON, reask=False)

    events = read(reader, reply_events("Hm."))

    assert (last(events).text, last(events).problem) == ("Hm.", "")


def test_a_call_may_come_where_json_is_asked_for() -> None:
    events = read(ReplyReader(CHAT, AUTO, response_format=PERSON), reply_events(ADD, size=3))

    assert [call.name for call in last(events).calls] == ["add"]


def test_a_streamed_value_that_is_replaced_is_a_change() -> None:
    listed = ResponseFormat()
    events = read(ReplyReader(CHAT, response_format=listed), reply_events("[1]"), reply_events(ADA))

    assert last(events).text == ADA
    assert last(events).changed == {"text"}
