"""The asynchronous client of one Space."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from qwen_space import hub
from qwen_space.chat import DEFAULT_SYSTEM_PROMPT, Turn, check_prompt, split, turns
from qwen_space.config import DEFAULT_MODEL, DEFAULT_SPACE, SpaceConfig, Timeouts
from qwen_space.discovery import find_endpoint, is_unclear, with_parameters
from qwen_space.entering import Entered
from qwen_space.errors import (
    EndpointError,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)
from qwen_space.events import Completed, Event, Notice, last
from qwen_space.front import Front
from qwen_space.profiles import QWEN_2_5, Endpoint, profile_of
from qwen_space.protocol.job import Job
from qwen_space.protocol.join import Join
from qwen_space.reply import Reply
from qwen_space.stop import StopScanner
from qwen_space.transport import Body, Clock, Transport

if TYPE_CHECKING:
    import aiohttp
    from typing_extensions import Self, Unpack

__all__ = ["CallOptions", "SpaceClient"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSED = frozenset({404, 405, 410})  # statuses of what is not there, or not for us


class CallOptions(TypedDict, total=False):
    """What one call may ask for, on top of what the client was made with.

    Attributes:
        model: In place of the client's model.
        stop: Texts, or one, before the first of which the reply ends.
        inputs: Values for further inputs of the app, by parameter name or label.
        sampling: `temperature`, `top_p` and `max_tokens`, where the app has inputs for them.
    """

    model: str | None
    stop: str | Sequence[str]
    inputs: Mapping[str, Any] | None
    sampling: Mapping[str, float] | None


class SpaceClient:
    """An asynchronous client of one Gradio Space.

    A client belongs to the event loop in which it is first used: make one for each loop, and
    close it there, best with `async with`. Concurrent streams are safe, as each has a session
    hash, and so a place in the queue, of its own. Nothing connects before the first call.

    Args:
        space: A Hugging Face id (`owner/name`), or the URL of a Gradio app.
        model: Which of the app's models answers; `qwen-2.5` is its default.
        hf_token: A Hugging Face token, sent to the Space's own address only.
        proxy: The URL of an HTTP proxy, used for every request.
        timeouts: How long to wait, in seconds.
        max_retries: How often a step that cannot have run the prompt is tried again.
        system_prompt: The system prompt of calls that bring none.
        history: "split" renders earlier turns into the prompt; "native" gives them to the app's
            own history input, where they alternate strictly.
        endpoint: The api name of the function to call; None lets discovery choose.
        inputs: Values for further inputs of the app, by parameter name or label.
        headers: Headers to add, or to put in place of ours.
        session: An aiohttp session to use. The client closes only one that it made itself.

    Raises:
        ValueError: An argument cannot be right.
    """

    def __init__(
        self,
        space: str = DEFAULT_SPACE,
        *,
        model: str = DEFAULT_MODEL,
        hf_token: str | None = None,
        proxy: str | None = None,
        timeouts: Timeouts | None = None,
        max_retries: int = 2,
        system_prompt: str | None = None,
        history: Literal["split", "native"] = "split",
        endpoint: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        config = SpaceConfig(
            space=space,
            model=model,
            hf_token=hf_token,
            proxy=proxy,
            timeouts=timeouts or Timeouts(),
            max_retries=max_retries,
            system_prompt=system_prompt,
            history=history,
            endpoint=endpoint,
            inputs=inputs or {},
            headers=headers or {},
        )
        self._transport = Transport(config, session)
        self._endpoint: Endpoint | None = None
        self._no_config: QwenSpaceError | None = None  # why `/config` did not help

    @classmethod
    def from_config(
        cls,
        config: SpaceConfig,
        *,
        session: aiohttp.ClientSession | None = None,
        endpoint: Endpoint | None = None,
    ) -> SpaceClient:
        """Return a client of what `config` describes, with the endpoint if it is known already."""
        client = cls()
        client._transport = Transport(config, session)
        client._endpoint = endpoint
        return client

    @property
    def config(self) -> SpaceConfig:
        """How the Space is reached and used: at another address, once it was found at such."""
        return self._transport.config

    def __repr__(self) -> str:
        return f"SpaceClient({self.config.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client opens new ones if it is used again."""
        await self._transport.close()

    # Asking

    def stream(
        self, prompt: str, *, system: str | None = None, **options: Unpack[CallOptions]
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Ask, and stream the events of the reply.

        Entering the block sends the prompt; where the Space sleeps or is being built, reading
        the events does, after a `Notice` and the wait for it. Leaving the block, in whatever way,
        closes the connection, which stops the job on the server (Gradio 4.9 and newer).

        Args:
            prompt: What to answer.
            system: The system prompt; None is the client's, or else the Space's own.
            **options: See `CallOptions`.

        Returns:
            A context manager that gives an iterator of events; the last is `Completed`.

        Raises:
            ValueError: The prompt is empty, or the app does not offer the model or an input.
            QwenSpaceError: The Space cannot be reached, refuses, fails, or breaks off; the
                error's `text` is what had arrived of the reply.
        """
        chat = [] if system is None else [Turn("system", system)]
        return self._stream([*chat, Turn("user", check_prompt(prompt))], options)

    async def complete(
        self, prompt: str, *, system: str | None = None, **options: Unpack[CallOptions]
    ) -> Completed:
        """Ask, and return the whole reply; arguments and errors are those of `stream`."""
        return await last(self.stream(prompt, system=system, **options))

    def stream_chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Ask with the messages of a chat, and stream the events of the reply.

        Args:
            messages: `{"role": ..., "content": ...}` each, or `Turn`. All system messages
                together are the system prompt; what becomes of the others is said by `history`.
            **options: See `CallOptions`.

        Returns:
            A context manager that gives an iterator of events; the last is `Completed`.

        Raises:
            ValueError: There is no message, or one holds something else than text.
            QwenSpaceError: As for `stream`.
        """
        chat = [each if isinstance(each, Turn) else turns([each])[0] for each in messages]
        split(chat)  # raises what is wrong with it here, and not where the block is entered
        return self._stream(chat, options)

    async def chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> Completed:
        """Ask with a chat, and return the whole reply; arguments are those of `stream_chat`."""
        return await last(self.stream_chat(messages, **options))

    async def endpoint(self) -> Endpoint:
        """Return the app's function that answers, found in its `/config` once.

        Where `/config` does not answer, it is the public Qwen2.5 Space's.

        Raises:
            EndpointError: No function of the app fits, or not the one that is wanted.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        async for _ in self._discover(Clock(self.config.timeouts)):
            pass  # it is waited for, and nobody is there to be told
        return self._known()

    async def app_config(self) -> Any:
        """Return the JSON of the app's `/config`, asked for anew.

        Raises:
            QwenSpaceError: The Space cannot be reached, refuses, or does not answer with JSON.
        """
        return await self._app_config(Clock(self.config.timeouts))

    @property
    def found(self) -> Endpoint | None:
        """The endpoint, if `/config` told it already, at the address that was given."""
        is_found = self._no_config is None and not self._transport.has_moved
        return self._endpoint if is_found else None

    # The wire

    def _stream(self, chat: Sequence[Turn], options: CallOptions) -> Entered[AsyncIterator[Event]]:
        async def enter(stack: contextlib.AsyncExitStack) -> AsyncIterator[Event]:
            clock = Clock(self.config.timeouts)
            try:
                return await self._begun(stack, chat, options, clock)
            except QwenSpaceError as exc:
                if not hub.is_asleep(self.config, exc):
                    raise
                logger.debug("the Space has gone to sleep: %s", exc)
                self._endpoint = None
                return await self._begun(stack, chat, options, clock)

        return Entered(enter)

    async def _begun(
        self,
        stack: contextlib.AsyncExitStack,
        chat: Sequence[Turn],
        options: CallOptions,
        clock: Clock,
    ) -> AsyncIterator[Event]:
        """Find the function and ask it; a Space that is to be waited for, by and by."""
        notices = await stack.enter_async_context(contextlib.aclosing(self._discover(clock)))
        if (first := await anext(notices, None)) is None:
            return await self._asked(stack, chat, options, clock)

        async def events() -> AsyncGenerator[Event, None]:
            yield first
            async for notice in notices:
                yield notice
            async for event in await self._asked(stack, chat, options, clock):
                yield event

        return await stack.enter_async_context(contextlib.aclosing(events()))

    async def _asked(
        self,
        stack: contextlib.AsyncExitStack,
        chat: Sequence[Turn],
        options: CallOptions,
        clock: Clock,
    ) -> AsyncIterator[Event]:
        """Ask the function, and leave on the stack what ends that."""
        stop = options.get("stop") or ()
        scanner = StopScanner(stop)
        endpoint = self._endpoint = await self._knowing(self._known(), options, clock)
        choice = endpoint.choose_model(options.get("model") or self.config.model)
        data = self._data(endpoint, chat, choice, options)
        join = Join(
            f"{self.config.url}{endpoint.prefix}/queue",
            endpoint.fn_index,
            endpoint.trigger_id,
            data,
            uuid.uuid4().hex,
        )

        async def send_data(event_id: str | None) -> None:
            await self._transport.json("POST", join.data_url, clock, join.answer(event_id))

        try:
            body, job = await self._open(endpoint, join, clock)
        except (SpaceStatusError, ProtocolError) as exc:
            if self._is_gradio(exc):
                raise
            raise self._not_gradio(exc) from exc
        model = None if choice is None else str(choice)
        reply = Reply(body, job, clock, model, send_data)
        events = reply.events()
        stack.push_async_callback(events.aclose)
        if stop:
            events = reply.until_stop(events, scanner)
            stack.push_async_callback(events.aclose)
        stack.callback(body.close)  # first of all: at once, and in a cancelled task too
        return events

    def _data(
        self, endpoint: Endpoint, chat: Sequence[Turn], model: Any, options: CallOptions
    ) -> list[Any]:
        """Return the function's arguments for a chat."""
        if self.config.system_prompt is not None and not any(turn.is_system for turn in chat):
            chat = [Turn("system", self.config.system_prompt), *chat]
        parts = split(chat, system_apart=endpoint.takes("system"))
        history: list[Any] = []
        if self.config.history == "native" and endpoint.takes("history"):
            parts, history = endpoint.with_history(chat) or (parts, [])
        sampling = {**self.config.sampling, **(options.get("sampling") or {})}
        inputs = {**self.config.inputs, **(options.get("inputs") or {})}
        return endpoint.data(
            parts.prompt,
            DEFAULT_SYSTEM_PROMPT if parts.system is None else parts.system,
            model=model,
            history=history,
            inputs={**self._fitting(endpoint, sampling), **inputs},
        )

    async def _knowing(self, endpoint: Endpoint, options: CallOptions, clock: Clock) -> Endpoint:
        """Return the endpoint with its parameters' names, if a call gives values by such."""
        given = {**self.config.sampling, **(options.get("sampling") or {}), **self.config.inputs}
        if endpoint.knows({**given, **(options.get("inputs") or {})}):
            return endpoint
        return await self._with_parameters(endpoint, clock)

    async def _with_parameters(self, endpoint: Endpoint, clock: Clock) -> Endpoint:
        """Return the endpoint with what the app's `/info` tells of it, which may be nothing."""
        url = f"{self.config.url}{endpoint.prefix}/info"
        try:
            return with_parameters(endpoint, await self._transport.json("GET", url, clock))
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            logger.debug("%s does not help: %s", url, exc)
            return endpoint

    def _fitting(self, endpoint: Endpoint, sampling: Mapping[str, float]) -> dict[str, Any]:
        fitting = endpoint.fitting(sampling)
        if len(fitting) < len(sampling):
            warnings.warn(
                f"{self.config.url} has no input for some of {', '.join(sampling)} (it has for: "
                f"{', '.join(fitting) or 'none'}); there the app keeps its own values.",
                stacklevel=2,
            )
        return fitting

    async def _discover(self, clock: Clock) -> AsyncGenerator[Notice, None]:
        """Find the function, if it is not known; yield what to tell while a Space is waited for."""
        if self._endpoint is not None:
            return
        front = Front(self._transport, self._app_config, clock)
        try:
            async with contextlib.aclosing(front.waiting()) as notices:
                async for notice in notices:
                    yield notice
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            self._endpoint = self._guessed(exc)
        else:
            self._no_config = None
            self._endpoint = await self._found(front.app_config, clock)

    def _guessed(self, exc: QwenSpaceError) -> Endpoint:
        """Return the known function of the Space, or the public Space's, without `/config`.

        Not for a server that only failed just now: in an app that nobody knows, the number of the
        public Space's function may be that of any other.
        """
        known = profile_of(self.config.url)
        failed = isinstance(exc, SpaceUnavailableError) or (
            isinstance(exc, SpaceStatusError) and exc.status >= 500
        )
        if hub.is_final(self.config, exc) or (failed and known is None):
            raise exc
        if self.config.endpoint is not None:
            raise EndpointError(
                f"endpoint={self.config.endpoint!r} cannot be looked up: {exc}"
            ) from exc
        logger.debug("/config does not help (%s): taking the public Space's figures", exc)
        self._no_config = exc
        return known or QWEN_2_5

    def _known(self) -> Endpoint:
        """Return the function that was found."""
        assert self._endpoint is not None  # noqa: S101 - `_discover` sees to that
        return self._endpoint

    async def _app_config(self, clock: Clock) -> Any:
        return await self._retrying(lambda: self._transport.app_config(clock), _is_passing)

    async def _found(self, config: Any, clock: Clock) -> Endpoint:
        """Return the app's function that chats, by its `/config`, and by its `/info` if need be."""
        try:
            endpoint = find_endpoint(config, self.config.endpoint)
        except EndpointError:
            known = profile_of(self.config.url)
            if known is None or self.config.endpoint is not None:
                raise
            return known
        return await self._with_parameters(endpoint, clock) if is_unclear(endpoint) else endpoint

    async def _open(self, endpoint: Endpoint, join: Join, clock: Clock) -> tuple[Body, Job]:
        """Send the request; return its stream and its job."""
        if endpoint.protocol == "sse":  # Gradio 4.0 to 4.8: the stream is the join
            body = await self._opened(join.joining_stream_url, clock)
            return body, Job(None, endpoint.output, endpoint.protocol)
        try:
            event_id = await self._join(join, clock)
        except SpaceStatusError as refusal:
            if not self._has_call(endpoint, refusal):
                raise
            return await self._call(endpoint, join, clock, refusal)
        logger.debug("joined %s as %s", join.queue, event_id)
        async with self._abandoning(join, QwenSpaceError):
            body = await self._opened(join.stream_url, clock)
        return body, Job(event_id, endpoint.output, endpoint.protocol)

    async def _join(self, join: Join, clock: Clock) -> str:
        """Join the queue and return the job's name."""

        async def post() -> str:
            return _event_id(await self._transport.json("POST", join.join_url, clock, join.body))

        lost = StreamInterruptedError, SpaceTimeoutError, SpaceUnavailableError
        async with self._abandoning(join, *lost):
            return await self._retrying(post, _was_never_sent)

    def _has_call(self, endpoint: Endpoint, refusal: SpaceStatusError) -> bool:
        """Whether the queue is closed, in a Gradio app that may have `/call` open."""
        named = self._no_config is None and endpoint.api_name is not None
        return named and refusal.status in _CLOSED

    async def _call(
        self, endpoint: Endpoint, join: Join, clock: Clock, refusal: SpaceStatusError
    ) -> tuple[Body, Job]:
        """Call the function by its name, where every value comes whole."""
        logger.debug("the queue is closed (%s): trying /call", refusal)
        url = f"{self.config.url}{endpoint.prefix}/call/{endpoint.api_name}"
        try:
            answer = await self._transport.json("POST", url, clock, join.call_body)
        except SpaceStatusError as exc:
            if exc.status in _CLOSED:
                raise refusal from None  # what the queue says is nearer to what was wanted
            raise
        body = await self._opened(f"{url}/{_event_id(answer)}", clock)
        return body, Job(None, endpoint.output, "call")

    async def _opened(self, url: str, clock: Clock) -> Body:
        return await self._retrying(lambda: self._transport.stream(url, clock), _was_never_sent)

    @contextlib.asynccontextmanager
    async def _abandoning(
        self, join: Join, *errors: type[QwenSpaceError]
    ) -> AsyncGenerator[None, None]:
        """On errors after which a job may be on the server, give it up."""
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(join))
            raise
        except errors as exc:
            if not _was_never_sent(exc):
                await self._abandon(join)
            raise

    async def _abandon(self, join: Join) -> None:
        """Open the session's stream and close it again: that cancels all jobs of the session."""
        clock = Clock(Timeouts(connect=2.0, silence=2.0, total=2.0))
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._transport.stream(join.stream_url, clock)).close()

    def _is_gradio(self, exc: QwenSpaceError) -> bool:
        """Whether `exc` is a Gradio app's, in view of what `/config` said."""
        broken = isinstance(exc, SpaceStatusError) and exc.status >= 500
        return self._no_config is None or broken

    def _not_gradio(self, exc: QwenSpaceError) -> ProtocolError:
        return ProtocolError(
            f"{self.config.url} does not look like a Gradio app. /config: {self._no_config} "
            f"/queue/join: {exc}"
        )

    async def _retrying(
        self, step: Callable[[], Awaitable[T]], again: Callable[[QwenSpaceError], bool]
    ) -> T:
        """Take a step, and take it again while the error is one of those that `again` knows."""
        for attempt in range(self.config.max_retries):
            pause = 0.25 * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
            try:
                return await step()
            except QwenSpaceError as exc:
                if not again(exc):
                    raise
                logger.debug("try %d failed: %s", attempt + 1, exc)
                if isinstance(exc, QuotaError):
                    pause = exc.retry_after or pause
            await asyncio.sleep(pause)
        return await step()


def _event_id(answer: Any) -> str:
    event_id = answer.get("event_id") if isinstance(answer, dict) else None
    if not isinstance(event_id, str):
        raise ProtocolError(f"The join was answered without an event_id: {answer!r:.200}")
    return event_id


def _is_passing(exc: QwenSpaceError) -> bool:
    """Whether a request that changes nothing is worth another try."""
    kinds = SpaceUnreachableError, SpaceUnavailableError, StreamInterruptedError
    return isinstance(exc, kinds) or hub.is_short(exc)


def _was_never_sent(exc: QwenSpaceError) -> bool:
    """Whether a request cannot have arrived, so that it may be sent again."""
    late = isinstance(exc, SpaceTimeoutError) and exc.limit == "connect"
    return late or isinstance(exc, SpaceUnreachableError)
