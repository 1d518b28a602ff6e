r"""Texts whose `<` and `>` an app escapes with backslashes, so that its page shows them.

    if x \< 3                       h2oGPT, outside of code between fences

Escapes of other signs are left: they are Markdown that a model may have written.
"""

from __future__ import annotations

import re

__all__ = ["MarkdownText", "escapes_markdown", "has_backslashed_prose"]

_FENCE = "```"
_ESCAPE = re.compile(r"\\([<>])")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`?", re.DOTALL)
_FIRST = re.compile(r"(?<!\\)\\<|<")


def escapes_markdown(prompt: str, shown: str) -> bool:
    """Whether an app escapes with backslashes, by the user's message as it shows it."""
    return any(shown.count(sign) > prompt.count(sign) for sign in (r"\<", r"\>"))


def has_backslashed_prose(text: str) -> bool:
    """Whether the first `<` of a text, outside of code, is escaped with a backslash."""
    if r"\<" not in text:
        return False
    first = _FIRST.search(_CODE.sub("", text))
    return first is not None and first[0] != "<"


class MarkdownText:
    """Turns pieces of a text that is escaped into the text that the page shows."""

    def __init__(self) -> None:
        self._held = ""  # may be the start of an escape or of a fence
        self._is_code = False

    def feed(self, piece: str) -> str:
        """Take the next piece; return the text that is free to go."""
        text = self._held + piece
        ticks = len(text) - len(text.rstrip("`"))
        end = len(text) - (text.endswith("\\") or ticks % len(_FENCE))
        self._held = text[end:]
        first, *others = text[:end].split(_FENCE)
        shown = [self._shown(first)]
        for part in others:
            self._is_code = not self._is_code
            shown.append(self._shown(part))
        return _FENCE.join(shown)

    def flush(self) -> str:
        """Return the text that was held back, as nothing follows."""
        held, self._held = self._held, ""
        return held

    def _shown(self, part: str) -> str:
        return part if self._is_code else _ESCAPE.sub(r"\1", part)
