from __future__ import annotations

import inspect

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.reply.deltas import TextTracker

REWRITES = [
    pytest.param("a", "ab", TextDelta("b", ["ab"]), id="grows"),
    pytest.param("a", "a", None, id="stays"),
    pytest.param("", "", None, id="stays-empty"),
    pytest.param("ab", "a b", None, id="a-space-too-late"),
    pytest.param("ab", "a b c", TextDelta(" c", ["a b c"]), id="goes-on-after-a-space"),
    pytest.param("a\n- b", "a\n  - b\nc", TextDelta("\nc", ["a\n  - b\nc"]), id="indented"),
    pytest.param("a ", "a", None, id="trailing-space-held-back"),
    pytest.param("a\n", "a\n\nb", TextDelta("\nb", ["a\n\nb"]), id="newline-comes"),
    pytest.param("a \n", "a\nb", TextDelta("\nb", ["a\nb"]), id="another-white-space-at-the-end"),
    pytest.param("a\n", "ab", TextDelta("b", ["ab"]), id="trailing-newline-taken-back"),
    pytest.param(
        "a\n- b\n",
        "a\n  - b\n  - c",
        TextDelta("  - c", ["a\n  - b\n  - c"]),
        id="no-newline-twice",
    ),
    pytest.param("  a", "ab", TextDelta("b", ["ab"]), id="leading-space-taken-back"),
    pytest.param(" ", "a", TextDelta("a", ["a"]), id="only-space-before"),
    pytest.param("a b", "a", Rewritten("a"), id="shorter"),
    pytest.param("ab", "ax", Rewritten("ax"), id="other"),
    pytest.param("ab", "", Rewritten(""), id="emptied"),
    pytest.param("a b", "b a", Rewritten("b a"), id="turned-around"),
]


@pytest.mark.parametrize(("old", "new", "expected"), REWRITES)
def test_a_new_text_goes_on_where_the_old_one_ended(
    old: str, new: str, expected: TextDelta | Rewritten | None
) -> None:
    reply = TextTracker(TextDelta)
    reply.replace(old)

    event = reply.replace(new)

    assert event == expected
    assert reply.text == new


@pytest.mark.parametrize(("old", "new", "expected"), REWRITES)
def test_it_does_not_matter_whether_the_old_text_came_in_pieces(
    old: str, new: str, expected: TextDelta | Rewritten | None
) -> None:
    reply = TextTracker(TextDelta)
    for piece in old:
        reply.append(piece)

    event = reply.replace(new)

    assert event == expected


def test_the_delta_of_a_rewriting_has_no_half_word() -> None:
    reply = TextTracker(TextDelta)
    reply.append("So think")

    event = reply.replace("So the")

    assert isinstance(event, Rewritten)
    assert event.delta == "the"


def test_deltas_go_on_after_a_rewriting() -> None:
    reply = TextTracker(TextDelta)
    reply.append("abc")

    events = [reply.replace("x"), reply.append("y"), reply.replace("xyz")]

    assert events == [Rewritten("x"), TextDelta("y", ["xy"]), TextDelta("z", ["xyz"])]


def test_the_text_of_an_event_stays_as_it_was() -> None:
    reply = TextTracker(TextDelta)

    events = [reply.append("a"), reply.append("b"), reply.replace("abc"), reply.append("d")]
    reply.replace("")

    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "a",
        "ab",
        "abc",
        "abcd",
    ]


def test_the_text_of_the_first_event_stays_too() -> None:
    reply = TextTracker(TextDelta)

    first = reply.append("a")
    reply.replace("ab")

    assert first == TextDelta("a")


MARKDOWN = st.lists(
    st.sampled_from(
        [
            *("1. **A**:", "- b", "word", "```", "x = 1", "#", "🙂", "\u3000", "\u2028", ""),
            *(" ", "  ", "    ", "\t", "\n", "\n\n", "\n   ", "\n\t", "\r\n"),
        ]
    ),
    max_size=20,
)


@given(MARKDOWN)
@example(["1. **A**:", "\n   ", "- b", "\n   ", "- b", "\n", "2. "])
@example(["\n", "  ", "word", "\n    ", "x = 1", "\n", "word"])
@example(["word", "\t", "word", "\n\n", " ", "\n", "\t", "word"])
def test_cleandoc_on_a_growing_text_makes_no_rewriting(pieces: list[str]) -> None:
    reply, sent = TextTracker(TextDelta), ""
    text = ""
    for piece in pieces:
        text += piece
        event = reply.replace(inspect.cleandoc(text))
        assert not isinstance(event, Rewritten)
        if event is not None:
            assert event.delta
            sent += event.delta

    assert "".join(sent.split()) == "".join(text.split())
    assert reply.text == inspect.cleandoc(text)


PIECES = st.lists(st.text("ab \n", max_size=4), max_size=8)


@given(PIECES)
def test_deltas_of_a_growing_text_are_the_text(pieces: list[str]) -> None:
    appended, became = TextTracker(TextDelta), TextTracker(TextDelta)
    one, other, text = "", "", ""

    for piece in pieces:
        text += piece
        one += event.delta if (event := appended.append(piece)) else ""
        grown = became.replace(text)
        assert not isinstance(grown, Rewritten)
        other += grown.delta if grown else ""

    assert one == other == text


@given(PIECES)
def test_the_events_lead_to_the_characters_of_any_text(texts: list[str]) -> None:
    reply, shown = TextTracker(TextDelta), ""

    for text in texts:
        event = reply.replace(text)
        match event:
            case Rewritten():
                shown = event.text
            case TextDelta():
                assert event.delta
                shown += event.delta
        assert reply.text == text
        assert "".join(shown.split()) == "".join(text.split())
