"""Thoughts that a model writes between two tags at the start of its reply."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

__all__ = ["ReasoningSplitter"]

_MAX_HELD = 1_000  # characters of white space that may end the thoughts


class _State(enum.Enum):
    START = enum.auto()  # nothing but white space so far
    THINKING = enum.auto()
    AFTER = enum.auto()  # white space between the closing tag and the answer
    UNTAGGED = enum.auto()  # an answer, or thoughts whose opening tag the app's template wrote
    ANSWER = enum.auto()


class ReasoningSplitter:
    """Splits a reply into thoughts and answer while it is written, however it was cut.

    - `<think>` at the start, after white space at most, begins the thoughts, `</think>` ends them.
    - Thoughts that are never ended stay thoughts: the model has not come to its answer.
    - A closing tag alone on its line, with no opening tag before it, ends thoughts that the app's
      template has opened: all text before it is thoughts. It was taken for the answer until
      then, so `must_restart` is set.
    - Any other tag is text, as is each one after the first thoughts.

    The white space around thoughts and before the answer belongs to neither.

    Args:
        tags: Pairs of an opening and a closing tag; none finds no thoughts.

    Attributes:
        must_restart: Whether a whole reply has to be split again, as it began with thoughts.
    """

    def __init__(self, tags: Sequence[tuple[str, str]] = ()) -> None:
        self.must_restart = False
        self._tags = tags
        self._close = ""  # of the thoughts that have begun
        self._state = _State.START if tags else _State.ANSWER
        closing = "|".join(re.escape(close) for _, close in tags)
        self._alone = re.compile(rf"^[ \t]*(?:{closing})[ \t]*$", re.MULTILINE)
        self._held = ""

    @property
    def is_plain(self) -> bool:
        """Whether a piece without a tag's first character is the answer's, as it stands."""
        return not self._held and self._state in {_State.UNTAGGED, _State.ANSWER}

    def split(self, text: str) -> tuple[str, str]:
        """Take the start of a reply, as far as it has come; return its thoughts and its answer."""
        if self._state is not _State.START or self._opening(text.lstrip()) is not None:
            return self.feed(text)
        if (found := self._closing(text)) is None:
            return self.feed(text)
        self._state = _State.AFTER
        return text[: found.start()].strip(), self._answer(text[found.end() :])

    def feed(self, piece: str, *, at_line_start: bool = True) -> tuple[str, str]:
        """Take the next piece; return the thoughts and the answer in it that are free to go.

        Args:
            piece: The piece.
            at_line_start: Whether the text before it ends with a line's end, or is empty.
        """
        text, self._held = self._held + piece, ""
        if self._state is _State.START:
            text, is_sure = self._begin(text)
            if not is_sure:
                return "", text
        match self._state:
            case _State.THINKING:
                return self._think(text)
            case _State.AFTER:
                return "", self._answer(text)
            case _State.UNTAGGED:
                return "", self._watch(text, at_line_start=at_line_start)
        return "", text

    def flush(self) -> tuple[str, str]:
        """Return the thoughts and the answer that were held back, as nothing follows."""
        held, self._held = self._held, ""
        return (held.rstrip(), "") if self._state is _State.THINKING else ("", held)

    def _closing(self, text: str) -> re.Match[str] | None:
        """Find a closing tag alone on its line; the plain search spares most texts the pattern."""
        if not any(close in text for _, close in self._tags):
            return None
        return self._alone.search(text)

    def _opening(self, stripped: str) -> tuple[str, str] | None:
        """Return the tags of the thoughts that a text begins with."""
        return next((each for each in self._tags if stripped.startswith(each[0])), None)

    def _begin(self, text: str) -> tuple[str, bool]:
        """Return the text to go on with, and whether it is known to be thoughts or not."""
        stripped = text.lstrip()
        if (tags := self._opening(stripped)) is not None:
            self._state, self._close = _State.THINKING, tags[1]
            return stripped[len(tags[0]) :], True
        if not any(opening.startswith(stripped) for opening, _ in self._tags):
            self._state = _State.UNTAGGED
            return text, True
        self._held = stripped  # the start of a tag
        return text[: len(text) - len(stripped)], False

    def _think(self, text: str) -> tuple[str, str]:
        if not (text := text if self._has_thought else text.lstrip()):
            return "", ""
        thought, closed, rest = text.partition(self._close)
        if closed:
            self._state = _State.AFTER
            return thought.rstrip(), self._answer(rest)
        kept = len(text) - _overlap(text, self._close)
        kept = max(len(text[:kept].rstrip()), kept - _MAX_HELD)
        self._held = text[kept:]
        self._has_thought = self._has_thought or kept > 0
        return text[:kept], ""

    _has_thought = False

    def _answer(self, text: str) -> str:
        if text := text.lstrip():
            self._state = _State.ANSWER
        return text

    def _watch(self, text: str, *, at_line_start: bool) -> str:
        """Look for a closing tag that stands alone on its line."""
        found = self._closing(text)
        if found is not None and (found.start() or at_line_start):
            self.must_restart = True
        held = max(_overlap(text, close) for _, close in self._tags)
        before = text[: len(text) - held]
        if held and (before.endswith("\n") or (not before and at_line_start)):
            self._held = text[len(before) :]
            return before
        return text


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of a text may be the start of a tag."""
    for size in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0
