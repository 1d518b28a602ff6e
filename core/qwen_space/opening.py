"""Opens the stream of one request: by the queue, or by `/call` where that is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any

from qwen_space.config import Timeouts
from qwen_space.errors import (
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    StreamInterruptedError,
)
from qwen_space.profiles import Endpoint
from qwen_space.protocol.job import Job
from qwen_space.protocol.join import Join
from qwen_space.retrying import retrying, was_never_sent
from qwen_space.transport import Body, Clock, Transport

__all__ = ["Opening"]

logger = logging.getLogger("qwen_space.client")

_CLOSED = frozenset({404, 405, 410})  # statuses of what is not there, or not for us


class Opening:
    """Sends one request, and gives up on the server what it may have begun there.

    Args:
        transport: Sends the HTTP requests.
        endpoint: The function that is asked.
        join: What is sent to the queue.
        clock: The time limits.
        may_call: Whether the app may have `/call` open where its queue is closed.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        join: Join,
        clock: Clock,
        *,
        may_call: bool,
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._join = join
        self._clock = clock
        self._may_call = may_call and endpoint.api_name is not None

    async def open(self) -> tuple[Body, Job]:
        """Send the request; return its stream and its job.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        join, output, protocol = self._join, self._endpoint.output, self._endpoint.protocol
        if protocol == "sse":  # Gradio 4.0 to 4.8: the stream is the join
            body = await self._opened(join.joining_stream_url)
            return body, Job(None, output, protocol)
        try:
            event_id = await self._joined()
        except SpaceStatusError as refusal:
            if not self._may_call or refusal.status not in _CLOSED:
                raise
            return await self._call(refusal)
        logger.debug("joined %s as %s", join.queue, event_id)
        async with self._abandoning(QwenSpaceError):
            body = await self._opened(join.stream_url)
        return body, Job(event_id, output, protocol)

    async def _joined(self) -> str:
        """Join the queue and return the job's name."""
        join = self._join

        async def post() -> str:
            return _event_id(
                await self._transport.json("POST", join.join_url, self._clock, join.body)
            )

        lost = StreamInterruptedError, SpaceTimeoutError, SpaceUnavailableError
        async with self._abandoning(*lost):
            return await retrying(post, was_never_sent, self._transport.config.max_retries)

    async def _call(self, refusal: SpaceStatusError) -> tuple[Body, Job]:
        """Call the function by its name, where every value comes whole."""
        logger.debug("the queue is closed (%s): trying /call", refusal)
        prefix, name = self._endpoint.prefix, self._endpoint.api_name
        url = f"{self._transport.config.url}{prefix}/call/{name}"
        try:
            answer = await self._transport.json("POST", url, self._clock, self._join.call_body)
        except SpaceStatusError as exc:
            if exc.status in _CLOSED:
                raise refusal from None  # what the queue says is nearer to what was wanted
            raise
        body = await self._opened(f"{url}/{_event_id(answer)}")
        return body, Job(None, self._endpoint.output, "call")

    async def _opened(self, url: str) -> Body:
        return await retrying(
            lambda: self._transport.stream(url, self._clock),
            was_never_sent,
            self._transport.config.max_retries,
        )

    @contextlib.asynccontextmanager
    async def _abandoning(self, *errors: type[QwenSpaceError]) -> AsyncGenerator[None, None]:
        """On errors after which a job may be on the server, give it up."""
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon())
            raise
        except errors as exc:
            if not was_never_sent(exc):
                await self._abandon()
            raise

    async def _abandon(self) -> None:
        """Open the session's stream and close it again: that cancels all jobs of the session."""
        clock = Clock(Timeouts(connect=2.0, silence=2.0, total=2.0))
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._transport.stream(self._join.stream_url, clock)).close()


def _event_id(answer: Any) -> str:
    event_id = answer.get("event_id") if isinstance(answer, dict) else None
    if not isinstance(event_id, str):
        raise ProtocolError(f"The join was answered without an event_id: {answer!r:.200}")
    return event_id
