"""Messages that are like one before them, and so need not be parsed.

Nearly all messages of a reply are the same, but for the new piece of text and some numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["Likeness"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')

# The rest of a JSON string, with its end. One with half of a surrogate pair is for the parser to
# judge, and so is each with both halves. The empty string is no piece.
_PLAIN = r'[^"\\\x00-\x1f]'
_ESCAPE = r'(?:\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})'
_STRING = rf'({_PLAIN}+|{_PLAIN}*(?:{_ESCAPE}{_PLAIN}*)+)"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?"


class Likeness:
    """How a message looks that appends a piece to a text, and does nothing else of interest.

    It is learnt from one that was parsed and checked. Another message of which each character is
    the same, but for another JSON string where the piece was, and after that other JSON numbers
    where there were numbers, is as valid, and means the same with its own piece. Whatever is not
    exactly so is for the parser, malformed messages among it.

    Args:
        start: The message up to the piece, with the quote in front of it.
        middle: What matches the piece and what follows, up to the last number.
        end: What follows on that.
    """

    def __init__(self, start: str, middle: re.Pattern[str], end: str) -> None:
        self._start = start
        self._middle = middle
        self._end = end
        self._before, self._after = len(start), len(end)

    @classmethod
    def of(cls, message: str, edit: list[Any]) -> Likeness | None:
        """Return how a message looks; None where its piece cannot be told from other strings.

        Args:
            message: It is valid JSON.
            edit: The edit in it, which appends.
        """
        # In valid JSON, what is found from its start on are whole strings and numbers.
        tokens = list(_TOKEN.finditer(message))
        appends = [index for index, token in enumerate(tokens) if token[0] == '"append"']
        _, path, piece = edit
        if len(appends) != 1 or not all(type(key) in {str, int} for key in path):
            return None
        place = appends[0] + len(path) + 1  # a path has a string or a number for each key
        if place >= len(tokens) or not _is_string(tokens[place], piece):
            return None
        begin, at = tokens[place].span()
        parts = [_STRING]
        for number in (each for each in tokens[place + 1 :] if not each[0].startswith('"')):
            parts += re.escape(message[at : number.start()]), _NUMBER
            at = number.end()
        return cls(message[: begin + 1], re.compile("".join(parts)), message[at:])

    def piece(self, message: str) -> str | None:
        """Return the piece in a message that is like this; None for any other."""
        # Most of a message is compared as a whole, as that is several times as quick as a pattern.
        if not (message.startswith(self._start) and message.endswith(self._end)):
            return None
        found = self._middle.fullmatch(message, self._before, len(message) - self._after)
        if found is None:
            return None
        piece = found[1]
        return json.loads(f'"{piece}"') if "\\" in piece else piece


def _is_string(token: re.Match[str], value: str) -> bool:
    return token[0][0] == '"' and json.loads(token[0]) == value
