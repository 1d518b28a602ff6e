"""One reply: from the stream's bytes to events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from qwen_space.chat.stop import StopScanner
from qwen_space.client.body import Body
from qwen_space.client.deadline import Deadline
from qwen_space.errors import QwenSpaceError, SpaceTimeoutError
from qwen_space.events import (
    Completed,
    Event,
    Notice,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.gradio.deltas import common_prefix
from qwen_space.gradio.job import Job
from qwen_space.gradio.messages import SendData

__all__ = ["EventStreamReader"]

logger = logging.getLogger("qwen_space.client")


class EventStreamReader:
    """Reads one reply from the stream of its session.

    Args:
        body: The session's stream.
        job: The job that the stream tells of.
        deadline: The time limits.
        model: What the app was asked to run.
        send_data: Sends the function's arguments when the queue asks for them, as that of
            protocol `sse` does, once.
    """

    def __init__(
        self,
        body: Body,
        job: Job,
        deadline: Deadline,
        model: str | None,
        send_data: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._body = body
        self._job = job
        self._deadline = deadline
        self._model = model
        self._send_data = send_data
        self._owes_data = job.asks_for_data
        self._patience = deadline.timeouts.first_token  # None: it is not the app that we wait for
        self._is_whole = False

    def leave(self) -> None:
        """Leave the stream: at once, and without awaiting, so in a cancelled task too.

        Its connection is cut, which stops the job, but for a reply that is whole: there the job
        is over, and the server about to end the stream.
        """
        if self._is_whole:
            self._body.release()
        else:
            self._body.close()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of the reply; the last is `Completed`.

        Raises:
            QwenSpaceError: The reply does not come to its end; `text` is the part that had arrived.
        """
        job = self._job
        try:
            while chunk := await self._read():
                for event in job.receive(chunk):
                    if type(event) is TextDelta:  # nearly all of them
                        self._patience = None
                        yield event
                    elif event is None:
                        await self._let_others_run()
                    elif isinstance(event, SendData):
                        await self._owed(event.event_id)
                    else:
                        self._watch(event)
                        yield event
                if job.done:
                    self._is_whole = True
                    yield self._completed(job.text, "stop")
                    return
                del chunk  # it is not kept while the next one is waited for
            job.receive_eof()
        except QwenSpaceError as exc:
            exc.text = job.text
            raise

    async def _let_others_run(self) -> None:
        """Give the event loop a turn within long work, unless the time for the reply is over."""
        await asyncio.sleep(0)
        limit = self._deadline.timeouts.total
        if limit is not None and self._deadline.elapsed > limit:
            raise SpaceTimeoutError("total", limit)

    async def until_stop(
        self, events: AsyncIterator[Event], scanner: StopScanner
    ) -> AsyncGenerator[Event, None]:
        """Pass events on up to the first stop sequence in the text, and end the reply there.

        Thoughts are passed on whatever is in them.
        """
        sent: list[str] = []
        async for event in events:
            match event:
                case TextDelta():
                    if text := scanner.feed(event.delta):
                        sent.append(text)
                        yield TextDelta(text, sent)
                case Rewritten():
                    old, sent = "".join(sent), [scanner.restart(event.text)]
                    yield Rewritten(sent[0], sent[0][common_prefix(old, sent[0]) :])
                case Completed():
                    if text := scanner.flush():
                        sent.append(text)
                        yield TextDelta(text, sent)
                    final = scanner.cut(event.text)
                    yield event if final is None else self._completed(final, "stop_sequence")
                case _:
                    yield event
            if scanner.hit:
                yield self._completed("".join(sent), "stop_sequence")
                return

    async def _owed(self, event_id: str | None) -> None:
        """Send the arguments, if they were not sent: a prompt is never sent twice."""
        if self._owes_data:
            self._owes_data = False
            await self._send_data(event_id)

    def _completed(self, text: str, finish_reason: str) -> Completed:
        job = self._job
        return Completed(
            text, self._deadline.elapsed, job.event_id, finish_reason, self._model, job.thinking
        )

    async def _read(self) -> bytes:
        """Return the next bytes; none at the end.

        The first token's limit counts the time spent here, so that a caller who takes time
        over an event does not lose what arrived meanwhile.
        """
        if self._patience is None:
            return await self._body.read()
        start = time.monotonic()
        try:
            return await self._body.read(self._patience)
        finally:
            self._patience -= time.monotonic() - start

    def _watch(self, event: Event) -> None:
        """Set the patience that the event calls for, and log what is no text."""
        match event:
            case TextDelta() | ThinkingDelta():
                self._patience = None
            case Rewritten():
                self._patience = None
                logger.warning("The app changed text that was streamed already")
            case Notice(level="warning" | "error"):
                logger.warning("The app says: %s", event.message, extra={"space_event": event})
            case Queued():
                self._patience = None
                logger.info("Queued: %s in front", event.rank, extra={"space_event": event})
            case Started():
                self._patience = self._deadline.timeouts.first_token
                logger.info("Started", extra={"space_event": event})
            case Notice():
                logger.info("The app says: %s", event.message, extra={"space_event": event})
