"""The rows of the page, and the messages that the model gets of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.local.rows import escape_html, to_display, to_messages, unescape_html


def row(role: str, content: Any, title: str | None = None) -> dict[str, Any]:
    return {"role": role, "content": content, "metadata": {"title": title} if title else None}


PICTURE = {"type": "file", "file": {"path": "/tmp/gradio/1/a.png"}}


def text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def test_files_are_a_part_of_the_question_below_them() -> None:
    rows = [
        row("user", text("```\nA\n```"), "a.txt"),
        row("user", [PICTURE]),
        row("user", text("````\n```\nB\n````"), "b&lt;i>.md"),
        row("user", "Which?"),
        row("assistant", "Hm", "Thinking"),
        row("assistant", "A"),
    ]

    messages = to_messages(rows, "Be brief.", unescape_html)

    question = "a.txt:\n```\nA\n```\n\nb<i>.md:\n````\n```\nB\n````\n\nWhich?"
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": question, "files": ["/tmp/gradio/1/a.png"]},
        {"role": "assistant", "content": "A"},
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([[PICTURE]], [("", 1)], id="no-text"),
        pytest.param([[PICTURE], "Look"], [("Look", 1)], id="rows"),
        pytest.param([[PICTURE, *text("Look")]], [("Look", 1)], id="one-row"),
        pytest.param([[PICTURE, PICTURE], "Look"], [("Look", 2)], id="two"),
        pytest.param(["One", "Two"], [("One", 0), ("Two", 0)], id="texts"),
    ],
)
def test_a_question_has_its_files(rows: list[Any], expected: list[tuple[str, int]]) -> None:
    asked = [row("user", content) for content in rows]

    _, *messages, reply = to_messages([*asked, row("assistant", "Ah")], "")

    said = [(message["content"], len(message.get("files", ()))) for message in messages]
    assert said == expected
    assert reply == {"role": "assistant", "content": "Ah"}


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("$x$ and ($y_1$), $n$th, $k$-means", r"\(x\) and (\(y_1\)), \(n\)th, \(k\)-means"),
        ("设$x$为实数、$O(n)$时间", r"设\(x\)为实数、\(O(n)\)时间"),
        (r"$\$5$", r"\(\$5\)"),
        ("$5 and $10, $5-$10, US$5 to US$6", None),
        ("$HOME, $PATH and $ 6 $", None),
        ("$$x$$ and `$x$`", None),
        ("A <b>, a vector<int>, a < b", "A &lt;b>, a vector&lt;int>, a < b"),
        ("|a<br>b|<BR/>|", None),
        ("<https://example.org>", None),
        ("&lt; &copy; AT&T", "&amp;lt; &amp;copy; AT&T"),
        ("![x](https://example.org/x.png)", "[x](https://example.org/x.png)"),
        ("```\n<b> $x$\n```\n<b>", "```\n<b> $x$\n```\n&lt;b>"),
        ("Code:\n\n    <b> $x$\n\n    <i>\nand <b>", "Code:\n\n    <b> $x$\n\n    <i>\nand &lt;b>"),
        ("- item\n\n    <b> $x$", "- item\n\n    &lt;b> " + r"\(x\)"),
        ("text\n    <b>", "text\n    &lt;b>"),
    ],
)
def test_a_reply_is_shown_as_it_is_meant(reply: str, shown: str | None) -> None:
    assert to_display(reply) == (reply if shown is None else shown)


_PIECES = ["<", "b>", "&", "lt;", "amp;", "#1;", "`", "```", "~~~", "\n", "    ", " - ", "1. ", "x"]


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_a_text_is_had_back_from_its_bubble(text: str) -> None:
    assert unescape_html(escape_html(text)) == text
