"""A reply in a text that shows the whole chat."""

from __future__ import annotations

import pytest

from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.reply.deltas import ChatValue
from qwen_space.gradio.reply.transcript import Transcript

SURELY = "\n".join(["Вы: Hi?", "Конечно: 4"])
RUSSIAN = "\n".join(["Вы: Hi?", "Ответ:", "Да"])


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        pytest.param("User: Hi?\nAI: Hello: you\n", "Hello: you", id="a-box"),
        pytest.param("**You:** Hi?\n\n**Lumora:** One.\n\nTwo.", "One.\n\nTwo.", id="markdown"),
        pytest.param("👤 You: Hi?\n🤖 Bot: Yo\n\n---\n", "Yo\n\n---", id="signs"),
        pytest.param("Me: Hi?\nAI: No\nMe: Hi?\nAI: Yes", "Yes", id="the-last-turn"),
        pytest.param("You: Hi?\nAI: Hi? is short.", "Hi? is short.", id="a-reply-that-quotes"),
        pytest.param("用户\uff1aHi?\n助手\uff1a好", "好", id="chinese"),
        pytest.param(RUSSIAN, "Да", id="a-line-of-its-own"),
        pytest.param("User: Hi?\nAI:", "", id="no-reply"),
        pytest.param("Hi? Hello.", "Hi? Hello.", id="an-echo"),
        pytest.param("She said: Hi?\nMe: No", "She said: Hi?\nMe: No", id="another-name"),
        pytest.param("You: Ho\nBot: Hi?", "You: Ho\nBot: Hi?", id="another-prompt"),
        pytest.param("User: Hi? again\nAI: No", "User: Hi? again\nAI: No", id="a-quotation"),
        pytest.param("User: Hi?", "User: Hi?", id="the-prompt-alone"),
        pytest.param("You: Ho\nAI: Yes\nYou: Hi?\nAI: No", "No", id="after-a-turn"),
        pytest.param("**Question:** Hi?\n\nOr: no", None, id="a-model-s-heading"),
        pytest.param("Question: Hi?\nAnswer: 4", None, id="a-model-s-question"),
        pytest.param("You: Hi?\nFirst run this command: a", None, id="a-sentence"),
        pytest.param("You: Hi?\nHere are three:\n1. a", None, id="a-short-sentence"),
        pytest.param("You: Hi?\nQwen 2.5 Bot: a", "a", id="a-name-of-three-words"),
        pytest.param("You: Hi?\nAI assistant: a", "a", id="a-name-that-says-so"),
        pytest.param("You: Hi?\nAssistant (Qwen2.5): a", "a", id="a-name-with-its-model"),
        pytest.param("You: Hi?\nQwen [7B] [9:41]: a", "a", id="a-name-with-its-size-and-a-time"),
        pytest.param("You: Hi?\nhttps://a.b/c is a link", None, id="a-link"),
        pytest.param("A dialogue.\n\nUser: Hi?\nBot: Yes", None, id="a-dialogue"),
        pytest.param("You: Hi?\nSure: 4", None, id="an-opening"),
        pytest.param("You: Hi?\n\nNote: 4", None, id="a-note"),
        pytest.param("You: Hi?\nYes Man: 4", "4", id="a-name-that-begins-so"),
        pytest.param(SURELY, None, id="an-opening-in-russian"),
        pytest.param("**You:** Hi?\n\nStep: 4", None, id="no-bold-name"),
        pytest.param("User:\nHi?\nAI:\nYo", "Yo", id="lines-of-their-own"),
        pytest.param("**User:**\nHi?\n\n**AI:**\nYo", "Yo", id="bold-lines-of-their-own"),
        pytest.param("### User\nHi?\n\n### Assistant\nYo\n\nMore", "Yo\n\nMore", id="headings"),
        pytest.param("## 👤 You\n\nHi?\n\n## 🤖 Qwen 2.5\n\nYo", "Yo", id="headings-with-signs"),
        pytest.param("**User**\nHi?\n\n**Assistant**\nYo", "Yo", id="bold-headings"),
        pytest.param("### User\nHo\n### AI\nYo\n### User\nHi?\n### AI\nNo", "No", id="turns"),
        pytest.param("### User\nHi?\n\nYo", None, id="no-heading-of-the-reply"),
        pytest.param("User\nHi?\nAssistant\nYo", None, id="plain-lines"),
        pytest.param("You: Hi?\n\n**Summary**\nYo", None, id="a-heading-behind-a-name"),
        pytest.param("### User guide\nHi?\n### AI\nYo", None, id="another-heading"),
    ],
)
def test_the_reply_stands_behind_the_prompt_and_a_name(text: str, reply: str | None) -> None:
    assert Transcript("Hi?").read(text) == (text if reply is None else reply)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        pytest.param(
            "System: S\nUser: Hi?\nAssistant: Yes\nUser: b", "Yes\nUser: b", id="completed"
        ),
        pytest.param("System: S\nUser: Hi?\nAssistant:\n\nYes", "Yes", id="on-a-line-of-its-own"),
        pytest.param("System: S\nUser: Hi?\nAssistant:", None, id="nothing-added"),
        pytest.param("Sys", None, id="a-word"),
        pytest.param("System: S is all", None, id="another-text"),
    ],
)
@pytest.mark.parametrize("start", [1, 5, 40])
def test_a_chat_that_a_page_completes_is_no_part_of_the_reply(
    text: str, reply: str | None, start: int
) -> None:
    value = ChatValue("System: S\nUser: Hi?\nAssistant:")
    events = [event for end in range(start, len(text) + 1) for event in value.replace(text[:end])]
    events += value.replace(text, is_final=True)

    assert not any(isinstance(each, Rewritten) for each in events)
    assert value.text == (text if reply is None else reply)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        pytest.param(
            "**You:** Hi?\n\n**Bot:** Hello there.\n\nMore.\n\n", "Hello there.\n\nMore.", id="bold"
        ),
        pytest.param(
            "\nUser: Hi?\nAI:\n**No**\nUser: Hi?\nAI: 1", "**No**\nUser: Hi?\nAI: 1", id="one"
        ),
        pytest.param("A dialogue.\n\nUser: Hi?\nBot: Yes", None, id="a-dialogue"),
        pytest.param("Question: Hi?\nAnswer: 4.", None, id="a-question"),
        pytest.param("You: Hi?\nhttps://a.b/c is a link", None, id="a-link"),
        pytest.param("You: Hi?", None, id="the-prompt-alone"),
        pytest.param("You said: Hi?", None, id="a-sentence"),
        pytest.param("You", None, id="a-name"),
        pytest.param("**Yes**, you: Hi", None, id="bold-text"),
        pytest.param("### User\nHi?\n\n### AI\n\n**No**", "**No**", id="headings"),
        pytest.param("**User**\nHi?\n\n**AI**\nYo.", "Yo.", id="bold-headings"),
        pytest.param("### User manual\nHi?", None, id="another-heading"),
        pytest.param("You: Hi?\nSure: a", None, id="an-opening"),
    ],
)
@pytest.mark.parametrize("start", [1, 5, 11])
@pytest.mark.parametrize("last", ["the-value", "nothing"])
def test_a_growing_text_gives_deltas_that_stay(
    text: str, reply: str | None, start: int, last: str
) -> None:
    value = ChatValue("Hi?")
    events = value.replace(text[:start])
    for at in range(start, len(text)):
        edits = [["append", [], text[at]]]
        found = value.extend(edits)
        if found is None:
            value.begin_edits(100)
            value.edit(edits)
            found = value.end_edits()
        events += found
    events += value.replace(text, is_final=True) if last == "the-value" else value.finish()

    assert not any(isinstance(each, Rewritten) for each in events)
    deltas = [each.delta for each in events if isinstance(each, TextDelta)]
    assert "".join(deltas) == value.text == (text if reply is None else reply)


def test_a_chat_that_a_page_completes_is_no_part_of_a_message_either() -> None:
    prompt = "System: S\nUser: Hi?\nAssistant:"
    value = ChatValue(prompt)
    texts = [prompt[:9], prompt, f"{prompt} Yes", f"{prompt} Yes\n\nNo"]
    events = [event for text in texts for event in value.replace([[prompt, text]])]
    events += value.finish()

    assert [each.delta for each in events if isinstance(each, TextDelta)] == ["Yes", "\n\nNo"]
    assert value.text == "Yes\n\nNo"


def test_a_chat_that_a_page_completes_is_no_part_of_a_response() -> None:
    value = ChatValue("User: Hi?\nAssistant:", is_response=True)
    value.replace("User: Hi?\nAssistant: Yes\nUser: So?", is_final=True)

    assert value.text == "Yes\nUser: So?"


@pytest.mark.parametrize(
    ("user", "text", "reply"),
    [
        pytest.param("You: Hi?", "AI: Yes\n\nNo", "Yes\n\nNo", id="names"),
        pytest.param("**You:** Hi?", "**Qwen:** Yes", "Yes", id="bold-names"),
        pytest.param(
            "👤 **User** [09:28:06]:\n\nHi?",
            "🤖 **Assistant** [09:28:07]:\n\nYes",
            "Yes",
            id="times",
        ),
        pytest.param("**You**\nHi?", "**Bot**\nYes", "Yes", id="headings"),
        pytest.param("You: Hi?", "Qwen2.5 7B: Yes", "Yes", id="a-model"),
        pytest.param("You: Hi?", "Sure: 4", None, id="an-opening"),
        pytest.param("You: Hi?", "Python: a language", None, id="a-word"),
        pytest.param("**You:** Hi?", "**Step 1:** go", None, id="a-bold-word"),
        pytest.param("**You**\nHi?", "**Summary**\nYes", None, id="a-heading-of-the-reply"),
        pytest.param("You: Hi?", "Yes", None, id="no-name"),
        pytest.param("**You:** Hi?", "Step: 4", None, id="no-bold-name"),
        pytest.param("Hi?", "AI: Yes", None, id="a-user-without-a-name"),
        pytest.param("You: Ho", "AI: Yes", None, id="another-prompt"),
        pytest.param("Topic: Hi?", "Answer: Yes", None, id="no-user-s-name"),
        pytest.param(
            "You: Hi?", "AI: Yes\nYou: Hi?\nAI: So", "Yes\nYou: Hi?\nAI: So", id="a-quote"
        ),
        pytest.param("You: Hi?", "This is it:\nYou: Hi?\nAI: So", None, id="a-quote-alone"),
    ],
)
@pytest.mark.parametrize("start", [0, 1, 7, 99])
def test_a_message_of_a_chat_names_its_speaker_where_the_user_s_does(
    user: str, text: str, reply: str | None, start: int
) -> None:
    value = ChatValue("Hi?")
    events = [
        event
        for end in range(min(start, len(text)), len(text) + 1)
        for event in value.replace([["Ho", "So"], [user, text[:end]]])
    ]
    events += value.finish()

    assert not any(isinstance(each, Rewritten) for each in events)
    assert value.text == (text if reply is None else reply)


def test_the_reply_of_a_chat_is_no_transcript() -> None:
    value = ChatValue("Hi?")
    value.replace([["Hi?", "User: Hi?\nAI: Yes"]], is_final=True)

    assert value.text == "User: Hi?\nAI: Yes"
