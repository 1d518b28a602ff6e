"""Strings that are not to be seen."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret(str):
    """A string as any other, of which `repr` shows nothing.

    What renders the local variables of a traceback, as reporters of errors do, shows their
    `repr`, our frames' and aiohttp's alike.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"
