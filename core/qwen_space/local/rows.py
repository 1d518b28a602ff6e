"""The rows of a `gr.Chatbot`: from a history to messages, and from a reply to rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from qwen_space.local.engines.base import Thinking

__all__ = [
    "ReplyRows",
    "Rows",
    "escape_html",
    "is_file",
    "read_text",
    "to_display",
    "to_messages",
    "unescape_html",
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
    paths = [path for row in rows if is_question for path in file_paths(row["content"])]
    return message | {"files": paths} if paths else message


def _title(row: Mapping[str, Any]) -> str:
    return (row.get("metadata") or {}).get("title") or ""


def _files(content: Any) -> list[Mapping[str, Any]]:
    parts = content if isinstance(content, list) else [content]
    files = [part.get("file", part) for part in parts if isinstance(part, dict)]
    return [file for file in files if isinstance(file, dict) and isinstance(file.get("path"), str)]


def file_paths(content: Any) -> list[str]:
    """Return the paths of the files in a row's content, which Gradio has put into its folder."""
    return [file["path"] for file in _files(content)]


def is_file(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is a file of the question below it: a text file has its name as title."""
    has_file = bool(_title(row)) or (bool(_files(row["content"])) and not read_text(row["content"]))
    return row["role"] == "user" and has_file


def read_text(content: str | Sequence[Mapping[str, Any] | str] | Mapping[str, Any]) -> str:
    """Return the text of a row's content, which Gradio gives as a list of parts."""
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = [content] if isinstance(content, Mapping) else content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPAN = re.compile(r"((?<!`)(`{1,3})[^`]+\2(?!`))")
# Only where Markdown would take them for a tag or an entity: a copied text is as it
# stands in the row.
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?!https?:)")
_BREAK = re.compile(r"&lt;(?=br ?/?>)", re.IGNORECASE)  # as models write it in tables
_ENTITY = re.compile(r"&(?=#?\w{1,32};)")
# As Pandoc reads dollars: "$5 and then $10" is no formula. Chinese needs no space beside one.
_DOLLARS = re.compile(
    r"(?<![\\$\w])\$(?=[^\s$])((?:\\.|[^$\\\n]){1,500}?)(?<!\s)\$(?!\$|(?!th\b|s\b)\w)", re.ASCII
)
_INDENTED = re.compile(r" {4}|\t")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
# The page shows no picture of another host: see the headers in `access`.
_PICTURE = re.compile(r"!(?=\[[^\]\n]{0,500}\]\(https?:)")


def escape_html(text: str) -> str:
    """Write a text so that Markdown shows its tags rather than obeying them."""
    return _outside_code(text, lambda part: _TAG.sub("&lt;", _ENTITY.sub("&amp;", part)))


def unescape_html(text: str) -> str:
    """Undo `escape_html`."""
    return _outside_code(text, lambda part: part.replace("&lt;", "<").replace("&amp;", "&"))


def to_display(text: str) -> str:
    r"""Write a reply for the page: tags as text, pictures as links, `$...$` as `\(...\)`."""
    formulas = _outside_code(text, lambda part: _DOLLARS.sub(r"\\(\1\\)", part))
    escaped = escape_html(_outside_code(formulas, lambda part: _PICTURE.sub("", part)))
    return _outside_code(escaped, lambda part: _BREAK.sub("<", part))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a Markdown text, but for blocks and spans of code: these are shown as they are."""
    lines, fence = text.split("\n"), ""
    in_list, may_begin = False, True  # an indented block begins below a blank line, in no list
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if not fence and not in_list and may_begin and _INDENTED.match(line):
            continue
        may_begin = not line.strip()
        if line.strip() and not _INDENTED.match(line):
            in_list = bool(_ITEM.match(line)) or (in_list and line.startswith(" "))
        if not fence:
            fence = found[1] if found else ""
            if not fence:
                lines[number] = _outside_spans(line, change)
        elif found and found[1].startswith(fence) and not line[found.end() :].strip():
            fence = ""
    return "\n".join(lines)


def _outside_spans(line: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for span in _SPAN.finditer(line):
        parts += [change(line[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*parts, change(line[end:])])
