"""One call of one Space: from the chat to the events of its reply."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

from qwen_space.chat.messages import Turn
from qwen_space.chat.stop import StopScanner
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.hub import is_asleep
from qwen_space.client.lookup import EndpointResolver
from qwen_space.client.prerequisite import Given, run_prerequisite
from qwen_space.client.question import Question, build_question
from qwen_space.client.stream import EventStreamReader
from qwen_space.client.submit import Submission
from qwen_space.client.text_files import inline_text_files
from qwen_space.client.upload import Upload
from qwen_space.config import CallOptions
from qwen_space.errors import (
    JobError,
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)
from qwen_space.events import Event, Exits
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.wire.requests import JobRequest
from qwen_space.tokens.limiter import TokenLimiter

__all__ = ["Call"]

logger = logging.getLogger("qwen_space.client")

# Words of an app that misses a session, or of Python for a value that is missing.
_MISSING = re.compile(r"session|NoneType|KeyError|会话|сесси", re.IGNORECASE)
_NOT_LOADED = "its page has to be loaded in each session, as it is from now on: ask again."


class Call:
    """One call of one Space.

    It resolves the endpoint, uploads the media, runs the steps before the endpoint, and submits
    the job. Each of them that yields events is followed by the next one within its generator.

    Args:
        transport: Sends the requests.
        resolver: Resolves the endpoint, and remembers it for other calls.
        chat: The turns to ask with.
        options: The options of the call.
        deadline: Its time limits.
    """

    def __init__(
        self,
        transport: Transport,
        resolver: EndpointResolver,
        chat: Sequence[Turn],
        options: CallOptions,
        deadline: Deadline,
    ) -> None:
        self._transport = transport
        self._resolver = resolver
        self._chat = chat
        self._options = options
        self._deadline = deadline

    async def open(self, exits: Exits) -> AsyncIterator[Event]:
        """Ask, and return the events of the reply; `exits` close them.

        A Space that has gone to sleep since its endpoint was resolved is woken up.

        Raises:
            ValueError: The app has no such input, or takes no such file.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        try:
            return await self._resolve(exits)
        except QwenSpaceError as exc:
            if not is_asleep(self._transport.config, exc):
                raise
            logger.debug("the Space has gone to sleep: %s", exc)
            self._resolver.forget()
            return await self._resolve(exits)

    async def _resolve(self, exits: Exits) -> AsyncIterator[Event]:
        """Resolve the endpoint and ask it; yield notices while a sleeping Space wakes up."""
        await self._resolver.verify(self._deadline)
        if self._resolver.is_resolved:
            return await self._ask(exits)
        resolving = contextlib.aclosing(self._resolver.resolve(self._deadline))
        notices = await exits.enter(resolving)
        if (first := await anext(notices, None)) is None:
            return await self._ask(exits)

        events = _chain([first], notices, partial(self._ask, exits))
        return await exits.enter(contextlib.aclosing(events))

    async def _ask(self, exits: Exits) -> AsyncIterator[Event]:
        """Upload the media of the chat, and ask the endpoint."""
        # Not before: the transport of a call stays where the app was found by then.
        transport = self._transport.with_headers(self._options.get("headers"))
        found = await self._endpoint()
        question = await self._question(found)
        media = question.every_media
        if not media:
            return await self._submit(exits, transport, question, found)
        upload = Upload(transport, question.endpoint.prefix, media, self._deadline)
        progress = await exits.enter(contextlib.aclosing(upload.events()))

        question.files = upload.files
        submit = partial(self._submit, exits, transport, question, found)
        events = _chain([], progress, submit)
        return await exits.enter(contextlib.aclosing(events))

    async def _endpoint(self) -> Endpoint:
        """Return the endpoint, once the names of its inputs are known."""
        config, options = self._transport.config, self._options
        named = (config.sampling, config.inputs)
        asked = (options.get("sampling") or {}, options.get("inputs") or {})
        await self._resolver.load_parameters(itertools.chain(*named, *asked), self._deadline)
        return self._resolver.endpoint

    async def _question(self, found: Endpoint) -> Question:
        """Return the request for the chat."""
        config = self._transport.config
        chat = await inline_text_files(found, self._chat, config.max_file_size)
        return build_question(config, found, chat, self._options)

    async def _submit(
        self,
        exits: Exits,
        transport: Transport,
        question: Question,
        found: Endpoint,
    ) -> AsyncIterator[Event]:
        """Run the steps of a question, submit its job, and return the events of the reply.

        Its endpoint may be another one of the page that was found, such as that for files.
        """
        stop = self._options.get("stop")
        scanner = StopScanner(stop) if stop else None
        limiter = None if question.max_tokens is None else TokenLimiter(question.max_tokens)
        session_hash = uuid.uuid4().hex
        were_run = await self._open_page(transport, found, session_hash)
        run = found.opening if were_run else ()
        on_end = None
        if not {each.fn_index for each in found.loads} <= {each.fn_index for each in run}:
            on_end = partial(self._note_end, found, session_hash)
        try:
            request = await self._run_steps(transport, question, session_hash)
        except JobError as exc:
            if on_end is not None:
                on_end(exc)
            raise
        submission = Submission(
            transport,
            question.endpoint,
            request,
            self._deadline,
            question.prompt,
            question.chat_before,
        )
        # Steps share a session, which a call without a queue does not have.
        may_call = self._resolver.is_discovered and not question.endpoint.before
        try:
            body, job = await submission.submit(may_call=may_call)
        except (SpaceStatusError, ProtocolError) as exc:
            if (explained := self._resolver.explain(exc)) is exc:
                raise
            explained.may_have_run = exc.may_have_run  # the server may be no Gradio app
            raise explained from exc
        model = None if question.model is None else str(question.model)
        reply = EventStreamReader(submission, body, job, model, question.remarks, on_end)
        exits.push(reply.aclose)
        return reply.events(scanner, limiter)

    async def _open_page(self, transport: Transport, found: Endpoint, session_hash: str) -> bool:
        """Run the functions that may start the app's backend; return whether they were run now."""

        async def open_page() -> None:
            deadline = self._deadline.part(self._deadline.timeouts.first_token)
            for step in found.opening:
                request = _request(transport, step, step.data(""), session_hash)
                await _open(transport, step, request, deadline)

        return await self._resolver.open_page(found, open_page, self._deadline)

    def _note_end(self, found: Endpoint, session_hash: str, error: QwenSpaceError | None) -> None:
        """Have the page loaded in each session, if an app without that may miss its session.

        `/config` does not show that a load function keeps something by the session's hash. The
        prompt is not sent again, as a job that has failed may have run in part. An app that has
        replied without it does not miss it when it fails later.
        """
        if error is None:
            self._resolver.forget_loads(found)
        elif _may_miss_session(error, session_hash):
            error.advice = error.advice or _NOT_LOADED
            self._resolver.open_each_session(found)

    async def _run_steps(
        self, transport: Transport, question: Question, session_hash: str
    ) -> JobRequest:
        """Run the functions before the endpoint, and return the endpoint's own request."""
        for step, files in question.calls:
            data = question.data(step, files)
            request = _request(transport, step, data, session_hash)
            if step.phase == "chat":
                question.remarks.missing = question.find_missing()
            if step is not question.endpoint:
                remarks = question.remarks
                given = await _run_step(transport, step, request, self._deadline, remarks)
                question.receive(step, given.values, given.states)
        question.remarks.advice = question.advise()
        return request


async def _chain(
    first: Sequence[Event],
    rest: AsyncIterator[Event],
    then: Callable[[], Awaitable[AsyncIterator[Event]]],
) -> AsyncGenerator[Event, None]:
    """Yield events that come before those of the next step, and then these."""
    for event in first:
        yield event
    async for event in rest:
        yield event
    async for event in await then():
        yield event


def _may_miss_session(error: QwenSpaceError, session_hash: str) -> TypeGuard[JobError]:
    """Whether an app may have failed as it misses its session; most keep the reason back."""
    if type(error) is not JobError:
        return False
    reason = error.reason
    return reason is None or session_hash in reason or _MISSING.search(reason) is not None


def _request(
    transport: Transport, step: Endpoint, data: Sequence[Any], session_hash: str
) -> JobRequest:
    queue = f"{transport.config.url}{step.prefix}/queue"
    return JobRequest(queue, step.fn_index, step.trigger_id, [*data], session_hash)


async def _open(
    transport: Transport, step: Endpoint, request: JobRequest, deadline: Deadline
) -> None:
    """Run a function that may start the app's backend; a call goes on without it.

    Raises:
        SpaceUnavailableError, SpaceUnreachableError: A call would not reach the app either.
    """
    try:
        await run_prerequisite(transport, step, request, deadline, Remarks())
    except (SpaceUnavailableError, SpaceUnreachableError) as exc:
        exc.may_have_run = False
        raise
    except QwenSpaceError as exc:
        logger.warning("%s, which the page runs as it loads, failed: %s", step.title, exc)


async def _run_step(
    transport: Transport,
    step: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    remarks: Remarks,
) -> Given:
    """Run a step before the endpoint, and return the part of the page that it changes."""
    try:
        return await run_prerequisite(transport, step, request, deadline, remarks)
    except QwenSpaceError as exc:
        exc.may_have_run = False  # the endpoint, which answers, comes after it
        if step.phase not in {"load", "change", "typing"} or not isinstance(exc, JobError):
            raise
        # The page shows the error, and lets its visitor write all the same.
        when = "the prompt is typed" if step.phase == "typing" else "it loads"
        failure = f"{step.title}, which the page runs as {when}, failed: {exc}"
        logger.warning("%s", failure)
        remarks.hear(failure)
        return Given({})
