"""A call in its four ways, on a Space that gives the events that a test writes down."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from qwen_space import ContextOverflowError
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.reply import ChatReply
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.config import SpaceConfig
from qwen_space.events import Completed, Notice, Queued, Started, TextDelta, ThinkingDelta
from qwen_space.tokens.limits import Limits
from qwen_space.tools import Message, ToolBinding, ToolCall, call_text
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events

TOOLS = ToolBinding.from_schemas([{"type": "function", "function": {"name": "add"}}])
ADD = call_text(ToolCall("add", {"a": 1}))
BROKEN = "<tool_call>\nadd(1)\n</tool_call>"

WAYS = ["complete", "acomplete", "stream", "astream"]


def make_call(session: Any, **arguments: Any) -> ChatCall:
    return ChatCall(
        **{"space": session, "messages": [Message("user", "Hi")], "options": {}, **arguments}
    )


async def collect_events(call: ChatCall, way: str, **kwargs: Any) -> list[Any]:
    match way:
        case "complete":
            return [await asyncio.to_thread(call.complete)]
        case "acomplete":
            return [await call.acomplete()]
        case "stream":
            return await asyncio.to_thread(lambda: list(call.stream(**kwargs)))
    async with call.astream(**kwargs) as events:
        return [event async for event in events]


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_ends_on_the_same_reply(way: str) -> None:
    session = ScriptedSession([reply_events("Hello.", size=2, model="72B")])

    reply = (await collect_events(make_call(session), way))[-1]

    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish_reason, reply.asked_again) == ("Hello.", "stop", False)
    assert reply.model == "Qwen2.5-72B-Instruct"  # one name for one model
    assert reply.usage.output_tokens > 0
    assert session.open == 0


EVENTS = [
    Queued(1, 2, None),
    Started(None),
    ThinkingDelta("hm"),
    Notice("Warming up.", "info"),
    TextDelta("Hello."),
    Completed("Hello.", 1.0, thinking="hm"),
]


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_without_deltas_there_are_the_queue_s_events_only(way: str) -> None:
    call = make_call(ScriptedSession([EVENTS]))

    assert [*map(type, await collect_events(call, way))] == [*map(type, EVENTS[:-1]), ChatReply]
    assert [*map(type, await collect_events(call, way, deltas=False))] == [
        Queued,
        Started,
        Notice,
        ChatReply,
    ]


@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_call_is_asked_for_once_more_after_a_slot_of_the_limiter(way: str) -> None:
    session = ScriptedSession([reply_events(BROKEN), reply_events(ADD)])
    slots: list[int] = []

    async def take_slot() -> None:
        slots.append(session.open)

    reply = (await collect_events(make_call(session, tools=TOOLS, before_reask=take_slot), way))[-1]

    assert [call.name for call in reply.calls] == ["add"]
    assert reply.asked_again
    assert slots == [0]  # the first reply's stream is closed by then
    assert session.chats[1][-2].text == BROKEN


@pytest.mark.parametrize("way", WAYS)
async def test_a_reply_that_stays_broken_is_warned_of(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    call = make_call(ScriptedSession([reply_events(BROKEN)]), tools=TOOLS)

    reply = (await collect_events(call, way))[-1]

    assert caplog.messages == [reply.problem]
    assert "not valid" in reply.problem


@pytest.mark.parametrize(("reask", "count"), [(True, 1), (False, 0)])
async def test_a_call_that_had_to_come_is_warned_of_unless_the_caller_sees_to_it(
    reask: bool, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    session = ScriptedSession([reply_events("It is 5."), reply_events("It is 5.")])
    tools = ToolBinding.from_schemas(TOOLS.schemas, "any")

    reply = await make_call(session, tools=tools, reask=reask).acomplete()

    assert (reply.text, reply.problem) == ("It is 5.", "")
    assert len(caplog.messages) == count
    assert all("has to come" in said for said in caplog.messages)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "asked",
    [{}, {"tools": TOOLS}, {"response_format": ResponseFormat()}],
    ids=["text", "tools", "format"],
)
async def test_no_messages_are_not_sent_whatever_is_asked_for(
    way: str, asked: dict[str, Any]
) -> None:
    session = ScriptedSession([])

    with pytest.raises(ValueError, match="There are no messages: give at least one"):
        await collect_events(make_call(session, messages=[], **asked), way)
    assert session.chats == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_chat_that_is_too_long_is_not_sent(way: str) -> None:
    session = ScriptedSession([reply_events("Hello.")])
    call = make_call(session, limits=Limits("tiny", 10, 10, 5))

    with pytest.raises(ContextOverflowError, match="takes 10 at most"):
        await collect_events(call, way)

    assert session.chats == []


def test_nothing_is_asked_before_the_first_event_is_asked_for() -> None:
    session = ScriptedSession([reply_events("Hello.")])

    stream = make_call(session).stream()

    assert session.chats == []
    next(stream)
    stream.close()
    assert (len(session.chats), session.open) == (1, 0)


async def test_leaving_a_stream_leaves_the_reply() -> None:
    session = ScriptedSession([reply_events("Hello.", size=1)])

    async with make_call(session).astream() as events:
        await anext(events)
        assert session.open == 1

    assert session.open == 0


def test_a_format_is_asked_for_at_the_end_of_the_user_s_last_turn() -> None:
    wanted = ResponseFormat()
    question, answer = Message("user", "Hi"), Message("assistant", "Yes?")
    session = ScriptedSession([])

    asked = make_call(session, messages=[question], response_format=wanted).make_chat()
    apart = make_call(session, messages=[question, answer], response_format=wanted).make_chat()

    assert asked[-1].text == f"Hi\n\n{wanted.instruction}"
    assert [turn.role for turn in apart] == ["user", "assistant", "user"]


def test_a_format_is_asked_for_after_results_in_place_of_words() -> None:
    wanted = ResponseFormat()
    tools = replace(TOOLS, usage_hint=True)
    call = make_call(ScriptedSession([]), messages=[Message("tool", "7")], tools=tools)

    in_words = call.make_chat()
    formatted = replace(call, response_format=wanted).make_chat()

    assert in_words[-1].text.endswith("\n\nReply in words if this answers the question.")
    assert formatted[-1].text.endswith(f"</tool_response>\n\n{wanted.instruction}")


@pytest.mark.parametrize(
    ("history", "tools", "sent"),
    [("auto", TOOLS, "split"), ("auto", None, None), ("native", TOOLS, None)],
)
def test_a_chat_with_tools_is_split_unless_native_turns_are_wanted(
    history: Any, tools: ToolBinding | None, sent: str | None
) -> None:
    session = ScriptedSession([], config=SpaceConfig(history=history))
    call = make_call(session, **({} if tools is None else {"tools": tools}))

    assert call.sent_options.get("history") == sent
    assert call.rendering["history"] == (sent or history)


@pytest.mark.parametrize("stop", [["x"], "x"])
def test_a_result_that_the_model_makes_up_ends_the_reply(stop: Any) -> None:
    call = make_call(ScriptedSession([]), tools=TOOLS, options={"stop": stop})

    assert call.sent_options["stop"] == ["x", "\n<tool_response>"]
    assert call.options == {"stop": stop}
