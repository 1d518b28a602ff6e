"""Cooldowns: the time for which a Space that failed is not asked."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from qwen_space.errors import ContextOverflowError, ModelNotOfferedError

__all__ = ["FIRST_COOLDOWN", "LONGEST_COOLDOWN", "Cooldowns"]

FIRST_COOLDOWN = 5.0  # seconds; each further failure in a row doubles it
LONGEST_COOLDOWN = 300.0

_DAY = 86_400.0  # no server has a Space rest for longer


class _Cooldown(msgspec.Struct, frozen=True):
    until: float  # by the clock
    failures: int  # in a row


class Cooldowns:
    """The cooldowns of several Spaces after failures, and the one to ask first.

    It is shared by threads and loops without a lock, which a fork could leave locked: each change
    is one assignment, and two of them are right in either order. A pickle knows of no failure.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first = 0
        self._resting: dict[int, _Cooldown] = {}

    def __reduce__(self) -> tuple[type[Cooldowns], tuple[()]]:
        return Cooldowns, ()

    def order(self, count: int) -> list[int]:
        """Return the places of so many Spaces in the order in which to ask them.

        The one that worked last comes first. One that rests is asked where no other answers.
        """
        first = self._first
        return sorted(range(count), key=lambda place: (self.left(place), place != first, place))

    def left(self, place: int) -> float:
        """Return how many seconds a Space is still to rest."""
        resting = self._resting.get(place)
        return 0.0 if resting is None else max(resting.until - self._clock(), 0.0)

    def succeed(self, place: int) -> None:
        """Note that a Space answers; it comes first if the one before has failed since it did."""
        self._resting.pop(place, None)
        if self._first in self._resting:
            self._first = place

    def fail(self, place: int, error: Exception) -> None:
        """Let a Space rest, as long as it wants or longer with each failure in a row."""
        if isinstance(error, (ContextOverflowError, ModelNotOfferedError, ValueError)):
            return  # it works, for calls that want something else
        last = self._resting.get(place)
        failures = 1 if last is None else last.failures + 1
        seconds = min(FIRST_COOLDOWN * 2.0 ** min(failures - 1, 10), LONGEST_COOLDOWN)
        wanted: float | None = getattr(error, "retry_after", None)
        if wanted is not None:
            seconds = min(max(wanted, 0.0), _DAY)
        self._resting[place] = _Cooldown(self._clock() + seconds, failures)
