"""Pictures in the text of a reply, with all their bytes."""

from __future__ import annotations

import pytest

from qwen_space.gradio.chatbot import find_reply
from qwen_space.gradio.files import inline_bytes
from qwen_space.gradio.inline_pictures import split_pictures

DATA = "data:image/png;base64,QUI="


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        pytest.param(f'<div style="float:left"><img src="{DATA}"></div>', "", id="all-of-the-html"),
        pytest.param('<img alt="a" src="data:image/png;base64, QUI=" width=9>', "", id="a-space"),
        pytest.param(f"![a cat]({DATA})", "", id="all-of-the-markdown"),
        pytest.param(f"Here:\n\n![]({DATA})", "Here:", id="after-a-text"),
        pytest.param(f"<p>Here: <img src='{DATA}'/></p>", "<p>Here: </p>", id="in-a-text"),
    ],
)
def test_a_picture_in_the_text_is_a_file(text: str, rest: str) -> None:
    reply = find_reply([{"role": "user", "content": "u"}, {"role": "assistant", "content": text}])

    assert reply is not None
    assert (reply.text, reply.path) == (rest, None)
    assert [inline_bytes(each["url"], 2) for each in reply.files] == [b"AB"]
    assert [each["mime_type"] for each in reply.files] == ["image/png"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'```html\n<img src="{DATA}">\n```', id="code"),
        pytest.param('<img src="data:image/png;base64,QUI', id="being-written"),
        pytest.param('<img src="https://example.org/data:image/">', id="elsewhere"),
        pytest.param("A data:image/png address.", id="words"),
    ],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert split_pictures(text) == (text, ())


@pytest.mark.parametrize(
    "piece", ["<img ", "<img src='data:image/png;base64,A ", "![", "![a](data:"]
)
def test_a_long_text_without_a_picture_comes_to_its_end(piece: str) -> None:
    text = "data:image/" + piece * 100_000  # their square would take hours

    assert split_pictures(text) == (text, ())
