"""Where in JSON that is still being written something can begin or end."""

from __future__ import annotations

import re

__all__ = ["CLOSE", "ENDS", "OPEN", "TOOLS", "Scan", "may_become"]

OPEN = "<tool_call>"
CLOSE = "</tool_call>"
TOOLS = ("<tools>", "</tools>")  # of the prompt, between which Qwen2.5-Coder may write its calls

# A reply ends where the model goes on as somebody else: with a tool's result, or the next turn.
ENDS = ("<tool_response>", "<|im_end|>", "<|im_start|>", "<|endoftext|>")

_OUTSIDE = re.compile(r'["{}<]')
_INSIDE = re.compile(r'["\\\n]')


def may_become(text: str, *wholes: str) -> bool:
    """Whether `text` is the start of one of `wholes`, but not all of it."""
    return any(len(text) < len(whole) and whole.startswith(text) for whole in wholes)


class Scan:
    """Walks over JSON from brace to brace, and knows the inside of a string.

    A `<` stops it where it may begin a tag: outside of strings, and in a string at the start of
    a line. JSON has no line breaks in its strings, so a tag there says that the model forgot the
    closing quote, and has come to the end of its call.

    Attributes:
        depth: How many braces are open.
        in_string: Whether the place is inside of a string.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self._escaped = False
        self._line_start = False

    def step(self, text: str, at: int) -> tuple[int, str]:
        """Walk on from `at` to behind the next brace, or to a `<` that may begin a tag.

        Returns:
            The place, and the character it stopped for; empty at the end of the text.
        """
        while at < len(text):
            if not self.in_string:
                found = _OUTSIDE.search(text, at)
                if found is None:
                    return len(text), ""
                at, mark = found.end(), found[0]
                if mark == "<":
                    return found.start(), mark
                if mark != '"':
                    self.depth += 1 if mark == "{" else -1
                    return at, mark
                self.in_string = True
            elif self._escaped:
                self._escaped = False
                at += 1
            elif self._line_start and text[at] == "<":
                return at, "<"
            else:
                self._line_start = False
                found = _INSIDE.search(text, at)
                if found is None:
                    return len(text), ""
                at = found.end()
                self._escaped = found[0] == "\\"
                self._line_start = found[0] == "\n"
                self.in_string = found[0] != '"'
        return at, ""

    def pass_over(self) -> None:
        """Take the `<` that it stopped for as a character like any other."""
        self._line_start = False
