"""One `<tool_call>` block while it is written."""

from __future__ import annotations

import re

from qwen_space.tools.calls import DECODER
from qwen_space.tools.scan import CLOSE, OPEN, Scan, may_become

__all__ = ["Block"]

# Where the name comes first, the arguments can be handed out while they are written.
_HEAD = re.compile(
    r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)', re.DOTALL
)
_HEAD_ROOM = 512


class Block:
    """What stands between the tags, as far as it has come.

    Attributes:
        id: The call's name, once it has one.
        name: The tool's name, once it is known.
    """

    def __init__(self) -> None:
        self.id = ""
        self.name: str | None = None
        self._scan = Scan()
        self._pieces: list[str] = []
        self._length = 0
        self._first = 0  # where the arguments begin
        self._last: int | None = None  # and where they end

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
        start = at
        while True:
            at, mark = self._scan.step(text, at)
            if not mark:
                return self._take(text, start, at), None
            if mark == "}" and self._scan.depth == 1 and self._last is None:
                self._last = self._length + at - start
            if mark != "<":
                continue
            for tag in (OPEN, CLOSE):
                if text.startswith(tag, at):
                    return self._take(text, start, at), tag
            if may_become(text[at : at + len(CLOSE)], OPEN, CLOSE):
                return self._take(text, start, at), None
            self._scan.pass_over()
            at += 1

    def _take(self, text: str, start: int, end: int) -> int:
        self._pieces.append(text[start:end])
        self._length += end - start
        return end

    def news(self) -> tuple[str | None, str]:
        """Return the name when it has just become known, and what is new of the arguments."""
        if self.name is not None:
            return None, self._new_arguments(self._pieces[-1], self._length - len(self._pieces[-1]))
        before = self._length - len(self._pieces[-1])
        if before >= _HEAD_ROOM or not (head := _HEAD.match(self.text[:_HEAD_ROOM])):
            return None, ""
        self.name = _string(head[1])
        self._first = head.end()
        return self.name, self._new_arguments(self.text, 0) if self.name else ""

    def _new_arguments(self, piece: str, offset: int) -> str:
        end = len(piece) if self._last is None else max(self._last - offset, 0)
        return piece[max(self._first - offset, 0) : end]


def _string(text: str) -> str | None:
    try:
        return str(DECODER.decode(text)) or None
    except ValueError:
        return None
