"""The start that a text has in common with the one that takes its place."""

from __future__ import annotations

import re

__all__ = ["common_prefix", "common_start"]

_WORD = re.compile(r"\A[^\W_]+")


def common_start(one: str, other: str) -> int:
    """Return how many characters the two have in common at their start, but for half a word."""
    end = common_prefix(one, other)
    is_cut = one[end : end + 1].isalnum() and other[end : end + 1].isalnum()
    return len(_WORD.sub("", one[:end][::-1])) if is_cut else end


def common_prefix(one: str, other: str) -> int:
    """Return how many characters the two have in common at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves, as comparing slices is quicker than comparing characters
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
