"""Thoughts that a model writes between two tags at the start of its reply."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from functools import cached_property

from qwen_space.chat.stop import overlap

__all__ = ["ReasoningSplitter"]

_MAX_HELD = 1_000  # characters of white space that may end the thoughts
_MOST_BLOCKS = 1_000  # of thoughts in one reply

_NO_SPACE = re.compile(r"\S")


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
    - Any other tag is text, as is each one after the first thoughts, unless `anywhere` is set:
      then thoughts may begin again, as a page with tags of its own shows them.

    The white space around thoughts and before the answer belongs to neither.

    Args:
        tags: Pairs of an opening and a closing tag; none finds no thoughts.
        anywhere: Whether thoughts may begin within the answer, too.

    Attributes:
        must_restart: Whether a whole reply has to be split again, as it began with thoughts.
    """

    def __init__(self, tags: Sequence[tuple[str, str]] = (), *, anywhere: bool = False) -> None:
        self.must_restart = False
        self._anywhere = anywhere and bool(tags)
        self._blocks = 0  # of thoughts that have begun
        self._tags = tags
        self._close = ""  # of the thoughts that have begun
        self._has_thought = False  # whether any of theirs has come
        self._state = _State.START if tags else _State.ANSWER
        self._held = ""

    # Most replies need neither pattern.

    @cached_property
    def _openings(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(opening) for opening, _ in self._tags))

    @cached_property
    def _alone(self) -> re.Pattern[str]:
        closing = "|".join(re.escape(close) for _, close in self._tags)
        return re.compile(rf"^[ \t]*(?:{closing})[ \t]*$", re.MULTILINE)

    @property
    def is_plain(self) -> bool:
        """Whether a piece without a tag's first character is the answer's, as it stands."""
        is_answer = self._state in {_State.UNTAGGED, _State.ANSWER}
        return is_answer and not self._held and not self._anywhere

    def split(self, text: str) -> tuple[str, str]:
        """Take the start of a reply, as far as it has come; return its thoughts and its answer."""
        is_open = self._opening(text.lstrip()) is not None
        if self._state is not _State.START or is_open or self._anywhere:
            return self.feed(text)
        if (found := self._closing(text)) is None:
            return self.feed(text)
        self._state = _State.AFTER
        return text[: found.start()].strip(), self._answer(text[found.end() :])[0]

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
        if self._state is _State.UNTAGGED and not self._anywhere:
            return "", self._watch(text, at_line_start=at_line_start)
        thoughts, answers, at = [], [], 0
        while at < len(text):
            if self._state is _State.THINKING:
                thought, at = self._think(text, at)
                thoughts.append(thought)
            else:
                answer, at = self._answer(text, at)
                answers.append(answer)
        return "".join(thoughts), "".join(answers)

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
            self._enter(tags)
            return stripped[len(tags[0]) :], True
        if not any(opening.startswith(stripped) for opening, _ in self._tags):
            self._state = _State.UNTAGGED
            return text, True
        self._held = stripped  # the start of a tag
        return text[: len(text) - len(stripped)], False

    def _enter(self, tags: tuple[str, str]) -> None:
        """Begin with thoughts."""
        self._state, self._close, self._has_thought = _State.THINKING, tags[1], False
        self._blocks += 1

    def _think(self, text: str, at: int) -> tuple[str, int]:
        """Return the thoughts that a text goes on with, and where they end."""
        if not self._has_thought:
            at = _skip_space(text, at)
        end = text.find(self._close, at)
        if end >= 0:
            self._state = _State.AFTER
            return self._apart(text[at:end].rstrip()), end + len(self._close)
        thought = text[at:]
        kept = len(thought) - overlap(thought, self._close)
        kept = max(len(thought[:kept].rstrip()), kept - _MAX_HELD)
        self._held = thought[kept:]
        return self._apart(thought[:kept]), len(text)

    def _apart(self, thought: str) -> str:
        """Return a piece of the thoughts, after a blank line if it begins others than the first."""
        begins = bool(thought) and not self._has_thought
        self._has_thought = self._has_thought or bool(thought)
        return f"\n\n{thought}" if begins and self._blocks > 1 else thought

    def _answer(self, text: str, at: int = 0) -> tuple[str, int]:
        """Return the answer that a text goes on with, and where it ends."""
        if self._state is _State.AFTER:
            at = _skip_space(text, at)
            self._state = _State.ANSWER if at < len(text) else _State.AFTER
        if not self._anywhere or self._blocks == _MOST_BLOCKS:
            return text[at:], len(text)
        if (found := self._openings.search(text, at)) is not None:
            self._enter(next(each for each in self._tags if each[0] == found[0]))
            return text[at : found.start()], found.end()
        answer = text[at:]
        held = max(overlap(answer, opening) for opening, _ in self._tags)
        self._held = answer[len(answer) - held :]
        return answer[: len(answer) - held], len(text)

    def _watch(self, text: str, *, at_line_start: bool) -> str:
        """Look for a closing tag that stands alone on its line."""
        found = self._closing(text)
        if found is not None and (found.start() or at_line_start):
            self.must_restart = True
        held = max(overlap(text, close) for _, close in self._tags)
        before = text[: len(text) - held]
        if held and (before.endswith("\n") or (not before and at_line_start)):
            self._held = text[len(before) :]
            return before
        return text


def _skip_space(text: str, at: int) -> int:
    """Return where the white space ends that a text goes on with."""
    found = _NO_SPACE.search(text, at)
    return len(text) if found is None else found.start()
