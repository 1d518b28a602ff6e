"""A message in Python's words, which `/chat` of Gradio 4 sends, is its text."""

from __future__ import annotations

import pytest

from qwen_space.events import TextDelta, ThinkingDelta
from qwen_space.gradio.reply.deltas import ChatValue
from qwen_space.gradio.reply.message_words import read_message_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{'role': 'assistant', 'content': 'Hi'}", ("Hi", ""), id="a-dict"),
        pytest.param(
            str({"role": "assistant", "content": 'It\'s "so"\n', "metadata": {"title": "Plan"}}),
            ('It\'s "so"\n', "Plan"),
            id="with-a-title",
        ),
        pytest.param("{'content': 'Hi', 'role': 'assistant'}", ("Hi", ""), id="content-first"),
        pytest.param(
            "ChatMessage(role='assistant', content='Hi', metadata=Metadata(title='Plan'))",
            ("Hi", "Plan"),
            id="an-object",
        ),
        pytest.param(
            "{'role': 'assistant', 'content': <gradio.components.html.HTML object at 0x7f>}",
            ("<gradio.components.html.HTML object at 0x7f>", ""),
            id="a-component",
        ),
        pytest.param("{'role': 'assistant', 'content': 'Hi'} is one", None, id="words-after-it"),
        pytest.param("{'role': 'assistant', 'content': 5}", None, id="no-text"),
        pytest.param("{'content': 'Hi', 'role': 'user'}", None, id="the-user-s"),
        pytest.param("{'content': f(x)}", None, id="another-dict"),
        pytest.param("{'role': 'assistant', " + "(" * 9_999 + "})", None, id="deep"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_text_of_the_assistant_s_message_is_found(
    text: str, expected: tuple[str, str] | None
) -> None:
    assert read_message_words(text) == expected


@pytest.mark.parametrize("is_response", [True, False])
def test_such_a_message_grows_as_any_text(*, is_response: bool) -> None:
    value = ChatValue("Hi", is_response=is_response)
    words = [f"{{'role': 'assistant', 'content': {text!r}}}" for text in ("It", "It is", "It is.")]

    events = [event for each in words for event in value.replace(each)]
    events += value.replace(words[-1], is_final=True)

    assert value.text == ("It is." if is_response else words[-1])
    if is_response:
        assert [each.delta for each in events if isinstance(each, TextDelta)] == ["It", " is", "."]
        assert len(events) == 3


def test_a_component_in_it_is_named() -> None:
    value = ChatValue("Hi", is_response=True)

    value.replace("{'role': 'assistant', 'content': <gradio.x.LinePlot object at 0x7f>}")

    assert [each.kind for each in value.components] == ["lineplot"]


def test_a_message_with_a_title_is_a_thought() -> None:
    value = ChatValue("Hi", is_response=True)
    message = "ChatMessage(role='assistant', content='Hm', metadata=Metadata(title='Plan'))"

    (thought,) = value.replace(message)

    assert isinstance(thought, ThinkingDelta)


@pytest.mark.parametrize(
    "filling",
    [
        pytest.param("[" + "1," * 100_000 + "]", id="values"),
        pytest.param("'a'" * 100_000, id="texts"),
        pytest.param("'" + r"\'" * 100_000, id="a-text-without-end"),
    ],
)
def test_words_that_take_long_to_parse_are_no_message(filling: str) -> None:
    assert read_message_words(f"{{'role': 'assistant', 'x': {filling}, 'content': 'a'}}") is None


def test_a_long_text_is_read() -> None:
    text = "It's \\ \n" * 10_000

    assert read_message_words(repr({"role": "assistant", "content": text})) == (text, "")
