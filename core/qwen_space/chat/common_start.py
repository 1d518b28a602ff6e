"""The start that a text has in common with the one that takes its place."""

from __future__ import annotations

import re

__all__ = ["common_prefix", "common_start"]

# Thai, Chinese and Japanese have no spaces between words: a line of theirs is no word.
_WORD = re.compile(r"\A[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")


def common_start(one: str, other: str) -> int:
    """Return how many characters the two have in common at their start, but for half a word."""
    end = common_prefix(one, other)
    is_cut = all(_WORD.match(each[end : end + 1]) for each in (one, other))
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
