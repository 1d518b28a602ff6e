"""A message in Python's words, as `/chat` of Gradio 4 sends one that is no string."""

from __future__ import annotations

import ast
import re

__all__ = ["read_message_words"]

_STARTS = ("{'role': 'assistant'", "{'content': ", "ChatMessage(role='assistant'")
_OBJECT = re.compile(r"(?<='content': )<[\w.]{1,200} object at 0x[0-9a-fA-F]{1,32}>(?=[,}])")
_LONGEST = 2**19  # characters, which take 30 ms at most

# Python's parser takes a second for some hundred thousand values, and almost none for long strings.
_TEXT = re.compile(
    r"""'[^'\\]*(?:\\.[^'\\]*)*(?:'|\Z)|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)""", re.DOTALL
)
_MOST_TEXTS = 200
_LONGEST_REST = 2000  # characters


def read_message_words(text: str) -> tuple[str, str] | None:
    """Return the text of an assistant's message, and its title; None where there is none.

    The words are `{'role': 'assistant', 'content': 'Hi'}`, or `ChatMessage(role='assistant', ...)`.
    Those for a component in the place of its text are given as they are.
    """
    if not text.startswith(_STARTS) or text[-1] not in "})" or len(text) > _LONGEST:
        return None
    text = _OBJECT.sub(r"'\g<0>'", text, count=1)
    rest, count = _TEXT.subn("", text, count=_MOST_TEXTS + 1)
    if len(rest) > _LONGEST_REST or count > _MOST_TEXTS:
        return None
    try:
        fields = _fields(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    content = _string(fields.get("content"))
    if content is None or _string(fields.get("role")) != "assistant":
        return None
    return content, _string(_fields(fields.get("metadata")).get("title")) or ""


def _fields(node: ast.AST | None) -> dict[str, ast.expr]:
    """Return the fields of a dict or of an object that is made by its name."""
    if isinstance(node, ast.Call):
        return {each.arg: each.value for each in node.keywords if each.arg is not None}
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(map(_string, node.keys), node.values, strict=True)
    return {key: value for key, value in pairs if key is not None}


def _string(node: ast.AST | None) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None
