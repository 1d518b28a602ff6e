"""The text of one tool call, while it is written."""

from __future__ import annotations

import re

from qwen_space.chat.json_text import JSONTextError, read_json
from qwen_space.tools.forms import FUNCTION
from qwen_space.tools.scan import CLOSE, ENDS, OPEN, Scan, may_become

__all__ = ["CLOSE_FUNCTION", "CallBlock"]

CLOSE_FUNCTION = "</function>"

# Where the name comes first, the arguments can be handed out while they are written.
_HEAD = r'(?s)\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)'
_HEAD_ROOM = 512
_LONGEST = max(map(len, (OPEN, CLOSE, *ENDS, FUNCTION)))


class CallBlock:
    """The text of one call, as far as it has come.

    Args:
        closing: The tag that ends it.
        text: The text that it begins with, for a call without an opening tag.

    Attributes:
        closing: The tag that ends it.
        id: The call id, once there is one.
        name: The tool's name, once it is known.
    """

    def __init__(self, closing: str, text: str = "") -> None:
        self.closing = closing
        self.id = ""
        self.name: str | None = None
        self._scan = Scan()
        self._pieces: list[str] = [text]
        self._length = len(text)
        self._is_function = bool(text)
        self._blank = not text
        self._first = 0  # where the arguments begin
        self._last: int | None = None  # and where they end

    @property
    def whole(self) -> str:
        """All of it, with the closing tag where that is a part of the call."""
        return self.text + (self.closing if self.closing == CLOSE_FUNCTION else "")

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    @property
    def arguments(self) -> str:
        """The arguments as JSON, of a call that was handed out while it was written."""
        return self.text[self._first : self._last]

    @property
    def in_string(self) -> bool:
        """Whether it ends inside of a string."""
        return self._scan.in_string

    def walk(self, text: str, at: int) -> tuple[int, str | None]:
        """Walk on to the next tag.

        Returns:
            Where the tag is, and the tag; None when there is none yet, with the place from
            which on it may be one.
        """
        if self._is_function:
            return self._walk_function(text, at)
        start = at
        while True:
            at, mark = self._scan.step(text, at)
            if not mark:
                return self._take(text, start, at), None
            if mark == "}" and self._scan.depth == 1 and self._last is None:
                self._last = self._length + at - start
            if mark != "<":
                continue
            if self._is_blank(text, start, at) and text.startswith(FUNCTION, at):
                self._is_function = True
                return self._walk_function(text, start)
            for tag in (OPEN, CLOSE, *ENDS):
                if text.startswith(tag, at):
                    return self._take(text, start, at), tag
            if may_become(text[at : at + _LONGEST], OPEN, CLOSE, *ENDS, FUNCTION):
                return self._take(text, start, at), None
            self._scan.pass_over()
            at += 1

    def _is_blank(self, text: str, start: int, at: int) -> bool:
        self._blank = self._blank and not text[start:at].strip()
        return self._blank

    def _walk_function(self, text: str, at: int) -> tuple[int, str | None]:
        """Walk on to the closing tag: a parameter's value is no JSON, and may have any other."""
        end = text.find(self.closing, at)
        if end >= 0:
            return self._take(text, at, end), self.closing
        sign = text.rfind("<", max(at, len(text) - len(self.closing)))
        is_tag = sign >= 0 and may_become(text[sign:], self.closing)
        return self._take(text, at, sign if is_tag else len(text)), None

    def _take(self, text: str, start: int, end: int) -> int:
        self._pieces.append(text[start:end])
        self._blank = self._blank and not text[start:end].strip()
        self._length += end - start
        return end

    def new_parts(self) -> tuple[str | None, str]:
        """Return the name when it has just become known, and the new part of the arguments."""
        if self.name is not None:
            return None, self._new_arguments(self._pieces[-1], self._length - len(self._pieces[-1]))
        before = self._length - len(self._pieces[-1])
        if before >= _HEAD_ROOM or not (head := re.match(_HEAD, self.text[:_HEAD_ROOM])):
            return None, ""
        self.name = _string(head[1])
        self._first = head.end()
        return self.name, self._new_arguments(self.text, 0) if self.name else ""

    def _new_arguments(self, piece: str, offset: int) -> str:
        end = len(piece) if self._last is None else max(self._last - offset, 0)
        return piece[max(self._first - offset, 0) : end]


def _string(text: str) -> str | None:
    try:
        return str(read_json(text)) or None
    except JSONTextError:
        return None
