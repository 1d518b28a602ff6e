"""Answers that are told from an agent's steps by the title of their message alone."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.events import TextDelta, ThinkingDelta
from qwen_space.gradio.reply.chatbot import find_reply
from qwen_space.gradio.reply.deltas import ChatValue

USER = {"role": "user", "content": "u"}


def bot(text: str, **metadata: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "metadata": metadata}


@pytest.mark.parametrize(
    ("titles", "answer"),
    [
        pytest.param(["Planner", "Output of Planner", "📝 Final Article"], "2", id="a-crew-s"),
        pytest.param(["❌ Error"], "0", id="an-error"),
        pytest.param(["Planner", "Ответ"], "1", id="russian"),
        pytest.param(["Final Answer", "Used tool search"], "", id="an-answer-before-a-tool"),
        pytest.param(["🧠 Thinking"], "", id="thoughts-that-were-cut-off"),
        pytest.param(["Thinking about the answer"], "", id="thoughts-about-the-answer"),
        pytest.param(["Plan", "Preparing the response"], "", id="thoughts-about-the-response"),
        pytest.param(["🧠 Thought", "🛠️ Tool output"], "", id="a-tool-s-output"),
        pytest.param(["Plan", "Final search results"], "", id="results-of-a-search"),
        pytest.param(["Plan", "💥 Error using tool Weather"], "", id="an-error-of-a-tool"),
        pytest.param(["Plan", "Answering the question"], "", id="a-step-to-the-answer"),
        pytest.param(["Final Answer"], "", id="a-message-alone"),
    ],
)
def test_a_title_tells_the_answer_where_each_message_has_one(
    titles: list[str], answer: str
) -> None:
    chat = [USER, *(bot(str(at), title=title) for at, title in enumerate(titles))]

    reply = find_reply(chat, is_final=True)

    assert reply is not None
    assert reply.text == answer
    assert find_reply([*chat, bot("b")], is_final=True) == find_reply([*chat, bot("b")])
    assert find_reply(chat) != reply or not answer


def test_a_message_without_a_title_stays_the_answer() -> None:
    reply = find_reply([USER, bot("a"), bot("b", title="Final Answer")], is_final=True)

    assert reply is not None
    assert reply.text == "a"


NO_VALUE: dict[str, Any] = {"__type__": "update"}


@pytest.mark.parametrize("title", ["Final Answer", "Ответ"])
@pytest.mark.parametrize("last", ["a-value", "no-value", "nothing"])
def test_such_an_answer_is_streamed_as_nothing_else(title: str, last: str) -> None:
    value = ChatValue("u")
    chat = [USER, bot("hm", title="Plan"), bot("So", title=title)]
    events = [*value.replace(chat[:2]), *value.replace(chat)]
    value.begin_edits(100)
    value.edit([["append", [2, "content"], " be it"]])
    events += value.end_edits()
    if last == "nothing":
        events += value.finish()
    else:
        chat = [*chat[:2], bot("So be it", title=title)]
        events += value.replace(chat if last == "a-value" else NO_VALUE, is_final=True)

    assert [type(each) for each in events] == [ThinkingDelta, TextDelta]
    assert (value.thinking, value.text) == ("hm", "So be it")


def test_a_message_after_such_an_answer_makes_a_step_of_it() -> None:
    value = ChatValue("u")
    chat = [USER, bot("hm", title="Plan"), bot("So", title="Final Answer"), bot("b")]
    for size in (2, 3, 4):
        value.replace(chat[:size], is_final=size == 4)

    assert (value.thinking, value.text) == ("hm\n\nSo", "b")
