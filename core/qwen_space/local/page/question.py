"""A question with its place in the chat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qwen_space.local.page.markdown import escape_html, unescape_html
from qwen_space.local.rows import Rows, is_file, read_text, to_content

__all__ = ["Question", "find_question", "to_plain"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its place in a chat.

    Attributes:
        before: The rows before it.
        text: The text as the person wrote it; with files it may be empty.
        files: The rows of its files.
    """

    before: Rows
    text: str
    files: Rows = field(default_factory=list)

    def to_rows(self) -> Rows:
        """Return the chat with the question as its end."""
        asked = {"role": "user", "content": to_content(escape_html(self.text))}
        return [*to_plain([*self.before, *self.files]), *([asked] if self.text.strip() else [])]


def find_question(rows: Rows, index: Any = None) -> Question:
    """Return the question at, or before, an index; the files at the end of the rows if None."""
    end, text = len(rows), ""
    if index is not None:
        end = (index[0] if isinstance(index, list | tuple) else index) + 1
        while end and rows[end - 1]["role"] != "user":
            end -= 1
        if end and not is_file(rows[end - 1]):
            end -= 1
            text = unescape_html(read_text(rows[end]["content"]))
    start = end
    while start and is_file(rows[start - 1]):
        start -= 1
    return Question(rows[:start], text, rows[start:end])


def to_plain(rows: Rows) -> Rows:
    """Return the rows without the options of an earlier note, and the addresses of their files.

    Gradio would fetch a file from its address, which it makes anew of the path.
    """
    return [
        {key: row[key] for key in ("role", "metadata") if row.get(key)}
        | {"content": [_without_url(part) for part in row["content"]]}
        for row in rows
    ]


def _without_url(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"file": part["file"] | {"url": None}} if "file" in part else part
