"""Texts cut into pieces, as they come over a network."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["cut"]

T = TypeVar("T", str, bytes)


def cut(text: T, size: int = 7) -> list[T]:
    """Return a text in pieces of a size; the last one may be shorter.

    Pieces of seven cut words, and the tags of tool calls, within.
    """
    return [text[at : at + size] for at in range(0, len(text), size)]
