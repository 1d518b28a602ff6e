"""Pictures in the text of a reply, with all their bytes."""

from __future__ import annotations

import pytest

from qwen_space.events import TextDelta
from qwen_space.gradio.reply.chatbot import find_reply
from qwen_space.gradio.reply.deltas import ChatValue, plain_piece
from qwen_space.gradio.reply.inline_pictures import split_pictures
from qwen_space.gradio.wire.files import inline_bytes

DATA = "data:image/png;base64,QUI="
LARGE = f"![a cat](data:image/png;base64,{'QUJD' * 100_000})"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        pytest.param(f'<div style="float:left"><img src="{DATA}"></div>', "", id="between-tags"),
        pytest.param('<img alt="a" src="data:image/png;base64, QUI=" width=9>', "", id="a-space"),
        pytest.param(f"![a cat]({DATA})", "", id="all-of-the-markdown"),
        pytest.param(f"Here:\n\n![]({DATA})", "Here:\n\n", id="after-a-text"),
        pytest.param(f"<p>Here: <img src='{DATA}'/></p>", "<p>Here: </p>", id="in-a-text"),
    ],
)
def test_a_picture_in_the_text_is_a_file(text: str, rest: str) -> None:
    reply = find_reply([{"role": "user", "content": "u"}, {"role": "assistant", "content": text}])

    assert reply is not None
    assert reply.text == rest
    assert reply.path == (None if "<div" in text else [1, "content"])
    assert [inline_bytes(each["url"], 2) for each in reply.files] == [b"AB"]
    assert [each["mime_type"] for each in reply.files] == ["image/png"]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([f"{LARGE}\n\nIt"], id="first"),
        pytest.param([f"<div>{LARGE}</div>", "\n\n", "It"], id="alone"),
        pytest.param(["Here:\n\n", LARGE, "\n\nIt"], id="after-a-text"),
    ],
)
def test_a_text_that_grows_behind_a_large_picture_is_streamed(pieces: list[str]) -> None:
    first, *more = pieces
    chat = ChatValue()
    events = chat.replace([["u", first]])
    for piece in [*more, *[" is red."] * 200]:
        edits = [["append", [0, 1], piece]]
        added = chat.extend(edits)
        if added is None:
            chat.begin_edits(len(piece))
            chat.edit(edits)
            added = [*chat.end_edits()]
        events += added

    words = [event.delta for event in events if isinstance(event, TextDelta)]
    assert len(chat.files) == 1
    assert words[-200:] == [" is red."] * 200
    assert "".join(words).split() == chat.text.split()  # white space may have been sent twice
    assert "data:" not in chat.text


def test_a_piece_with_a_picture_is_no_plain_text() -> None:
    assert plain_piece([["append", [0, 1], f"![a]({DATA})"]], [0, 1]) is None


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
    assert split_pictures(text) == (text, (), True)


def test_a_text_with_a_picture_that_is_not_complete_is_read_again() -> None:
    text = f"![]({DATA}) and ![](data:image/png;base64,QU"

    assert split_pictures(text)[2] is False
    assert split_pictures(f"{text}I=) end")[::2] == ("and  end", True)


@pytest.mark.parametrize(
    "piece", ["<img ", "<img src='data:image/png;base64,A ", "![", "![a](data:"]
)
def test_a_long_text_without_a_picture_comes_to_its_end(piece: str) -> None:
    text = "data:image/" + piece * 100_000  # quadratic time would be hours

    assert split_pictures(text) == (text, (), True)
