"""Opens the stream of one request: by the queue, or by `/call` where that is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from qwen_space.client.body import Body
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.retry import is_refusal, retrying, was_never_sent
from qwen_space.config import Timeouts
from qwen_space.errors import (
    AuthenticationError,
    JobError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
)
from qwen_space.gradio.endpoint import Endpoint
from qwen_space.gradio.job import Job
from qwen_space.gradio.requests import Join

__all__ = ["Opening"]

logger = logging.getLogger("qwen_space.client")

_ON_ITS_WAY = 1.0  # seconds that a join may take after its task was cancelled

_CLOSED = frozenset({404, 405, 410})  # statuses of what is not there, or not for us


class Opening:
    """Sends one request, and gives up on the server what it may have begun there.

    Args:
        transport: Sends the HTTP requests.
        endpoint: The function that is asked.
        join: What is sent to the queue.
        deadline: The time limits.
        may_call: Whether the app may have `/call` open where its queue is closed.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        join: Join,
        deadline: Deadline,
        *,
        may_call: bool,
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._join = join
        self._deadline = deadline
        self._may_call = may_call and endpoint.api_name is not None

    async def open(self) -> tuple[Body, Job]:
        """Send the request; return its stream and its job.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        join, protocol = self._join, self._endpoint.protocol
        if protocol == "sse":  # Gradio 4.0 to 4.8: the stream is the join
            body = await self._opened(join.joining_stream_url)
            return body, self._job(None, protocol)
        try:
            event_id = await self._joined()
        except SpaceStatusError as refusal:
            if not self._may_call or refusal.status not in _CLOSED:
                raise
            return await self._call(refusal)
        logger.debug("joined %s as %s", join.queue, event_id)
        async with self._abandoning(join.stream_url, was_never_sent):
            body = await self._opened(join.stream_url)
        return body, self._job(event_id, protocol)

    def _job(self, event_id: str | None, protocol: str | None) -> Job:
        max_size = self._transport.config.max_size
        return Job(event_id, self._endpoint.output, protocol, max_size=max_size)

    async def _joined(self) -> str:
        """Join the queue and return the job's name."""
        join = self._join
        async with self._abandoning(join.stream_url, _was_not_accepted):
            return await self._posted(join.join_url, join.body)

    async def _call(self, refusal: SpaceStatusError) -> tuple[Body, Job]:
        """Call the function by its name, where every value comes whole.

        Where the answer is lost, the job cannot be given up: only the answer has its name.
        """
        logger.debug("the queue is closed (%s): trying /call", refusal)
        prefix, name = self._endpoint.prefix, self._endpoint.api_name
        url = f"{self._transport.config.url}{prefix}/call/{name}"
        try:
            event_id = await self._posted(url, self._join.call_body)
        except SpaceStatusError as exc:
            if exc.status in _CLOSED:
                raise refusal from None  # what the queue says is nearer to what was wanted
            raise
        stream_url = f"{url}/{event_id}"
        async with self._abandoning(stream_url, was_never_sent):
            body = await self._opened(stream_url)
        return body, self._job(None, "call")

    async def _posted(self, url: str, body: Any) -> str:
        """Send the prompt, again only while it cannot have arrived; return the job's name."""

        async def post() -> str:
            return _event_id(await self._answer(url, body))

        retries = self._transport.config.max_retries
        return await retrying(post, was_never_sent, retries, self._deadline)

    async def _answer(self, url: str, body: Any) -> Any:
        """Post a job; return the answer to it.

        A task that is cancelled meanwhile waits for the answer a little longer: what is cut off
        on its way may be accepted after it was given up, and then run for nobody.
        """
        posting = asyncio.ensure_future(self._transport.json("POST", url, self._deadline, body))
        posting.add_done_callback(_looked_at)
        try:
            return await asyncio.shield(posting)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({posting}, timeout=_ON_ITS_WAY)
            finally:
                posting.cancel()
            raise

    async def _opened(self, url: str) -> Body:
        """Open a stream, which says nothing of the prompt: again if that was refused, too."""
        return await retrying(
            lambda: self._transport.stream(url, self._deadline),
            lambda exc: is_refusal(exc) or was_never_sent(exc),
            self._transport.config.max_retries,
            self._deadline,
        )

    @contextlib.asynccontextmanager
    async def _abandoning(
        self, stream_url: str, unless: Callable[[QwenSpaceError], bool]
    ) -> AsyncGenerator[None, None]:
        """On errors after which a job may be on the server, give it up.

        Opening its stream and closing it again cancels it.
        """
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(stream_url))
            raise
        except QwenSpaceError as exc:
            if not unless(exc):
                await self._abandon(stream_url)
            raise

    async def _abandon(self, stream_url: str) -> None:
        deadline = Deadline(Timeouts(connect=2.0, silence=2.0, total=2.0))
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._transport.stream(stream_url, deadline)).close()


def _was_not_accepted(exc: QwenSpaceError) -> bool:
    """Whether a request cannot have begun a job: it never arrived, or the app has refused it.

    A status of 5xx may come from a proxy, behind which the app has accepted the job.
    """
    if isinstance(exc, SpaceStatusError):
        return 300 <= exc.status < 500
    refusals = QueueFullError, QuotaError, AuthenticationError, JobError
    return was_never_sent(exc) or isinstance(exc, refusals)


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from telling that nobody looked at a task's error."""
    if not task.cancelled():
        task.exception()


def _event_id(answer: Any) -> str:
    event_id = answer.get("event_id") if isinstance(answer, dict) else None
    if not isinstance(event_id, str):
        raise ProtocolError(f"The join was answered without an event_id: {answer!r:.200}")
    return event_id
