"""Gives each reply a slot of the engine, limits it in time, and logs its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qwen_space.local.cancellation import SessionStreams
from qwen_space.local.engines.base import Engine, Finished, Output, Sampling
from qwen_space.local.errors import EngineError
from qwen_space.local.limits import Limits

__all__ = ["Dispatcher", "Update", "Waiting"]

Messages: TypeAlias = Sequence[Mapping[str, str]]

logger = logging.getLogger("qwen_space.local")


@dataclass(frozen=True, slots=True)
class Waiting:
    """All slots are taken.

    Attributes:
        ahead: Replies that wait before this one.
    """

    ahead: int


Update: TypeAlias = "Output | Waiting"


class Dispatcher:
    """Runs the replies of one Space.

    Args:
        engine: The model.
        streams: Cancels the replies of clients that have gone.
        limits: The most that may wait, and the longest that a reply may take.
        slots: The number of replies that run at once.
    """

    def __init__(self, engine: Engine, streams: SessionStreams, limits: Limits, slots: int) -> None:
        self.engine = engine
        self._streams = streams
        self._limits = limits
        self._slots = asyncio.Semaphore(slots)
        self._waiting = 0

    async def reply(
        self, messages: Messages, sampling: Sampling, session: str | None
    ) -> AsyncGenerator[Update, None]:
        """Yield a reply's parts, as soon as there is a slot for it.

        Raises:
            EngineError: The engine failed; the message is fit for the visitor.
        """
        started = time.monotonic()
        parts = self._streams.track(session, self._reply(messages, sampling))
        outcome = "cancelled"
        try:
            async for part in parts:
                yield part
            outcome = "done"
        except EngineError as exc:
            outcome = f"failed: {exc.message} {exc.detail}".rstrip()
            raise
        except Exception as exc:
            outcome = f"failed: {type(exc).__name__}"
            logger.exception("The engine failed")
            raise EngineError("The model failed. Its operator finds the cause in the log.") from exc
        finally:
            await parts.aclose()
            logger.info("reply %.1f s %s", time.monotonic() - started, outcome)

    async def _reply(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[Update, None]:
        if self._slots.locked():
            if self._waiting >= self._limits.queue:
                raise EngineError("Too many others are waiting. Try again in a moment.")
            yield Waiting(self._waiting)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            async for part in self._stream(messages, sampling):
                yield part
        finally:
            self._slots.release()

    async def _stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[Output, None]:
        end = time.monotonic() + self._limits.reply_seconds
        parts = self.engine.stream(messages, sampling)
        try:
            async for part in parts:
                yield part
                if time.monotonic() > end:
                    yield Finished(is_cut=True)
                    return
        finally:
            await parts.aclose()
