"""Submits a job: to the queue, or to `/call` where that is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import reprlib
from collections.abc import Awaitable, Callable, Coroutine
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
    SpaceTimeoutError,
    SpaceUnavailableError,
)
from qwen_space.gradio.job import Job
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.reply.agent_steps import asks_for_thoughts
from qwen_space.gradio.wire.requests import JobRequest

__all__ = ["Submission"]

logger = logging.getLogger("qwen_space.client")

_JOIN_SECONDS = 1.0  # for the answer to a join whose caller was cancelled
_BRIEF = Timeouts(connect=2.0, silence=2.0, total=2.0)  # for requests beside the reply

_BUFFERED = (
    "The app answers other requests meanwhile, so a proxy in front of it seems to hold the stream "
    "back: switch its buffering off (nginx: proxy_buffering off)."
)

# Statuses of a server in front that has passed no request on; None is the app's own word. One that
# says 502, 504, 520, 522 or 524 does not know whether the app has got it.
_NOT_PASSED_ON = frozenset({None, 408, 425, 503, 521, 523, 525, 526, 530})

_CLOSED = frozenset({404, 405, 410})  # statuses of a path that is not there, or not for us


class Submission:
    """A job, from its request to the stream that tells of it.

    Args:
        transport: Sends the requests.
        endpoint: The function to run.
        request: Its arguments and its session.
        deadline: The time limits.
        prompt: The prompt, as the app may show it in its chat.
        before: The chat's value before the message, as the app gets it; None if it does not.

    Attributes:
        deadline: As given.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        request: JobRequest,
        deadline: Deadline,
        prompt: str = "",
        before: Any = None,
    ) -> None:
        self.deadline = deadline
        self._transport = transport
        self._endpoint = endpoint
        self._request = request
        self._prompt = prompt
        self._before = before
        self._event_id: str | None = None
        self._called: str | None = None  # the stream of a job that `/call` started

    @property
    def is_joined_by_stream(self) -> bool:
        """Whether the request for the stream submits the job, as in Gradio 4.0 to 4.8."""
        return self._endpoint.protocol == "sse"

    async def submit(self, *, may_call: bool) -> tuple[Body, Job]:
        """Submit the job; return its stream, and the job before its first byte.

        The job is given up if that fails or is cancelled.

        Args:
            may_call: Whether the app may have `/call` open where its queue is closed.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        request = self._request
        if self.is_joined_by_stream:
            return await self._open_stream(request.joining_stream_url), self._job()
        try:
            self._event_id = await self._post(
                request.join_url, request.body, lambda _: request.stream_url
            )
            logger.debug("joined %s as %s", request.queue, self._event_id)
        except SpaceStatusError as refusal:
            named = may_call and self._endpoint.api_name is not None
            if not named or refusal.status not in _CLOSED:
                raise
            self._called = await self._call(refusal)
        try:
            return await self.open()
        except SpaceTimeoutError as exc:
            await self.explain_silence(exc)
            raise

    async def open(self) -> tuple[Body, Job]:
        """Open the stream of the submitted job, once more maybe, and return as `submit` does.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        return await self._open_or_give_up(self._called or self._request.stream_url), self._job()

    def _job(self) -> Job:
        endpoint, config = self._endpoint, self._transport.config
        return Job(
            self._event_id,
            endpoint.output,
            endpoint.protocol if self._called is None else "call",
            prompt=self._prompt,
            reasoning_tags=endpoint.choose_tags(config.reasoning_tags),
            thinks_anywhere=endpoint.thinks_anywhere(config.reasoning_tags),
            is_page=endpoint.shows_page,
            is_response=endpoint.gives_response,
            address=f"{config.url}{endpoint.prefix}",
            before=self._before,
            beside=endpoint.beside,
            thinks_aloud=asks_for_thoughts(self._request.data),
            max_size=config.max_size,
        )

    async def send_data(self, event_id: str | None) -> None:
        """Send the arguments, when the queue asks for them.

        Args:
            event_id: The job, by the queue's own word.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        self._event_id = event_id
        url, body = self._request.data_url, self._request.data_body(event_id)
        try:
            await self._transport.json("POST", url, self.deadline, body)
        except QwenSpaceError as exc:
            exc.may_have_run = not _has_no_job(exc)
            raise

    async def explain_silence(self, error: SpaceTimeoutError) -> None:
        """Name a proxy that holds the stream back, where the app itself answers meanwhile.

        It would send a sign of life at once, and then each 15 seconds.
        """
        if self.is_joined_by_stream or error.limit not in {"silence", "first_token"}:
            return
        with contextlib.suppress(QwenSpaceError):
            await self._transport.json("GET", f"{self._request.queue}/status", Deadline(_BRIEF))
            error.remedy = _BUFFERED

    def cancel(self) -> None:
        """Stop the job, where the server does not see that its stream is left.

        Nobody waits for that.
        """
        if self._endpoint.is_deaf and self._event_id is not None:
            self._transport.background.start(self._reset(self._event_id))

    async def _call(self, refusal: SpaceStatusError) -> str:
        """Call the function by its name, where every value comes whole; return the stream's URL."""
        logger.debug("the queue is closed (%s): trying /call", refusal)
        prefix, name = self._endpoint.prefix, self._endpoint.api_name
        url = f"{self._transport.config.url}{prefix}/call/{name}"
        # Where the answer is lost the job cannot be given up: only the answer has its id.
        stream_of = lambda event_id: event_id and f"{url}/{event_id}"  # noqa: E731
        try:
            event_id = await self._post(url, self._request.call_body, stream_of)
        except SpaceStatusError as exc:
            if exc.status in _CLOSED:
                raise refusal from None  # the queue's own words are nearer to the matter
            raise
        return f"{url}/{event_id}"

    async def _reset(self, event_id: str) -> None:
        url = f"{self._transport.config.url}{self._endpoint.prefix}/reset"
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            await self._transport.json("POST", url, Deadline(_BRIEF), {"event_id": event_id})

    async def _open_stream(self, url: str) -> Body:
        """Open a stream, which says nothing of the prompt: again if that was refused, too."""
        return await retrying(
            lambda: self._transport.stream(url, self.deadline),
            lambda exc: is_refusal(exc) or was_never_sent(exc),
            self._transport.config.max_retries,
            self.deadline,
        )

    async def _open_or_give_up(self, url: str) -> Body:
        """Open the stream of a job that was submitted; give the job up if that fails."""
        try:
            return await self._open_stream(url)
        except asyncio.CancelledError:
            await self._run(self._open_and_close(url))
            raise
        except QwenSpaceError as exc:
            exc.may_have_run = True  # for the job was accepted
            if not was_never_sent(exc):
                await self._run(self._open_and_close(url))
            raise

    def _post(
        self, url: str, body: Any, stream_of: Callable[[str | None], str | None]
    ) -> Awaitable[str]:
        """Send the prompt, again only while it cannot have arrived; return the event id.

        Args:
            url: Where to send it.
            body: The request.
            stream_of: Returns the address of the stream that gives the job up, from its event id
                or, where that was lost, from None.
        """
        retries = self._transport.config.max_retries
        return retrying(
            lambda: self._post_once(url, body, stream_of), was_never_sent, retries, self.deadline
        )

    async def _post_once(
        self, url: str, body: Any, stream_of: Callable[[str | None], str | None]
    ) -> str:
        # In a task of its own: a request that is cut off may be accepted after it was given up.
        posting = asyncio.ensure_future(self._read_event_id(url, body))
        try:
            return await asyncio.shield(posting)
        except asyncio.CancelledError:
            await self._run(self._give_up(posting, stream_of))
            raise
        except QwenSpaceError as exc:
            exc.may_have_run = not _has_no_job(exc)
            if not _was_not_accepted(exc) and (stream := stream_of(None)) is not None:
                await self._run(self._open_and_close(stream))
            raise

    async def _read_event_id(self, url: str, body: Any) -> str:
        answer = await self._transport.json("POST", url, self.deadline, body)
        event_id = answer.get("event_id") if isinstance(answer, dict) else None
        if not isinstance(event_id, str):
            raise ProtocolError(
                f"The join was answered without an event_id: {reprlib.repr(answer)}"
            )
        return event_id

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        await self._transport.background.run(work)

    async def _give_up(
        self, posting: asyncio.Task[str], stream_of: Callable[[str | None], str | None]
    ) -> None:
        """Give up a job whose join is on its way."""
        with contextlib.suppress(asyncio.CancelledError):  # the loop ends: there is time for this
            await asyncio.wait({posting}, timeout=_JOIN_SECONDS)
        posting.cancel()
        with contextlib.suppress(QwenSpaceError, RuntimeError, asyncio.CancelledError):
            self._event_id = await posting
        if (stream := stream_of(self._event_id)) is not None:
            await self._open_and_close(stream)

    async def _open_and_close(self, stream_url: str) -> None:
        """Cancel a job on the server: it ends with the connection of its stream."""
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._transport.stream(stream_url, Deadline(_BRIEF))).close()
        self.cancel()


def _was_not_accepted(exc: QwenSpaceError) -> bool:
    """Whether a request cannot have begun a job: it never arrived, or the app has refused it.

    A status of 5xx may come from a proxy, behind which the app has accepted the job.
    """
    if isinstance(exc, SpaceStatusError):
        return 300 <= exc.status < 500
    refusals = QueueFullError, QuotaError, AuthenticationError, JobError
    return was_never_sent(exc) or isinstance(exc, refusals)


def _has_no_job(exc: QwenSpaceError) -> bool:
    """Whether no job can run: the app has refused it, has failed, or was not there."""
    if isinstance(exc, SpaceStatusError):
        return exc.status <= 500
    if isinstance(exc, SpaceUnavailableError):
        return exc.status in _NOT_PASSED_ON
    return _was_not_accepted(exc)
