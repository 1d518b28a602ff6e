"""Ends a text after so many tokens, where an app has no input for that."""

from __future__ import annotations

import re

from qwen_space import tokens

__all__ = ["TokenLimiter"]

_LONGEST_TAIL = 4_096  # characters that are counted together, at least
_WORD = re.compile(r"(?<=\S)(?= \S)")  # no token goes over such a place


class TokenLimiter:
    """Lets a growing text through up to a number of tokens, whatever the pieces' borders.

    The text is counted only where it may have reached the number, as a token has a byte at least:
    some thirty times, and near its end with each piece. Of a long text only the end is counted
    again, so that the cost grows with the text's length.

    Args:
        most: The most tokens.

    Attributes:
        hit: Whether the text has more; nothing comes after it.

    Raises:
        ValueError: The number is below 1.
    """

    def __init__(self, most: float) -> None:
        if most < 1:
            raise ValueError(f"max_tokens={most!r}: tokens, 1 or more.")
        self._most = int(most)
        self._begin()

    def _begin(self) -> None:
        self.hit = False
        self._left = self._most  # tokens for the tail
        self._tail: list[str] = []  # the text behind the part that is counted for good
        self._spare = self._most  # bytes that fit in any case

    async def feed(self, piece: str) -> str:
        """Take the next piece; return its part that is within the number."""
        size = len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace"))
        if size <= self._spare:
            self._spare -= size
            self._tail.append(piece)
            return piece
        tail = "".join(self._tail)
        return (await self._measure(tail + piece, len(tail)))[len(tail) :]

    async def restart(self, text: str) -> str:
        """Take a text that replaces all that came before; return its part within the number."""
        self._begin()
        return await self.feed(text)

    async def _measure(self, tail: str, least: int) -> str:
        """Count the tail, of which so many characters fit; return the part that fits."""
        fits, self._spare = await tokens.run_off_loop(_fit, tail, least, self._left)
        self.hit = fits < len(tail)
        kept = tail[:fits]
        self._tail = [kept]
        if len(kept) > 2 * _LONGEST_TAIL and not self.hit:
            await self._commit(kept)
        return kept

    async def _commit(self, tail: str) -> None:
        """Count the first part of a long tail for good."""
        words = [found.end() for found in _WORD.finditer(tail, 0, len(tail) - _LONGEST_TAIL)]
        at = words[-1] if words else len(tail) - _LONGEST_TAIL
        self._left -= await tokens.run_off_loop(tokens.count, tail[:at])
        self._tail = [tail[at:]]


def _fit(text: str, least: int, most: int) -> tuple[int, int]:
    """Return how many characters of a text have so many tokens, and how many tokens are left.

    Args:
        text: The text.
        least: Characters that are known to fit.
        most: The most tokens.
    """
    left = most - tokens.count(text)
    if left >= 0:
        return len(text), left
    high = len(text)  # does not fit
    while high - least > 1:
        middle = (least + high) // 2
        if tokens.count(text[:middle]) <= most:
            least = middle
        else:
            high = middle
    return least, 0
