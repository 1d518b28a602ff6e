"""Submits a job: to the queue, or to `/call` where that is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import reprlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from qwen_space.client.body import Body
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.retry import is_refusal, retrying, was_never_sent
from qwen_space.client.stream import EventStreamReader, Submission
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
from qwen_space.gradio.agent_steps import asks_for_thoughts
from qwen_space.gradio.endpoint import Endpoint
from qwen_space.gradio.job import Job
from qwen_space.gradio.messages import to_states
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.requests import JobRequest

__all__ = ["Given", "run_prerequisite", "run_renderer", "submit_job"]

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


async def submit_job(
    transport: Transport,
    endpoint: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    *,
    may_call: bool,
    prompt: str = "",
    before: Any = None,
) -> Submission:
    """Submit a job and open its stream; give the job up if that fails or is cancelled.

    Args:
        transport: Sends the requests.
        endpoint: The function to run.
        request: Its arguments and its session.
        deadline: The time limits.
        may_call: Whether the app may have `/call` open where its queue is closed.
        prompt: The prompt, as the app may show it in its chat.
        before: The chat's value before the message, as the app gets it; None if it does not.

    Raises:
        QwenSpaceError: The Space cannot be reached, or refuses.
    """
    submission = _Submitter(transport, endpoint, request, deadline, prompt, before)
    cancel = submission.cancel if endpoint.is_deaf else None
    if endpoint.protocol == "sse":  # Gradio 4.0 to 4.8: the stream is the join
        body = await submission.open_stream(request.joining_stream_url)
        return Submission(body, submission.job(), cancel=cancel)
    try:
        event_id = await submission.join_queue()
    except SpaceStatusError as refusal:
        if not may_call or endpoint.api_name is None or refusal.status not in _CLOSED:
            raise
        return await submission.call(refusal)
    logger.debug("joined %s as %s", request.queue, event_id)
    opened = await submission.open(request.stream_url, lambda: submission.job(event_id))
    return replace(opened, cancel=cancel)


class _Submitter:
    """One job while it is submitted."""

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        request: JobRequest,
        deadline: Deadline,
        prompt: str,
        before: Any,
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._request = request
        self._deadline = deadline
        self._prompt = prompt
        self._before = before

    def job(self, event_id: str | None = None, protocol: str | None = None) -> Job:
        config = self._transport.config
        return Job(
            event_id,
            self._endpoint.output,
            protocol or self._endpoint.protocol,
            prompt=self._prompt,
            reasoning_tags=self._endpoint.choose_tags(config.reasoning_tags),
            thinks_anywhere=self._endpoint.thinks_anywhere(config.reasoning_tags),
            is_page=self._endpoint.shows_page,
            is_response=self._endpoint.gives_response,
            address=f"{config.url}{self._endpoint.prefix}",
            before=self._before,
            beside=self._endpoint.beside,
            thinks_aloud=asks_for_thoughts(self._request.data),
            max_size=config.max_size,
        )

    async def join_queue(self) -> str:
        """Join the queue and return the event id."""
        request = self._request
        return await self._post(request.join_url, request.body, lambda _: request.stream_url)

    async def call(self, refusal: SpaceStatusError) -> Submission:
        """Call the function by its name, where every value comes whole."""
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
        return await self.open(f"{url}/{event_id}", lambda: self.job(protocol="call"))

    async def open(self, url: str, make_job: Callable[[], Job]) -> Submission:
        """Open the stream of a job that was submitted."""

        async def again() -> tuple[Body, Job]:
            return await self.open_or_give_up(url), make_job()

        try:
            body, job = await again()
        except SpaceTimeoutError as exc:
            await self.explain_silence(exc)
            raise
        return Submission(body, job, again, self.explain_silence)

    async def explain_silence(self, error: SpaceTimeoutError) -> None:
        """Name a proxy that holds the stream back, where the app itself answers meanwhile.

        It would send a sign of life at once, and then each 15 seconds.
        """
        if error.limit not in {"silence", "first_token"}:
            return
        with contextlib.suppress(QwenSpaceError):
            await self._transport.json("GET", f"{self._request.queue}/status", Deadline(_BRIEF))
            error.remedy = _BUFFERED

    def cancel(self, event_id: str) -> None:
        """Ask the server to stop a job; nobody waits for that."""
        self._transport.background.start(self._reset(event_id))

    async def _reset(self, event_id: str) -> None:
        url = f"{self._transport.config.url}{self._endpoint.prefix}/reset"
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            await self._transport.json("POST", url, Deadline(_BRIEF), {"event_id": event_id})

    async def open_stream(self, url: str) -> Body:
        """Open a stream, which says nothing of the prompt: again if that was refused, too."""
        return await retrying(
            lambda: self._transport.stream(url, self._deadline),
            lambda exc: is_refusal(exc) or was_never_sent(exc),
            self._transport.config.max_retries,
            self._deadline,
        )

    async def open_or_give_up(self, url: str) -> Body:
        """Open the stream of a job that was submitted; give the job up if that fails."""
        try:
            return await self.open_stream(url)
        except asyncio.CancelledError:
            await self._run(self._open_and_close(url))
            raise
        except QwenSpaceError as exc:
            exc.may_have_run = True  # for the job was accepted
            if not was_never_sent(exc):
                await self._run(self._open_and_close(url))
            raise

    async def _post(
        self, url: str, body: Any, stream_of: Callable[[str | None], str | None]
    ) -> str:
        """Send the prompt, again only while it cannot have arrived; return the event id.

        Args:
            url: Where to send it.
            body: The request.
            stream_of: Returns the address of the stream that gives the job up, from its event id
                or, where that was lost, from None.
        """
        retries = self._transport.config.max_retries
        return await retrying(
            lambda: self._post_once(url, body, stream_of), was_never_sent, retries, self._deadline
        )

    async def _post_once(
        self, url: str, body: Any, stream_of: Callable[[str | None], str | None]
    ) -> str:
        answer = self._transport.json("POST", url, self._deadline, body)
        # In a task of its own: a request that is cut off may be accepted after it was given up.
        posting = asyncio.ensure_future(_event_id(answer))
        try:
            await asyncio.wait({posting})
            return posting.result()
        except asyncio.CancelledError:
            await self._run(self._give_up(posting, stream_of))
            raise
        except QwenSpaceError as exc:
            exc.may_have_run = not _has_no_job(exc)
            if not _was_not_accepted(exc) and (stream := stream_of(None)) is not None:
                await self._run(self._open_and_close(stream))
            raise

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        await self._transport.background.run(work)

    async def _give_up(
        self, posting: asyncio.Task[str], stream_of: Callable[[str | None], str | None]
    ) -> None:
        """Give up a job whose join is on its way."""
        with contextlib.suppress(asyncio.CancelledError):  # the loop ends: there is time for this
            await asyncio.wait({posting}, timeout=_JOIN_SECONDS)
        posting.cancel()
        event_id = None
        with contextlib.suppress(QwenSpaceError, RuntimeError, asyncio.CancelledError):
            event_id = await posting
        if (stream := stream_of(event_id)) is not None:
            await self._open_and_close(stream)

    async def _open_and_close(self, stream_url: str) -> None:
        """Cancel a job on the server: it ends with the connection of its stream."""
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._transport.stream(stream_url, Deadline(_BRIEF))).close()


class Given(msgspec.Struct, frozen=True):
    """The part of the page that a function has changed.

    Attributes:
        values: The values that components got, by their numbers.
        states: The numbers of the states that have another value, which stays on the server.
    """

    values: Mapping[Any, Any]
    states: frozenset[int] = frozenset()


async def run_prerequisite(
    transport: Transport,
    step: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    send_data: Callable[[str | None], Awaitable[None]],
    remarks: Remarks,
) -> Given:
    """Run a function that the app's page runs before the one that answers.

    Args:
        transport: Sends the requests.
        step: The function.
        request: Its arguments and its session.
        deadline: The time limits.
        send_data: As for `EventStreamReader`.
        remarks: Collects the words that the app says.

    Returns:
        The part of the page that it has changed.

    Raises:
        QwenSpaceError: The Space cannot be reached, refuses, or fails.
    """
    if step.queued:
        job = await _complete(transport, step, request, deadline, send_data, remarks)
        data, states = job.data, frozenset(job.changed_states)
    else:
        data, states = await _run(transport, step, request, deadline)
    if len(data) != len(step.outputs):
        raise ProtocolError(
            f"{step.title} gave {len(data)} values for {len(step.outputs)} outputs."
        )
    pairs = zip(step.outputs, map(_value, data), strict=True)
    values = {part: value[0] for part, value in pairs if part is not None and value}
    return Given(values, states)


async def run_renderer(
    transport: Transport, step: Endpoint, request: JobRequest, deadline: Deadline
) -> Any:
    """Run a function that makes parts of the app's page, and return them.

    Raises:
        QwenSpaceError: The Space cannot be reached, refuses, or fails.
    """
    job = await _complete(transport, step, request, deadline, _send_nothing, Remarks())
    return job.rendered


async def _send_nothing(_event_id: str | None) -> None:
    """Take no part in a protocol that is older than `gr.render`."""


async def _complete(
    transport: Transport,
    step: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    send_data: Callable[[str | None], Awaitable[None]],
    remarks: Remarks,
) -> Job:
    """Submit a job that gives no reply, and return it once it is completed."""
    submission = await submit_job(transport, step, request, deadline, may_call=False)
    reply = EventStreamReader(submission, deadline, None, send_data, remarks)
    # It is not released: the next step has the same session, whose messages could come on it.
    with contextlib.closing(reply):
        async for _ in reply.events():
            pass  # it is no reply, and the one that the user waits for comes after it
    return reply.job


async def _run(
    transport: Transport, step: Endpoint, request: JobRequest, deadline: Deadline
) -> tuple[list[Any], frozenset[int]]:
    """Run a function that does not go by the queue; return its values and the changed states."""
    url = f"{transport.config.url}{step.prefix}/run/predict"
    try:
        answer = await transport.json("POST", url, deadline, request.body)
    except SpaceStatusError as exc:
        if exc.status != 500:
            raise
        raise JobError(f"the step {step.title} before the reply: {exc.body}") from exc
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ProtocolError(f"{url} answered without data: {reprlib.repr(answer)}")
    return data, to_states(answer.get("changed_state_ids"))


def _value(item: Any) -> list[Any]:
    """Return the value that a component gets, in a list; none if it keeps its own."""
    if isinstance(item, dict) and item.get("__type__") == "update":
        return [item["value"]] if "value" in item else []
    return [item]


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


async def _event_id(answering: Awaitable[Any]) -> str:
    answer = await answering
    event_id = answer.get("event_id") if isinstance(answer, dict) else None
    if not isinstance(event_id, str):
        raise ProtocolError(f"The join was answered without an event_id: {reprlib.repr(answer)}")
    return event_id
