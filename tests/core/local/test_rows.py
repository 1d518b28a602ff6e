"""The rows of the page, and the messages that the model gets of them."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.local.rows import to_file_rows, to_messages, unescape_html


def row(role: str, content: Any, title: str | None = None) -> dict[str, Any]:
    return {"role": role, "content": content, "metadata": {"title": title} if title else None}


def test_files_are_a_part_of_the_question_below_them() -> None:
    files = to_file_rows([{"name": "a.txt", "text": "A"}, {"name": "b<i>.md", "text": "```\nB"}])
    rows = [
        *files,
        row("user", "Which?"),
        row("assistant", "Hm", "Thinking"),
        row("assistant", "A"),
    ]

    messages = to_messages(rows, "Be brief.", unescape_html)

    question = "a.txt:\n```\nA\n```\n\nb<i>.md:\n````\n```\nB\n````\n\nWhich?"
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "A"},
    ]


@pytest.mark.parametrize(
    "files", [None, "x", {}, [None], [{"name": 1, "text": "x"}], [{"name": "x"}], [{"text": "x"}]]
)
def test_files_of_another_form_are_left_out(files: Any) -> None:
    assert to_file_rows(files) == []
