"""Messages that are like one before them, and so need not be parsed.

Nearly all messages of a reply are the same, but for the new piece of text and some numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from qwen_space.gradio.sse import Shortcut

__all__ = ["Likeness", "piece_text"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')

# The rest of a JSON string, with its end. One with half of a surrogate pair is for the parser to
# judge, and so is each with both halves. The empty string is no piece.
_PLAIN = rb'[^"\\\x00-\x1f]'
_ESCAPE = rb'(?:\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})'
_STRING = rb'(%b+|%b*(?:%b%b*)+)"' % (_PLAIN, _PLAIN, _ESCAPE, _PLAIN)
# "(?:...|)" in place of "(?:...)?", which takes a fifth longer.
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30}|)(?:[eE][+-]?[0-9]{1,3}|)"


class Likeness:
    """How a message looks that appends a piece to a text, and does nothing else of interest.

    It is learnt from one that was parsed and checked. Another message of which each character is
    the same, but for another JSON string where the piece was, and after that other JSON numbers
    where there were numbers, is as valid, and means the same with its own piece. Whatever is not
    exactly so is for the parser, malformed messages among it.

    Attributes:
        shortcut: How such a message looks in the stream's bytes. Its part is the piece, as a JSON
            string without the quotes.
    """

    def __init__(self, shortcut: Shortcut) -> None:
        self.shortcut = shortcut

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
        start = f"data: {message[: begin + 1]}".encode()
        parts = [_STRING]
        for number in (each for each in tokens[place + 1 :] if not each[0].startswith('"')):
            parts += _exactly(message[at : number.start()]), _NUMBER
            at = number.end()
        parts += _exactly(message[at:]), b"\n\n"
        # The job's name is in the start, so the next reply finds this pattern in the cache of `re`.
        return cls(Shortcut(start, re.compile(b"".join(parts))))

    def piece(self, message: str) -> str | None:
        """Return the piece in a message that is like this; None for any other."""
        start, rest = self.shortcut
        event = f"data: {message}\n\n".encode()
        found = rest.fullmatch(event, len(start)) if event.startswith(start) else None
        return None if found is None else piece_text(found[1].decode())


def piece_text(piece: str) -> str:
    """Return the text of a piece, which is a JSON string without its quotes."""
    return str(json.loads(f'"{piece}"'))


def _exactly(text: str) -> bytes:
    return re.escape(text).encode()


def _is_string(token: re.Match[str], value: str) -> bool:
    return token[0][0] == '"' and json.loads(token[0]) == value
