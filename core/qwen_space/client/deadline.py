"""The time limits of one reply."""

from __future__ import annotations

import time

import aiohttp

from qwen_space.config import Timeouts

__all__ = ["Deadline"]


class Deadline:
    """The time limits of one reply, which begin when it is asked for.

    Args:
        timeouts: The limits, in seconds.

    Attributes:
        timeouts: As given.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float | None:
        """Seconds until the limit of the whole reply; None if there is no limit."""
        total = self.timeouts.total
        return None if total is None else max(total - self.elapsed, 0.001)

    def request_timeout(self) -> aiohttp.ClientTimeout:
        """Return the limits of the next request, for aiohttp."""
        return aiohttp.ClientTimeout(
            total=self.remaining,
            connect=self.timeouts.connect,  # with the look-up of the name and TLS
            sock_read=self.timeouts.silence,
        )
