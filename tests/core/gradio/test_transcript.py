"""A reply in a text that shows the whole chat."""

from __future__ import annotations

import pytest

from qwen_space.gradio.deltas import ChatValue
from qwen_space.gradio.transcript import read_transcript

RUSSIAN = "\n".join(["Вопрос: Hi?", "Ответ:", "Да"])


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        pytest.param("User: Hi?\nAI: Hello: you\n", "Hello: you", id="a-box"),
        pytest.param("**You:** Hi?\n\n**Lumora:** One.\n\nTwo.", "One.\n\nTwo.", id="markdown"),
        pytest.param("👤 You: Hi?\n🤖 Bot: Yo\n\n---\n", "Yo\n\n---", id="signs"),
        pytest.param("Q: Hi?\nA: No\nQ: Hi?\nA: Yes", "Yes", id="the-last-turn"),
        pytest.param("You: Hi?\nAI: Hi? is short.", "Hi? is short.", id="a-reply-that-quotes"),
        pytest.param("用户\uff1aHi?\n助手\uff1a好", "好", id="chinese"),
        pytest.param(RUSSIAN, "Да", id="a-line-of-its-own"),
        pytest.param("User: Hi?\nAI:", "", id="no-reply"),
        pytest.param("Hi? Hello.", "Hi? Hello.", id="an-echo"),
        pytest.param("She said: Hi?\nMe: No", "She said: Hi?\nMe: No", id="another-name"),
        pytest.param("You: Ho\nBot: Hi?", "You: Ho\nBot: Hi?", id="another-prompt"),
        pytest.param("User: Hi? again\nAI: No", "User: Hi? again\nAI: No", id="a-quotation"),
        pytest.param("User: Hi?", "User: Hi?", id="the-prompt-alone"),
    ],
)
def test_the_reply_stands_behind_the_prompt_and_a_name(text: str, reply: str) -> None:
    assert read_transcript(text, "Hi?") == reply


def test_a_growing_transcript_gives_the_reply_s_deltas() -> None:
    text = "**You:** Hi?\n\n**Bot:** Hello there.\n\nMore.\n\n"
    value, pieces = ChatValue("Hi?"), []

    for end in range(13, len(text) + 1):
        events = value.replace(text[:end], is_final=end == len(text))
        pieces += [each.delta for each in events]

    assert "".join(pieces) == value.text == "Hello there.\n\nMore."


def test_the_reply_of_a_chat_is_no_transcript() -> None:
    value = ChatValue("Hi?")
    value.replace([["Hi?", "User: Hi?\nAI: Yes"]], is_final=True)

    assert value.text == "User: Hi?\nAI: Yes"
