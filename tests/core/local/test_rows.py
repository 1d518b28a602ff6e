"""The rows of the page, and the messages that the model gets of them."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.local.page.markdown import unescape_html
from qwen_space.local.rows import to_messages


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
