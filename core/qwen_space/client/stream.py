"""One reply: from the stream's bytes to events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from msgspec.structs import replace

from qwen_space.chat.stop import StopScanner
from qwen_space.client.body import Body
from qwen_space.client.submit import Submission
from qwen_space.errors import (
    QwenSpaceError,
    SpaceError,
    SpaceTimeoutError,
    StreamInterruptedError,
)
from qwen_space.events import (
    Completed,
    ComponentReceived,
    Event,
    FileReceived,
    Notice,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.gradio.job import Job
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.reply.deltas import TextTracker
from qwen_space.gradio.wire.messages import SendData
from qwen_space.tokens.limiter import TokenLimiter

__all__ = ["EventStreamReader"]

logger = logging.getLogger("qwen_space.client")

# How often a stream is opened on a replica that does not know its session, and after how many
# seconds. By turns, as many replicas are found; by chance, nearly always seven of them.
_MOST_REPLICAS = 30
_REPLICA_PAUSE = 0.05

_HEARTBEATS = 20.0  # seconds, in which Gradio sends one at least


class EventStreamReader:
    """Reads one reply from the stream of its session.

    Args:
        submission: The job, which was submitted.
        body: The stream.
        job: The job, before its first byte.
        model: The model that the app was asked to run.
        remarks: Collects the words that the app says beside its reply.
        on_end: Gets the error of a job that ends before any part of the reply, and None once a
            reply is whole.

    Attributes:
        job: As given, or a new one where the stream was opened again.
    """

    def __init__(
        self,
        submission: Submission,
        body: Body,
        job: Job,
        model: str | None,
        remarks: Remarks,
        on_end: Callable[[QwenSpaceError | None], None] | None = None,
    ) -> None:
        self.job = job
        self._on_end = on_end
        self._remarks = remarks
        self._body = body
        self._submission = submission
        self._deadline = submission.deadline
        self._replicas = _MOST_REPLICAS
        self._has_received = False
        self._model = model
        self._owes_data = job.asks_for_data
        # None where it is not the app that we wait for.
        self._patience = self._deadline.timeouts.first_token
        self._is_whole = False
        self._generators: list[AsyncGenerator[Event, None]] = []

    async def aclose(self, *_exc_info: object) -> None:
        """Leave the stream, and close the events.

        The connection is cut, which stops the job, but for a reply that is whole: there the job
        is over, and the server about to end the stream. That comes first, and without awaiting,
        as the task may be cancelled.
        """
        if self._is_whole:
            self._body.release()
        else:
            self._body.close()
            self._submission.cancel()
        for generator in reversed(self._generators):
            await generator.aclose()

    def close(self) -> None:
        """Cut the connection."""
        self._body.close()

    def events(
        self, scanner: StopScanner | None = None, limiter: TokenLimiter | None = None
    ) -> AsyncIterator[Event]:
        """Return the events of the reply; the last is `Completed`.

        Args:
            scanner: Finds the stop sequences that end the reply.
            limiter: Counts the tokens that end it.

        Raises:
            QwenSpaceError: The reply does not come to its end; `text` is the part that had arrived.
        """
        generators = self._generators
        generators.append(self._events())
        if scanner is not None:
            generators.append(self._until_stop(generators[-1], scanner))
        if limiter is not None:
            generators.append(self._until_length(generators[-1], limiter))
        return generators[-1]

    async def _events(self) -> AsyncGenerator[Event, None]:
        while not self._is_whole:
            job = self.job
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
                        self._remarks.check(job)
                        if self._on_end:
                            self._on_end(None)
                        yield self._completed(job.text, "stop")
                        return
                    del chunk  # it is not kept while the next one is waited for
                job.receive_eof()
            except QwenSpaceError as exc:
                exc.text = job.text
                has_failed = isinstance(exc, SpaceError) and not exc.may_have_run
                exc.may_have_run = not (has_failed or job.was_ended or self._owes_data)
                if not job.session_not_found:
                    await self._explain(exc)
                    told = self._remarks.explain(exc)
                    if not (job.text or job.thinking or job.files) and self._on_end:
                        self._on_end(exc)
                    if told is not None:
                        raise told from exc
                    raise
                await self._ask_next_replica(exc)

    async def _ask_next_replica(self, exc: QwenSpaceError) -> None:
        """Open the stream again: the replica that has the job holds the whole reply ready.

        Where requests go to an app's replicas by turns, the stream reaches another one than the
        join did. The prompt is not sent again.

        Raises:
            StreamInterruptedError: No replica knows the session.
        """
        self._replicas -= 1
        if self._submission.is_joined_by_stream or self._replicas < 0:
            lost = StreamInterruptedError(
                "",
                f"no server behind {self._body.url} knows the session ({exc.args[-1]}); where "
                "there are several, all requests of a session must reach the same one",
            )
            lost.may_have_run = True
            raise lost from exc
        logger.debug("the session is not known there: asking for it again")
        self._body.close()
        await asyncio.sleep(_REPLICA_PAUSE)
        self._body, self.job = await self._submission.open()

    async def _explain(self, exc: QwenSpaceError) -> None:
        """Look for the reason of a silence, where there should have been none."""
        if not isinstance(exc, SpaceTimeoutError):
            return
        if not self._has_received or (exc.limit == "silence" and exc.seconds >= _HEARTBEATS):
            await self._submission.explain_silence(exc)

    async def _let_others_run(self) -> None:
        """Give the event loop a turn within long work, unless the time for the reply is over."""
        await asyncio.sleep(0)
        limit = self._deadline.timeouts.total
        if limit is not None and self._deadline.elapsed > limit:
            raise SpaceTimeoutError("total", limit)

    async def _until_stop(
        self, events: AsyncIterator[Event], scanner: StopScanner
    ) -> AsyncGenerator[Event, None]:
        """Pass events on up to the first stop sequence in the text, and end the reply there.

        Thoughts are passed on whatever is in them.
        """
        shown = TextTracker(TextDelta)
        async for event in events:
            match event:
                case TextDelta():
                    if text := scanner.feed(event.delta):
                        yield shown.append(text)
                case Rewritten():
                    if (changed := shown.replace(scanner.restart(event.text))) is not None:
                        yield changed
                case Completed():
                    if text := scanner.flush():
                        yield shown.append(text)
                    final = scanner.cut(event.text)
                    yield event if final is None else self._completed(final, "stop_sequence")
                case _:
                    yield event
            if scanner.hit:
                yield self._completed(shown.text, "stop_sequence")
                return

    async def _until_length(
        self, events: AsyncIterator[Event], limiter: TokenLimiter
    ) -> AsyncGenerator[Event, None]:
        """Pass events on up to a number of tokens, thoughts included, and end the reply there."""
        shown, thinking = TextTracker(TextDelta), ""
        async for event in events:
            match event:
                case TextDelta():
                    if text := await limiter.feed(event.delta):
                        yield shown.append(text)
                case ThinkingDelta():
                    if thought := await limiter.feed(event.delta):
                        thinking += thought
                        yield ThinkingDelta(thought)
                case Rewritten():
                    text = await limiter.restart(thinking + event.text)
                    if (changed := shown.replace(text[len(thinking) :])) is not None:
                        yield changed
                case Completed():
                    if event.text != shown.text:
                        text = await limiter.restart(thinking + event.text)
                        shown.replace(text[len(thinking) :])
                    if not limiter.hit:
                        yield event
                case _:
                    yield event
            if limiter.hit:
                completed = self._completed(shown.text, "length")
                yield replace(completed, thinking=thinking)
                return

    async def _owed(self, event_id: str | None) -> None:
        """Send the arguments, if they were not sent: a prompt is never sent twice."""
        if not self._owes_data:
            return
        self._owes_data = False
        try:
            await self._submission.send_data(event_id)
        except QwenSpaceError as exc:
            self._owes_data = not exc.may_have_run
            raise

    def _completed(self, text: str, finish_reason: str) -> Completed:
        job = self.job
        return Completed(
            text,
            self._deadline.elapsed,
            job.event_id,
            finish_reason,
            self._model,
            job.thinking,
            files=job.files,
            components=job.components,
        )

    def _read(self) -> Awaitable[bytes]:
        """Return the next bytes; none at the end."""
        # The read itself where it can be: a coroutine around it takes memory of each stream.
        return self._body.read() if self._patience is None else self._read_in_time(self._patience)

    async def _read_in_time(self, patience: float) -> bytes:
        """Read within the first token's limit.

        It counts the time spent here, so that a caller who takes time over an event does not lose
        what arrived meanwhile.
        """
        start = time.monotonic()
        try:
            chunk = await self._body.read(patience)
        finally:
            self._patience = patience - (time.monotonic() - start)
        self._has_received = True
        return chunk

    def _watch(self, event: Event) -> None:
        """Set the patience that the event calls for, and log events without text."""
        if isinstance(event, Notice):
            self._remarks.hear(event.message)
        match event:
            case TextDelta() | ThinkingDelta() | FileReceived() | ComponentReceived():
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
