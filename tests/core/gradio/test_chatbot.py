from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.chatbot import Reply, ReplyText, find_reply


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "metadata": None, "content": content, "options": None}


def bot(content: Any, metadata: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "metadata": metadata, "content": content, "options": None}


def ms(text: str) -> dict[str, Any]:
    return {"id": None, "elem_id": None, "text": text, "avatar": "", "files": None}


def part(text: str) -> dict[str, Any]:
    return {"text": text, "type": "text"}


FILE = {"file": {"path": "/x.png", "url": "u"}, "alt_text": None, "type": "file"}

SHAPES = [
    pytest.param("", Reply("", []), id="text-empty"),
    pytest.param("b", Reply("b", []), id="text"),
    pytest.param(None, Reply("", None), id="null"),
    pytest.param([], Reply("", None), id="empty"),
    pytest.param([["u", "b"]], Reply("b", [0, 1]), id="pair"),
    pytest.param([["u", "b"], ["v", "c"]], Reply("c", [1, 1]), id="pairs"),
    pytest.param([["u", None]], Reply("", None), id="pair-waiting"),
    pytest.param([["u", ""]], Reply("", [0, 1]), id="pair-empty"),
    pytest.param([[None, "b"]], Reply("b", [0, 1]), id="pair-without-user"),
    pytest.param([[ms("u"), ms("b")]], Reply("b", [0, 1, "text"]), id="modelscope"),
    pytest.param([[ms("u"), None]], Reply("", None), id="modelscope-waiting"),
    pytest.param(
        [[ms("u"), [ms("b"), ms("c")]]],
        Reply("b\n\nc", [0, 1, 1, "text"]),
        id="modelscope-several-bots",
    ),
    pytest.param([user("u"), bot("b")], Reply("b", [1, "content"]), id="messages"),
    pytest.param([user("u")], Reply("", None), id="messages-waiting"),
    pytest.param([bot("b")], Reply("b", [0, "content"]), id="messages-greeting"),
    pytest.param(
        [user("u"), bot("b"), user("v"), bot("c")], Reply("c", [3, "content"]), id="messages-more"
    ),
    pytest.param(
        [user("u"), bot("b"), user("v")], Reply("", None), id="messages-the-last-is-the-user-s"
    ),
    pytest.param(
        [{"role": "system", "content": "s"}, user("u"), bot("b")],
        Reply("b", [2, "content"]),
        id="messages-with-system",
    ),
    pytest.param(
        [user("u"), bot("b"), bot("c")], Reply("b\n\nc", [2, "content"]), id="messages-two-in-a-row"
    ),
    pytest.param(
        [user("u"), bot("b", {"title": None})], Reply("b", [1, "content"]), id="title-null-is-none"
    ),
    pytest.param(
        [user([part("u")]), bot([part("b")])],
        Reply("b", [1, "content", 0, "text"]),
        id="parts",
    ),
    pytest.param(
        [user([part("u")]), bot([part("b"), part("c")])],
        Reply("b\n\nc", [1, "content", 1, "text"]),
        id="parts-several",
    ),
    pytest.param(
        [user([part("u")]), bot([part("b"), FILE])],
        Reply("b", [1, "content", 0, "text"]),
        id="parts-with-a-file",
    ),
    pytest.param([user([part("u")]), bot([])], Reply("", None), id="parts-none"),
    pytest.param(
        [user([part("u")]), bot([part("b"), part("")])], Reply("b", None), id="parts-the-last-waits"
    ),
    pytest.param(
        [user("u"), bot(""), bot("b")], Reply("b", [2, "content"]), id="messages-an-empty-one"
    ),
    pytest.param([user("u"), bot(""), bot("")], Reply("", [2, "content"]), id="messages-all-empty"),
    pytest.param([user("u"), bot(FILE)], Reply("", None), id="messages-file"),
    pytest.param([["u", FILE]], Reply("", None), id="pair-file"),
    pytest.param(bot("b"), Reply("b", ["content"]), id="one-message"),
    pytest.param(
        {"__type__": "update", "value": [["u", "b"]]}, Reply("b", ["value", 0, 1]), id="update"
    ),
    pytest.param(
        {"__type__": "update", "interactive": False, "value": "b"},
        Reply("b", ["value"]),
        id="update-text",
    ),
    pytest.param({"__type__": "update"}, None, id="update-of-nothing"),
    pytest.param({"__type__": "update", "value": None}, Reply("", None), id="update-to-null"),
]


@pytest.mark.parametrize(("value", "expected"), SHAPES)
def test_the_reply_is_found_in_every_shape(value: Any, expected: Reply | None) -> None:
    assert find_reply(value) == expected


@pytest.mark.parametrize(
    "value", [pytest.param(each.values[0], id=each.id) for each in SHAPES if each.values[1]]
)
def test_the_path_leads_to_the_string_that_ends_the_reply(value: Any) -> None:
    reply = find_reply(value)
    assert reply is not None

    if reply.path is None:
        return
    node = value
    for key in reply.path:
        node = node[key]
    assert isinstance(node, str)
    assert reply.text.endswith(node)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1, id="number"),
        pytest.param(True, id="true"),
        pytest.param([1], id="row-number"),
        pytest.param(["text"], id="row-text"),
        pytest.param([["u", "b", "c"]], id="three"),
        pytest.param([["u"]], id="one"),
        pytest.param([["append", [0, 1], "x"]], id="an-edit"),
        pytest.param([["u", 1]], id="bot-number"),
        pytest.param([{"content": "b"}], id="no-role"),
        pytest.param([bot(1)], id="content-number"),
        pytest.param([bot([1])], id="part-number"),
    ],
)
def test_another_shape_is_a_protocol_error(value: Any) -> None:
    with pytest.raises(ProtocolError):
        find_reply(value)


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
    reply = ReplyText(TextDelta)
    reply.become(old)

    event = reply.become(new)

    assert event == expected
    assert reply.text == new


@pytest.mark.parametrize(("old", "new", "expected"), REWRITES)
def test_it_does_not_matter_whether_the_old_text_came_in_pieces(
    old: str, new: str, expected: TextDelta | Rewritten | None
) -> None:
    reply = ReplyText(TextDelta)
    for piece in old:
        reply.append(piece)

    event = reply.become(new)

    assert event == expected


def test_deltas_go_on_after_a_rewriting() -> None:
    reply = ReplyText(TextDelta)
    reply.append("abc")

    events = [reply.become("x"), reply.append("y"), reply.become("xyz")]

    assert events == [Rewritten("x"), TextDelta("y", ["xy"]), TextDelta("z", ["xyz"])]


def test_the_text_of_an_event_stays_as_it_was() -> None:
    reply = ReplyText(TextDelta)

    events = [reply.append("a"), reply.append("b"), reply.become("abc"), reply.append("d")]
    reply.become("")

    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "a",
        "ab",
        "abc",
        "abcd",
    ]


def test_the_text_of_the_first_event_stays_too() -> None:
    reply = ReplyText(TextDelta)

    first = reply.append("a")
    reply.become("ab")

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
def test_what_cleandoc_does_to_a_growing_text_is_no_rewriting(pieces: list[str]) -> None:
    reply, sent = ReplyText(TextDelta), ""
    text = ""
    for piece in pieces:
        text += piece
        event = reply.become(inspect.cleandoc(text))
        assert not isinstance(event, Rewritten)
        if event is not None:
            assert event.delta
            sent += event.delta

    assert "".join(sent.split()) == "".join(text.split())
    assert reply.text == inspect.cleandoc(text)


PIECES = st.lists(st.text("ab \n", max_size=4), max_size=8)


@given(PIECES)
def test_deltas_of_what_only_grows_are_the_text(pieces: list[str]) -> None:
    appended, became = ReplyText(TextDelta), ReplyText(TextDelta)
    one, other, text = "", "", ""

    for piece in pieces:
        text += piece
        one += event.delta if (event := appended.append(piece)) else ""
        grown = became.become(text)
        assert not isinstance(grown, Rewritten)
        other += grown.delta if grown else ""

    assert one == other == text


@given(PIECES)
def test_what_is_shown_has_the_text_s_characters_whatever_it_becomes(texts: list[str]) -> None:
    reply, shown = ReplyText(TextDelta), ""

    for text in texts:
        event = reply.become(text)
        match event:
            case Rewritten():
                shown = event.text
            case TextDelta():
                assert event.delta
                shown += event.delta
        assert reply.text == text
        assert "".join(shown.split()) == "".join(text.split())
