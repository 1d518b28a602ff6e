"""The rows of a `gr.Chatbot`: from a history to messages, and from a reply to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from qwen_space.local.engines.base import Thinking

__all__ = [
    "ReplyRows",
    "Rows",
    "is_file",
    "read_text",
    "to_content",
    "to_messages",
]

Rows: TypeAlias = "list[dict[str, Any]]"


class ReplyRows:
    """Collects a reply into rows: its reasoning under a title, and its text."""

    def __init__(self) -> None:
        self.text = ""
        self.thoughts = ""

    def add(self, part: str | Thinking) -> None:
        """Append a part of the reply."""
        if isinstance(part, Thinking):
            self.thoughts += part.text
        else:
            self.text += part

    def to_rows(self, *, is_done: bool = False) -> Rows:
        """Return the rows so far; a reply without a reasoning has always one."""
        rows: Rows = []
        if self.thoughts:
            status = "done" if self.text or is_done else "pending"
            metadata = {"title": "Thinking", "status": status}
            rows.append({"role": "assistant", "content": self.thoughts, "metadata": metadata})
        if self.text or is_done or not rows:
            rows.append({"role": "assistant", "content": self.text})
        return rows


def to_messages(
    rows: Sequence[Mapping[str, Any]], system: str, read: Callable[[str], str] = str
) -> list[dict[str, Any]]:
    """Return a history as messages, without its reasonings and its notes.

    A message with files that the server has in its folder has their paths as `files`.

    Args:
        rows: A chatbot's value.
        system: The system prompt.
        read: Turns a row's text into the model's.
    """
    said = [row for row in rows if row["role"] == "user" or not _title(row)]
    messages = [_message(group, read) for group in _grouped(said)]
    return [{"role": "system", "content": system}, *messages]


def _grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the rows of each message: a question's files come before its text, if it has one."""
    group: list[Mapping[str, Any]] = []
    for row in rows:
        if group and row["role"] != "user":
            yield group
            group = []
        group.append(row)
        if not is_file(row):
            yield group
            group = []
    if group:
        yield group


def _message(rows: Sequence[Mapping[str, Any]], read: Callable[[str], str]) -> dict[str, Any]:
    texts = [
        (f"{_title(row)}:\n" if _title(row) else "") + read_text(row["content"]) for row in rows
    ]
    content = "\n\n".join(read(text) for text in texts if text)
    message = {"role": rows[0]["role"], "content": content}
    is_question = message["role"] == "user"
    paths = [path for row in rows if is_question for path in _file_paths(row["content"])]
    return message | {"files": paths} if paths else message


def _title(row: Mapping[str, Any]) -> str:
    return (row.get("metadata") or {}).get("title") or ""


def _files(content: Any) -> list[Mapping[str, Any]]:
    parts = content if isinstance(content, list) else [content]
    files = [part.get("file", part) for part in parts if isinstance(part, dict)]
    return [file for file in files if isinstance(file, dict) and isinstance(file.get("path"), str)]


def _file_paths(content: Any) -> list[str]:
    """Return the paths of the files in a row's content, which Gradio has put into its folder."""
    return [file["path"] for file in _files(content)]


def is_file(row: Mapping[str, Any]) -> bool:
    """Whether a row is a file of the question below it: a text file has its name as title."""
    has_file = bool(_title(row)) or (bool(_files(row["content"])) and not read_text(row["content"]))
    return row["role"] == "user" and has_file


def read_text(content: str | Sequence[Mapping[str, Any] | str] | Mapping[str, Any]) -> str:
    """Return the text of a row's content, which Gradio gives as a list of parts."""
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = [content] if isinstance(content, Mapping) else content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


def to_content(text: str) -> list[dict[str, str]]:
    """Return a text as a row's content; of a bare string Gradio would clean the indentation."""
    return [{"type": "text", "text": text}]
