"""Finds the reasoning that a model writes between tags before its reply."""

from __future__ import annotations

from collections.abc import Iterator

from qwen_space.chat.stop import overlap
from qwen_space.local.engines.base import Thinking

__all__ = ["ReasoningTags"]

_OPEN, _CLOSE = "<think>", "</think>"


class ReasoningTags:
    """Splits a reply's pieces into reasoning and text, as Qwen3 and DeepSeek-R1 write them.

    Only a reply that begins with the tag has reasoning; elsewhere a tag is text.
    """

    def __init__(self) -> None:
        self._held = ""  # the part that may become a tag
        self._mode = "start"

    def feed(self, piece: str) -> Iterator[str | Thinking]:
        """Yield the parts of a piece, without a tag that may still be growing."""
        text, self._held = self._held + piece, ""
        if self._mode == "start":
            begun = text.lstrip()
            if _OPEN.startswith(begun[: len(_OPEN)]) and len(begun) < len(_OPEN):
                self._held = text
                return
            self._mode = "thinking" if begun.startswith(_OPEN) else "text"
            text = begun.removeprefix(_OPEN) if self._mode == "thinking" else text
        if self._mode == "thinking":
            thought, closed, text = text.partition(_CLOSE)
            if not closed:
                end = len(thought) - overlap(thought, _CLOSE)
                thought, self._held = thought[:end], thought[end:]
            if thought:
                yield Thinking(thought)
            if closed:
                self._mode, text = "after", text.lstrip()
        if self._mode == "after":  # the blank lines between the reasoning and the text
            text = text.lstrip()
            self._mode = "text" if text else "after"
        if self._mode == "text" and text:
            yield text

    def close(self) -> Iterator[str | Thinking]:
        """Yield the part that was held back."""
        if self._held:
            yield Thinking(self._held) if self._mode == "thinking" else self._held
        self._held = ""
