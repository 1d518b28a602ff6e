"""The start that a text has in common with the one that takes its place."""

from __future__ import annotations

__all__ = ["common_prefix", "common_start"]


def common_start(one: str, other: str) -> int:
    """Return how many characters the two have in common at their start, but for half a word."""
    end = common_prefix(one, other)
    if _in_word(one[end : end + 1]) and _in_word(other[end : end + 1]):
        while end and _in_word(one[end - 1]):
            end -= 1
    return end


def _in_word(character: str) -> bool:
    """Whether it belongs to a word; Thai, Chinese and Japanese have no spaces between theirs."""
    return character.isalnum() and not (
        "\u0e00" <= character <= "\u0e7f"
        or "\u3040" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
    )


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
