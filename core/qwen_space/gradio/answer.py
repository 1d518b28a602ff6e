"""The text of a chat component, as thoughts and answer: no cursor, no escapes, no tags."""

from __future__ import annotations

from qwen_space.gradio.cursor import CURSORS, shared_tail, split_cursor
from qwen_space.gradio.html_text import HTMLText
from qwen_space.gradio.reasoning import ReasoningSplitter

__all__ = ["AnswerReader"]

_CURSORS = "".join(CURSORS)
_ENDS = CURSORS | {""}  # of pieces that do not go on as they stand
_MAX_HELD = 64  # characters: more of them are no cursor

# No model writes these itself: an app that shows them escapes.
_ESCAPED = ("&lt;tool_call&gt;", "&lt;think&gt;")
_LONGEST_ESCAPED = max(map(len, _ESCAPED))


class AnswerReader:
    """Reads the app's text while it grows, and holds back an end that may not stay.

    Args:
        reasoning_tags: The tags around thoughts at the start; None for none.

    Attributes:
        escapes: Whether the app escapes HTML; None as long as it has not shown it.
        has_thought: Whether there are thoughts between tags.
        marked: The thoughts that the app marks by itself, which come before those.
        text: The app's text, without the pieces that were fed since.
    """

    def __init__(self, reasoning_tags: tuple[str, str] | None) -> None:
        self.escapes: bool | None = None
        self.has_thought = False
        self.marked = ""
        self.text = ""
        self._tags = reasoning_tags
        self._cursor = ""
        self._held = ""
        self._html: HTMLText | None = None
        self._splitter = ReasoningSplitter(reasoning_tags)
        self._is_plain = False

    def takes_as_it_is(self, piece: str) -> bool:
        """Whether a piece is the answer's as it stands, and need not be fed."""
        return self._is_plain and "<" not in piece and "&" not in piece and piece[-1:] not in _ENDS

    def read(self, text: str, *, is_final: bool = False) -> tuple[str, str]:
        """Take a whole new text; return the thoughts and the answer in it."""
        if not text.startswith(self.text):
            self._cursor = shared_tail(self.text, text) or self._cursor
        body, self._held = (text, "") if is_final else split_cursor(text, self._cursor)
        if self.escapes is None and any(each in body for each in _ESCAPED):
            self.escapes = True
        if not is_final:
            free = self._free(body)
            body, self._held = body[:free], body[free:] + self._held
        self._html = HTMLText() if self.escapes else None
        self._splitter = ReasoningSplitter(self._tags)
        if self._html is not None:
            body = self._html.feed(body) + (self._html.flush() if is_final else "")
        thought, answer = self._splitter.split(body)
        if is_final:
            more_thought, more_answer = self._splitter.flush()
            thought, answer = thought + more_thought, answer + more_answer
        self.has_thought = bool(thought)
        self._set_plain()
        return "\n\n".join(filter(None, [self.marked, thought])), answer

    def feed(self, piece: str, *, at_line_start: bool) -> tuple[str, str] | None:
        """Take a piece that was appended; return the thoughts and the answer that are free to go.

        Args:
            piece: The piece.
            at_line_start: Whether the answer so far ends with a line's end, or is empty.

        Returns:
            None where the whole text has to be read again, as it turned out to be of another kind.
        """
        text = self._held + piece
        if self.escapes is None and any(each in text for each in _ESCAPED):
            return None
        free = self._free(text)
        text, self._held = text[:free], text[free:]
        if self._html is not None:
            text = self._html.feed(text)
        thought, answer = self._splitter.feed(text, at_line_start=at_line_start)
        if self._splitter.must_restart:
            return None
        self._set_plain()
        if thought and not self.has_thought:
            self.has_thought = True
            thought = f"\n\n{thought}" if self.marked else thought
        return thought, answer

    def _free(self, text: str) -> int:
        """Return how many characters are neither a cursor nor the start of an escaped tag."""
        free = len(text.rstrip(_CURSORS))
        at = text.find("&", max(len(text) - _LONGEST_ESCAPED, 0)) if self.escapes is None else -1
        while at >= 0:
            if any(each.startswith(text[at:]) for each in _ESCAPED):
                free = min(free, at)
                break
            at = text.find("&", at + 1)
        return free if len(text) - free <= _MAX_HELD else len(text)

    def _set_plain(self) -> None:
        self._is_plain = not self._held and self._html is None and self._splitter.is_plain
