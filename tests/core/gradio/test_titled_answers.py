"""Answers that are told from an agent's steps by the title of their message alone."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.chatbot import find_reply

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
