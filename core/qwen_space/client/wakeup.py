"""The way to an app's `/config`: straight, or past Hugging Face's front."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from qwen_space.client import hub
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.errors import (
    AuthenticationError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
)
from qwen_space.events import Notice

__all__ = ["SpaceWaker"]

logger = logging.getLogger("qwen_space.client")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0


class SpaceWaker:
    """Gets an app's `/config`, and waits for a Space on Hugging Face that sleeps or is built.

    The hub is asked only about a Space that is on Hugging Face and does not answer as an app.

    Args:
        transport: Sends the requests; it is moved to where the app is found.
        get: Gets `/config`, with as many tries as are wanted where nobody waits for the Space.
        deadline: The time limits.

    Attributes:
        app_config: The JSON of `/config`, when `wake` has come to its end.
    """

    def __init__(
        self, transport: Transport, get: Callable[[Deadline], Awaitable[Any]], deadline: Deadline
    ) -> None:
        self.app_config: Any = None
        self._transport = transport
        self._get = get
        self._deadline = deadline
        self._stage: str | None = None  # of a Space that is waited for
        self._has_moved = False

    async def wake(self) -> AsyncGenerator[Notice, None]:
        """Get `/config`, and yield notices while the Space wakes up.

        Raises:
            SpaceTimeoutError: The Space was not awake within `Timeouts.wake`.
            SpaceUnavailableError: It will not be there by itself.
            QwenSpaceError: It cannot be reached, or refuses.
        """
        self._stage = await self.look()
        told, pause, start = None, _FIRST_PAUSE, time.monotonic()
        while self._stage is not None:
            if self._stage != told:
                yield self._notice(self._stage)
                told = self._stage
            self._stage = await self._within_limits(self._look_after(pause), start)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def look(self) -> str | None:
        """Get `/config`; return the stage of a Space that is to be waited for, if it is not there.

        Raises:
            QwenSpaceError: As `wake`.
        """
        return await self._look(self._get)

    def _notice(self, stage: str) -> Notice:
        notice = hub.waiting_notice(stage)
        logger.info("%s", notice.message, extra={"space_event": notice})
        return notice

    async def _within_limits(self, step: Awaitable[str | None], start: float) -> str | None:
        """Take a step of the waiting, which began at `start`, in the time that is left."""
        limits = self._deadline.timeouts
        left = {
            "wake": None if limits.wake is None else limits.wake - (time.monotonic() - start),
            "total": self._deadline.remaining,
        }
        name, seconds = min(
            ((name, each) for name, each in left.items() if each is not None),
            key=lambda each: each[1],
            default=("wake", None),
        )
        try:
            return await asyncio.wait_for(step, seconds)
        except asyncio.TimeoutError as exc:  # SpaceTimeoutError is one too, from Python 3.11 on
            if isinstance(exc, QwenSpaceError):
                raise
            raise SpaceTimeoutError(name, getattr(limits, name)) from exc

    async def _look_after(self, pause: float) -> str | None:
        await asyncio.sleep(pause)
        return await self._look(self._transport.app_config)

    async def _look(self, get: Callable[[Deadline], Awaitable[Any]]) -> str | None:
        """Get `/config`, which also wakes a Space; return the stage of one to wait for."""
        asked = self._transport.config.url
        try:
            self.app_config = await get(self._deadline)
        except QwenSpaceError as exc:
            if not self._has_moved and self._transport.config.url != asked:  # by another call
                self._has_moved = True
                return await self._look(get)
            if hub.status_url(self._transport.config) is None or not self._may_pass(exc):
                raise
            if isinstance(exc, QuotaError):
                await asyncio.sleep(exc.retry_after or 0)
                return self._stage
            return await self._ask_hub(exc)
        return None

    async def _ask_hub(self, said: QwenSpaceError) -> str | None:
        """Return the stage of a Space to wait for; None if its app was found elsewhere.

        Raises:
            QwenSpaceError: The reason that the hub gives, or else that of the front.
        """
        config = self._transport.config
        status = await self._status()
        if status is None:
            return self._going_on(said)
        if (error := hub.broken_error(config.url, status)) is not None:
            raise error from said
        if not self._has_moved and status.is_elsewhere(config.url):
            self._has_moved = True
            self._transport.move(str(status.url))
            logger.debug("%s is at %s", config.space, status.url)
            return await self._look(self._transport.app_config)
        return status.stage if hub.will_answer(status.stage) else self._going_on(said)

    def _going_on(self, said: QwenSpaceError) -> str:
        """Return the stage that the Space was in; if it was in none, the front has the word."""
        if self._stage is None:
            raise hub.front_error(self._transport.config, said) from said.__cause__
        return self._stage

    async def _status(self) -> hub.SpaceStatus | None:
        """Ask the hub about the Space; return None if it does not know, or does not answer."""
        config = self._transport.config
        url = hub.status_url(config)
        if url is None:
            return None
        try:
            return hub.read_status(await self._transport.ask_hub(url, self._deadline), config)
        except QwenSpaceError as exc:
            logger.debug("The hub does not tell: %s", exc)
            refused = hub.refusal_error(config, exc)
            if refused is not None and self._stage is None:
                raise refused from exc
            return None

    def _may_pass(self, exc: QwenSpaceError) -> bool:
        """Whether the hub may know better, or a Space that wakes up may answer the next time."""
        if self._stage is None:
            return hub.is_of_the_front(exc)
        match exc:
            case QuotaError():
                return hub.is_short_limit(exc)
            case SpaceStatusError(status=status):
                return status >= 500 or hub.is_of_the_front(exc)
        return not isinstance(exc, AuthenticationError)
