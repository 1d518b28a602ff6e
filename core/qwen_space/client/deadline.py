"""The time limits of one reply."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

import aiohttp

from qwen_space.config import Timeouts
from qwen_space.errors import SpaceTimeoutError

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout  # type: ignore[import-not-found, unused-ignore]

_SLOWEST_UPLOAD = 16 * 2**10  # bytes a second
_SLOWEST_ANSWER = 2**10

__all__ = ["Deadline"]

T = TypeVar("T")


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

    def part(self, seconds: float | None) -> Deadline:
        """Return the limits of a part of the work, which may take so many seconds at most."""
        limits = [each for each in (seconds, self.remaining) if each is not None]
        return Deadline(replace(self.timeouts, total=min(limits, default=None)))

    async def limit(self, awaited: Awaitable[T]) -> T:
        """Await something that has no limits of its own.

        Raises:
            SpaceTimeoutError: The time for the whole reply is over.
        """
        try:
            async with timeout(self.remaining):
                return await awaited
        except asyncio.TimeoutError:
            raise SpaceTimeoutError("total", self.timeouts.total or 0) from None

    def request_timeout(self) -> aiohttp.ClientTimeout:
        """Return the limits of the next request, for aiohttp."""
        return aiohttp.ClientTimeout(
            total=self.remaining,
            connect=self.timeouts.connect,  # with the look-up of the name and TLS
            sock_read=self.timeouts.silence,
        )

    @property
    def _patience(self) -> tuple[str, float | None]:
        """The limit within which an answer is to come, by its name."""
        name = "first_token" if self.timeouts.silence is None else "silence"
        return name, getattr(self.timeouts, name)

    def check_pace(self, seconds: float, size: int) -> None:
        """Limit the time that an answer takes, which may come byte by byte.

        Args:
            seconds: The time since its head was complete.
            size: The bytes that have come in it.

        Raises:
            SpaceTimeoutError: It takes longer than silence may, and comes more slowly than 1 KiB
                a second.
        """
        name, limit = self._patience
        if limit is not None and seconds > limit + size / _SLOWEST_ANSWER:
            raise SpaceTimeoutError(name, limit)

    async def limit_head(self, request: Awaitable[T], size: int) -> T:
        """Await a request, and limit the time until the head of its response is complete.

        aiohttp limits the silence between two bytes. A server that sends a byte of the head, or a
        `100 Continue`, from time to time could keep a caller for ever.

        Args:
            request: Gives the response with its head.
            size: The bytes of the request's body, which take time to be sent.

        Raises:
            SpaceTimeoutError: The head was not complete in time.
        """
        name, limit = self._patience
        remaining = self.remaining
        seconds = (self.timeouts.connect or 0) + (limit or 0) + size / _SLOWEST_UPLOAD
        if limit is None or (remaining is not None and remaining <= seconds):
            return await request
        try:
            async with timeout(seconds):
                return await request
        except asyncio.TimeoutError as exc:
            if isinstance(exc, aiohttp.ClientError):
                raise  # a limit of aiohttp's
            raise SpaceTimeoutError(name, limit) from exc
