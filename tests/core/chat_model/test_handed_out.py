from __future__ import annotations

from qwen_space.chat_model.handed_out import HandedOut
from qwen_space.chat_model.reply import ChatReply, Part, Thought
from qwen_space.events import Rewritten, ThinkingDelta
from qwen_space.tokens import Usage
from qwen_space.tools import ArgumentsDelta, CallStarted, TextPart, ToolCall

CALL = ToolCall("add", {"a": 1}, "id", 0, '{"a": 1}')


def make_reply(*parts: Part) -> ChatReply:
    text = "".join(part for part in parts if isinstance(part, str))
    thinking = "".join(part.text for part in parts if isinstance(part, Thought))
    return ChatReply(text, thinking, parts, "stop", 1.0, Usage(1, 1, "estimate"))


def test_a_reply_that_was_given_as_it_is_has_no_change() -> None:
    out = HandedOut()

    out.think(ThinkingDelta("hm"))
    out.give(TextPart("Hello"))
    out.give(CALL)

    assert out.changed(make_reply(Thought("hm"), "Hello", CALL)) == frozenset()
    assert out.changed(make_reply("Hello!")) == {"text", "thinking", "calls"}


def test_text_that_the_app_took_back_stays_given() -> None:
    out = HandedOut()
    out.give(TextPart("Hello you"))

    assert out.keep_common("Hello there") == [Rewritten("Hello ")]
    assert out.text == "Hello "
    assert out.changed(make_reply("Hello ")) == {"text"}


def test_half_a_word_is_not_kept() -> None:
    out = HandedOut()
    out.give(TextPart("Thinking..."))

    assert out.keep_common("The answer") == [Rewritten("")]


def test_a_call_that_was_begun_and_not_ended_is_a_change() -> None:
    out = HandedOut()

    out.give(CallStarted(0, "id", "add"))

    assert out.changed(make_reply()) == {"calls"}


def test_arguments_that_were_given_otherwise_than_they_are_read_are_a_change() -> None:
    out = HandedOut()

    for part in (CallStarted(0, "id", "add"), ArgumentsDelta(0, '{"a": "1"}'), CALL):
        out.give(part)

    assert out.changed(make_reply(CALL)) == {"calls"}


def test_calls_and_thoughts_of_a_further_reply_come_after_those_before() -> None:
    out = HandedOut()
    out.think(ThinkingDelta("hm"))
    out.give(CallStarted(0, "id", "add"))

    out.begin_reply()

    assert out.think(ThinkingDelta("so")) == ThinkingDelta("\n\nso")
    given = out.give(CALL)
    assert isinstance(given, ToolCall)
    assert given.index == 1
