"""Gives each reply a slot of the engine, limits it in time, and logs its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from qwen_space.local.cancellation import SessionStreams
from qwen_space.local.engines.base import Engine, Finished, Output, Sampling
from qwen_space.local.errors import EngineError
from qwen_space.local.limits import Limits
from qwen_space.local.metrics import Metrics, ReplyRecord

__all__ = ["Dispatcher", "Update", "Waiting"]

Messages: TypeAlias = Sequence[Mapping[str, Any]]

_STOPPING = "This Space is being stopped. Ask again when it runs."
_GRACE = 1.0  # seconds

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

    Attributes:
        metrics: The figures of the replies.
        takes: The kinds of media that the engine takes: "image", "audio", "video".
        limits: The limits that were given.
        waiting: Replies that wait for a slot here; those of programs wait in Gradio's queue.
    """

    def __init__(self, engine: Engine, streams: SessionStreams, limits: Limits, slots: int) -> None:
        self.engine = engine
        self.metrics = Metrics()
        self.takes: frozenset[str] = frozenset(getattr(engine, "takes", ()))
        self._streams = streams
        self.limits = limits
        self._slots = asyncio.Semaphore(slots)
        self.waiting = 0
        self._stopping = False

    async def reply(
        self, messages: Messages, sampling: Sampling, session: str | None
    ) -> AsyncGenerator[Update, None]:
        """Yield a reply's parts, as soon as there is a slot for it.

        Raises:
            EngineError: The engine failed; the message is fit for the visitor.
        """
        if self._stopping:
            raise EngineError(_STOPPING)
        record, detail = ReplyRecord(), ""
        parts = self._streams.track(session, self._reply(messages, sampling))
        try:
            async for part in parts:
                record.add(part)
                yield part
            record.end("done")
        except EngineError as exc:
            detail = f" {exc.message} {exc.detail}".rstrip()
            record.end("failed")
            raise
        except Exception as exc:
            logger.exception("The engine failed.")
            record.end("failed")
            raise EngineError("The model failed. Its operator finds the cause in the log.") from exc
        finally:
            await parts.aclose()
            self._note(record, detail)

    async def stop(self) -> None:
        """End all replies with an error, and give their clients a moment to read it."""
        self._stopping = True
        await self._streams.end(EngineError(_STOPPING), _GRACE)

    def _note(self, record: ReplyRecord, detail: str) -> None:
        """Count a reply, and write its line of the log."""
        if not record.seconds:
            record.end()
        self.metrics.add(record)
        fields = record.to_fields()
        level = logging.WARNING if detail else logging.INFO
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        logger.log(level, "reply %s%s", line, detail, extra={"reply": fields})

    async def _reply(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[Update, None]:
        if self._slots.locked():
            if self.waiting >= self.limits.queue:
                raise EngineError("Too many others are waiting. Try again in a moment.")
            yield Waiting(self.waiting)
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        try:
            with self.metrics.running.track_inprogress():
                async for part in self._stream(messages, sampling):
                    yield part
        finally:
            self._slots.release()

    async def _stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[Output, None]:
        end = time.monotonic() + self.limits.reply_seconds
        parts = self.engine.stream(messages, sampling)
        try:
            async for part in parts:
                yield part
                if time.monotonic() > end:
                    yield Finished(is_cut=True)
                    return
        finally:
            await parts.aclose()
