"""The text of a chat component, as thoughts and answer: no cursor, no escapes, no tags."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qwen_space.gradio.reply.cursor import (
    CURSORS,
    ends_waiting,
    is_placeholder,
    shared_tail,
    split_cursor,
)
from qwen_space.gradio.reply.details import Details, split_details
from qwen_space.gradio.reply.html_text import (
    HTMLText,
    find_unfinished_sign,
    has_escaped_prose,
    has_made_code,
    may_tell,
)
from qwen_space.gradio.reply.markdown_text import MarkdownText, has_backslashed_prose
from qwen_space.gradio.reply.reasoning import ReasoningSplitter

__all__ = ["AnswerReader"]

_CURSORS = "".join(CURSORS)
_MAX_HELD = 64  # characters: more of them are no cursor

# No model writes these itself: an app that shows them escapes.
_ESCAPED = ("&lt;tool_call&gt;", "&lt;think&gt;")
_BACKSLASHED = (r"\<tool_call\>", r"\<think\>")
_MARKS = (*_ESCAPED, *_BACKSLASHED)
_LONGEST_MARK = max(map(len, _MARKS))
_MARK_START = re.compile(r"[&\\]")
_LINE = re.compile(r"[ \t]{0,9}\n")
_MAX_LOOKS = 16  # at the whole text for a piece, so that pieces cost no more than their length
_LONGEST = 2**20  # characters that are searched for marks, at up to 40 ns each, while others wait


class AnswerReader:
    """Reads the app's text while it grows, and holds back an end that may not stay.

    Args:
        reasoning_tags: Pairs of tags around thoughts at the start; none finds no thoughts.
        anywhere: Whether such thoughts may begin within the answer, too.

    Attributes:
        escapes: Whether the app escapes HTML; None as long as it has not shown it.
        has_backslashes: Whether it does so with backslashes, and not with entities.
        is_chat: Whether the text is a message of a chat beside the user's, where the reply shows
            whether the app escapes if the user's message does not.
        is_response: Whether it is that of `/chat` of a `gr.ChatInterface`, where the reply shows
            whether the app escapes with entities. Backslashes may be those of a pattern, and
            `<br>` is the model's, as in HTML that was asked for.
        leaves_lines: Whether the user's message has its signs as they were: the app
            may make HTML of code and of line breaks all the same.
        has_thought: Whether there are thoughts between tags.
        is_folding: Whether the text has thoughts in HTML that is not closed yet, so that no piece
            can be read by itself.
        is_plain: Whether a piece is the answer's as it stands, and need not be fed, if there is no
            `<` or `&` in it and no cursor or backslash at its end.
        marked: The thoughts that the app marks by itself, which come before those.
        text: The app's text, without the pieces that were fed since.
    """

    def __init__(
        self, reasoning_tags: Sequence[tuple[str, str]] = (), *, anywhere: bool = False
    ) -> None:
        self.escapes: bool | None = None
        self.has_backslashes = False
        self.is_chat = False
        self.is_response = False
        self.leaves_lines = False
        self.has_thought = False
        self.is_folding = False
        self.is_plain = False
        self.marked = ""
        self.text = ""
        self._tags = reasoning_tags
        self._anywhere = anywhere
        self._cursor = ""
        self._held = ""
        self._looks = 0
        self._has_begun = False
        self._escaped: HTMLText | MarkdownText | None = None
        self._splitter = ReasoningSplitter(reasoning_tags, anywhere=anywhere)

    def read(self, text: str, *, is_final: bool = False) -> tuple[str, str]:
        """Take a whole new text; return the thoughts and the answer in it."""
        if len(text) > _LONGEST:
            return self._read_plain(text)
        if not text.startswith(self.text):
            self._cursor = shared_tail(self.text, text) or self._cursor
        body, self._held = (text, "") if is_final else self._split_end(text)
        folded = self._split_details(body, is_final=is_final)
        thought = "" if folded is None else folded.thought
        body = body if folded is None else folded.answer
        self.is_folding = folded is not None and not folded.is_closed
        if self.escapes is None:
            self.escapes = self._tells(f"{thought}\n{body}" if thought else body)
        if self.escapes and thought:
            escaped = self._new_escaped()
            thought = escaped.feed(thought) + escaped.flush()
        more, answer = self._read_body(
            body, self._tags if folded is None else (), is_final=is_final
        )
        thought += more
        self.has_thought = bool(thought)
        self._has_begun = self._has_begun or bool(answer)
        self._set_plain()
        return "\n\n".join(filter(None, [self.marked, thought])), answer

    def _read_plain(self, text: str) -> tuple[str, str]:
        """Take a text as it stands, that is longer than any model's reply."""
        self.escapes = self.is_folding = self.has_thought = False
        self._held, self._escaped, self._splitter = "", None, ReasoningSplitter()
        self._set_plain()
        return self.marked, text

    def _split_details(self, text: str, *, is_final: bool) -> Details | None:
        """Return folded thoughts and the answer, without the model's own tag between them."""
        found = split_details(text, is_final=is_final) if self._tags else None
        if found is None or not found.answer.startswith("<"):
            return found
        for _, close in self._tags:
            if found.answer.startswith(close):
                answer = found.answer[len(close) :].lstrip()
                return Details(found.thought, answer, is_closed=bool(answer))
            if not is_final and close.startswith(found.answer):
                return Details(found.thought, "", is_closed=False)
        return found

    def _split_end(self, text: str) -> tuple[str, str]:
        """Split a text that is being written from the end that may not stay."""
        if not self._has_begun and self._stands_in(text):
            return "", text
        free = self._free(split_cursor(text, self._cursor)[0])
        # Signs that came one by one were given before they looked like a cursor.
        given = len(self.text) - len(self._held)
        if free < given and text.startswith(self.text[:given]):
            free = given
        return text[:free], text[free:]

    def _stands_in(self, text: str) -> bool:
        """Whether a text may only stand in for the reply, and does not go on from the last one.

        One that had only stood in may have another such line.
        """
        before, _ = split_cursor(self.text)
        goes_on = bool(before) and text != self.text and text.startswith(before)
        adds_line = text.startswith(self.text) and _LINE.match(text, len(self.text)) is not None
        return (adds_line or not goes_on) and is_placeholder(text)

    def _new_escaped(self) -> HTMLText | MarkdownText:
        return MarkdownText() if self.has_backslashes else HTMLText()

    def _read_body(
        self, body: str, tags: Sequence[tuple[str, str]], *, is_final: bool
    ) -> tuple[str, str]:
        """Return the thoughts between tags and the answer in a text, from its start."""
        self._escaped = self._new_escaped() if self.escapes else None
        self._splitter = ReasoningSplitter(tags, anywhere=self._anywhere)
        if self._escaped is not None:
            body = self._escaped.feed(body) + (self._escaped.flush() if is_final else "")
        thought, answer = self._splitter.split(body)
        if is_final:
            more_thought, more_answer = self._splitter.flush()
            thought, answer = thought + more_thought, answer + more_answer
        return thought, answer

    def feed(self, piece: str, *, at_line_start: bool) -> tuple[str, str] | None:
        """Take a piece that was appended; return the thoughts and the answer that are free to go.

        Args:
            piece: The piece.
            at_line_start: Whether the answer so far ends with a line's end, or is empty.

        Returns:
            None where the whole text has to be read again, as it turned out to be of another kind.
        """
        if len(piece) > _LONGEST:
            return None
        if self._held and self._is_first and _LINE.match(piece):
            return None
        if "\n" in piece and ends_waiting(piece) < len(piece):
            return None
        text = self._held + piece
        free = self._free(text)
        if self.escapes is None and self._may_tell(text[:free]):
            return None
        if self._may_fold(text):
            return None
        text, self._held = text[:free], text[free:]
        if self._escaped is not None:
            text = self._escaped.feed(text)
        thought, answer = self._splitter.feed(text, at_line_start=at_line_start)
        if self._splitter.must_restart:
            return None
        self._set_plain()
        self._has_begun = self._has_begun or bool(answer)
        if thought and not self.has_thought:
            self.has_thought = True
            thought = f"\n\n{thought}" if self.marked else thought
        return thought, answer

    def _may_fold(self, text: str) -> bool:
        """Whether folded thoughts may begin with a piece."""
        return self._is_first and bool(self._tags) and text.lstrip().startswith("<")

    @property
    def _is_first(self) -> bool:
        """Whether there is neither a thought nor an answer yet."""
        return not (self._has_begun or self.has_thought)

    @property
    def _shows_escapes(self) -> bool:
        """Whether the reply may show whether the app escapes."""
        return self.is_chat or self.is_response

    def _tells(self, body: str) -> bool | None:
        """Return whether the app escapes, by its reply."""
        if any(each in body for each in _ESCAPED):
            return True
        if any(each in body for each in _BACKSLASHED):
            self.has_backslashes = True
        elif self.leaves_lines:
            return has_made_code(body)
        else:
            self.has_backslashes = self.is_chat and has_backslashed_prose(body)
        if self.has_backslashes:
            return True
        if not self._shows_escapes:
            return None
        return has_escaped_prose(body, may_be_made=self.is_chat)

    def _may_tell(self, text: str) -> bool:
        """Whether a piece may show whether the app escapes, if the whole text is looked at."""
        if any(each in text for each in _MARKS):
            return True
        if not self._shows_escapes or self._looks == _MAX_LOOKS or not may_tell(text):
            return False
        self._looks += 1
        return True

    def _free(self, text: str) -> int:
        """Return how many characters are neither a cursor nor the start of a sign that tells."""
        free = len(text.rstrip(_CURSORS))
        if self.escapes is None:
            free = min(free, _start_of_escaped(text))
            if self._shows_escapes:
                free = min(free, find_unfinished_sign(text))
        return free if len(text) - free <= _MAX_HELD else len(text)

    def _set_plain(self) -> None:
        is_whole = not (self._held or self.is_folding)
        self.is_plain = is_whole and self._escaped is None and self._splitter.is_plain


def _start_of_escaped(text: str) -> int:
    """Return where an escaped tag begins that the end of a text cuts; its length if none."""
    start = max(len(text) - _LONGEST_MARK, 0)
    for found in _MARK_START.finditer(text, start):
        if any(each.startswith(text[found.start() :]) for each in _MARKS):
            return found.start()
    return len(text)
