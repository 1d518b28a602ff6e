"""The asynchronous client: the one module that awaits the network."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import random
import time
import uuid
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

import aiohttp

from qwen_space._version import __version__
from qwen_space.chat import DEFAULT_SYSTEM_PROMPT, Turn, check_prompt, split, turns
from qwen_space.config import DEFAULT_MODEL, DEFAULT_SPACE, SpaceConfig, Timeouts
from qwen_space.errors import (
    AuthenticationError,
    EndpointError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)
from qwen_space.events import Completed, Event, Notice, Queued, Rewritten, Started, TextDelta
from qwen_space.profiles import QWEN_2_5, Endpoint, find_endpoint
from qwen_space.protocol.job import Job
from qwen_space.protocol.messages import parse_message
from qwen_space.protocol.sse import SSEDecoder
from qwen_space.stop import StopScanner

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["CallOptions", "SpaceClient", "last"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Gradio's server closes idle connections after 5 seconds. A join that is sent on such a one is
# lost, and must not be repeated; so none is kept that long.
_KEEP_ALIVE = 3.0

_MOST_OF_AN_ERROR = 64 * 2**10

_EVENT_STREAM = "text/event-stream"


class CallOptions(TypedDict, total=False):
    """What one call may ask for, on top of what the client was made with.

    Attributes:
        model: In place of the client's model.
        stop: Texts before the first of which the reply ends.
        inputs: Values for further inputs of the app, by parameter name or label.
        sampling: `temperature`, `top_p` and `max_tokens`, where the app has inputs for them.
    """

    model: str | None
    stop: Sequence[str]
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
        self.config = SpaceConfig(
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
        self._session = session
        self._owns_session = session is None
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
        client = cls(session=session)
        client.config = config
        client._endpoint = endpoint
        return client

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
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    # Asking

    def stream(
        self, prompt: str, *, system: str | None = None, **options: Unpack[CallOptions]
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Ask, and stream the events of the reply.

        Entering the block sends the prompt. Leaving it, in whatever way, closes the connection,
        which stops the job on the server (Gradio 4.9 and newer).

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
        if self._endpoint is None:
            self._endpoint = await self._discover(_Clock(self.config.timeouts))
        return self._endpoint

    @property
    def found(self) -> Endpoint | None:
        """The endpoint, if it was found in the app's `/config` already."""
        return self._endpoint if self._no_config is None else None

    # The wire

    @contextlib.asynccontextmanager
    async def _stream(
        self, chat: Sequence[Turn], options: CallOptions
    ) -> AsyncGenerator[AsyncIterator[Event], None]:
        stop = options.get("stop") or ()
        scanner = StopScanner(stop)
        clock = _Clock(self.config.timeouts)
        if self._endpoint is None:
            self._endpoint = await self._discover(clock)
        endpoint = self._endpoint
        choice = endpoint.choose_model(options.get("model") or self.config.model)
        data = self._data(endpoint, chat, choice, options)
        response, event_id = await self._open(endpoint, data, clock)
        job = Job(event_id, endpoint.output, endpoint.protocol)
        reply = _Reply(response, job, clock, None if choice is None else str(choice))
        events = reply.events()
        stopped = reply.until_stop(events, scanner)
        try:
            yield stopped if stop else events
        finally:
            response.close()  # at once, and without awaiting: works in a cancelled task too
            await stopped.aclose()
            await events.aclose()

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

    def _fitting(self, endpoint: Endpoint, sampling: Mapping[str, float]) -> dict[str, Any]:
        fitting = endpoint.fitting(sampling)
        if len(fitting) < len(sampling):
            warnings.warn(
                f"{self.config.url} has no input for some of {', '.join(sampling)} (it has for: "
                f"{', '.join(fitting) or 'none'}); there the app keeps its own values.",
                stacklevel=2,
            )
        return fitting

    async def _discover(self, clock: _Clock) -> Endpoint:
        """Find the function in `/config`; the public Space's where that does not help."""
        url = f"{self.config.url}/config"

        async def get() -> Any:
            return await self._json("GET", url, clock)

        try:
            config = await self._retrying(get, _is_passing)
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            if self.config.endpoint is not None:
                raise EndpointError(
                    f"endpoint={self.config.endpoint!r} cannot be looked up: {exc}"
                ) from exc
            logger.debug("%s does not help (%s): taking the public Space's figures", url, exc)
            self._no_config = exc
            return QWEN_2_5
        self._no_config = None
        return find_endpoint(config, self.config.endpoint)

    async def _open(
        self, endpoint: Endpoint, data: list[Any], clock: _Clock
    ) -> tuple[aiohttp.ClientResponse, str | None]:
        """Join the queue and open the session's stream."""
        session_hash = uuid.uuid4().hex  # a used one can bring edits to an older value
        queue = f"{self.config.url}{endpoint.prefix}/queue"
        join = {
            "data": data,
            "event_data": None,
            "fn_index": endpoint.fn_index,
            "trigger_id": endpoint.trigger_id,
            "session_hash": session_hash,
        }

        async def post() -> str | None:
            return _event_id(await self._json("POST", f"{queue}/join", clock, join))

        stream_url = f"{queue}/data?session_hash={session_hash}"
        try:
            event_id = await self._retrying(post, _was_never_sent)
            logger.debug("joined %s as %s", queue, event_id)
            return await self._send("GET", stream_url, clock, accept=_EVENT_STREAM), event_id
        except (SpaceStatusError, ProtocolError) as exc:
            raise self._not_gradio(exc) from exc
        except (StreamInterruptedError, SpaceTimeoutError, asyncio.CancelledError):
            # Whether the job was accepted is not known: opening its stream and closing it again
            # cancels it if it was.
            await asyncio.shield(self._abandon(stream_url))
            raise

    async def _abandon(self, stream_url: str) -> None:
        clock = _Clock(Timeouts(connect=2.0, silence=2.0, total=2.0))
        # A RuntimeError says that the session was closed in the meantime.
        with contextlib.suppress(QwenSpaceError, RuntimeError):
            (await self._send("GET", stream_url, clock, accept=_EVENT_STREAM)).close()

    def _not_gradio(self, exc: SpaceStatusError | ProtocolError) -> QwenSpaceError:
        """Return the error of a join that failed, in view of what `/config` said."""
        if self._no_config is None or (isinstance(exc, SpaceStatusError) and exc.status >= 500):
            return exc
        return ProtocolError(
            f"{self.config.url} does not look like a Gradio app. /config: {self._no_config} "
            f"/queue/join: {exc}"
        )

    async def _json(self, method: str, url: str, clock: _Clock, body: Any = None) -> Any:
        """Send a request and return the JSON of its answer."""
        response = await self._send(method, url, clock, body)
        with _translated(url, clock.timeouts):
            async with response:
                text = await response.text(errors="replace")
        try:
            return json.loads(text)
        except ValueError as exc:
            raise ProtocolError(f"{url} did not answer with JSON: {text[:200]!r}") from exc

    async def _send(
        self,
        method: str,
        url: str,
        clock: _Clock,
        body: Any = None,
        *,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response, whose status is 200; the caller closes it.

        Redirects are not followed: they could lead the prompt or the token elsewhere.
        """
        headers = self._headers(accept)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = io.BytesIO(json.dumps(body).encode())  # aiohttp warns of large bytes
        with _translated(url, clock.timeouts):
            response = await self._opened_session().request(
                method,
                url,
                data=data,
                headers=headers,
                proxy=self.config.proxy,
                timeout=clock.limits(),
                allow_redirects=False,
            )
            if response.status != 200:
                async with response:
                    raise await _refusal(response)
        return response

    def _opened_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.CookieJar(unsafe=True),  # also of hosts without a name
            )
        return self._session

    def _headers(self, accept: str) -> dict[str, str]:
        parts = urlsplit(self.config.url)
        headers = {
            "Accept": accept,
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": f"{self.config.url}/",
            "User-Agent": f"qwen-space/{__version__}",
        }
        if self.config.hf_token is not None:
            # The front of Hugging Face takes this one away, so that the app never sees it.
            headers["X-HF-Authorization"] = f"Bearer {self.config.hf_token}"
        replaced = {name.lower() for name in self.config.headers}
        kept = {name: value for name, value in headers.items() if name.lower() not in replaced}
        return {**kept, **self.config.headers}

    async def _retrying(
        self, step: Callable[[], Awaitable[T]], again: Callable[[QwenSpaceError], bool]
    ) -> T:
        """Take a step, and take it again while the error is one of those that `again` knows."""
        for attempt in range(self.config.max_retries):
            try:
                return await step()
            except QwenSpaceError as exc:
                if not again(exc):
                    raise
                logger.debug("try %d failed: %s", attempt + 1, exc)
            await asyncio.sleep(0.25 * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        return await step()


class _Clock:
    """The time that one reply takes, and the limits of each of its requests."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def limits(self) -> aiohttp.ClientTimeout:
        total = self.timeouts.total
        return aiohttp.ClientTimeout(
            total=None if total is None else max(total - self.elapsed, 0.001),
            connect=self.timeouts.connect,  # with the look-up of the name and TLS
            sock_read=self.timeouts.silence,
        )


class _Reply:
    """One reply while it is read."""

    def __init__(
        self, response: aiohttp.ClientResponse, job: Job, clock: _Clock, model: str | None
    ) -> None:
        self._response = response
        self._job = job
        self._clock = clock
        self._model = model
        self._patience = clock.timeouts.first_token  # None: it is not the app that we wait for

    async def events(self) -> AsyncGenerator[Event, None]:
        job, decoder = self._job, SSEDecoder()
        try:
            while chunk := await self._read():
                for sse in decoder.feed(chunk):
                    message = parse_message(sse.data)
                    if message is None:
                        continue
                    for event in job.receive(message):
                        self._watch(event)
                        yield event
                    if job.done:
                        yield self._completed(job.text, "stop")
                        return
            job.end()
        except QwenSpaceError as exc:
            exc.text = job.text
            raise

    async def until_stop(
        self, events: AsyncIterator[Event], scanner: StopScanner
    ) -> AsyncGenerator[Event, None]:
        """Pass events on up to the first stop sequence in the text, and end the reply there."""
        sent: list[str] = []
        async for event in events:
            match event:
                case TextDelta():
                    if text := scanner.feed(event.delta):
                        sent.append(text)
                        yield TextDelta(text, sent)
                case Rewritten():
                    sent = [scanner.restart(event.text)]
                    yield Rewritten(sent[0])
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

    def _completed(self, text: str, finish_reason: str) -> Completed:
        return Completed(text, self._clock.elapsed, self._job.event_id, finish_reason, self._model)

    async def _read(self) -> bytes:
        """Return the next bytes; none at the end.

        The first token's limit counts the time spent here, so that a caller who takes time
        over an event does not lose what arrived meanwhile.
        """
        reader = self._response.content
        with _translated(str(self._response.url), self._clock.timeouts):
            if self._patience is None:
                return await reader.readany()
            start = time.monotonic()
            late = SpaceTimeoutError("first_token", self._clock.timeouts.first_token or 0)
            timer = asyncio.get_running_loop().call_later(
                self._patience, reader.set_exception, late
            )
            try:
                return await reader.readany()
            finally:
                timer.cancel()
                self._patience -= time.monotonic() - start

    def _watch(self, event: Event) -> None:
        """Set the patience that the event calls for, and log what is no text."""
        match event:
            case TextDelta():
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
                self._patience = self._clock.timeouts.first_token
                logger.info("Started", extra={"space_event": event})
            case Notice():
                logger.info("The app says: %s", event.message, extra={"space_event": event})


async def last(stream: contextlib.AbstractAsyncContextManager[AsyncIterator[Event]]) -> Completed:
    """Read a stream to its end and return the whole reply."""
    async with stream as events:
        async for event in events:
            if isinstance(event, Completed):
                return event
    raise AssertionError("a stream ended without Completed and without an error")


@contextlib.contextmanager
def _translated(url: str, timeouts: Timeouts) -> Iterator[None]:
    """Turn aiohttp's errors into ours. This is the only place that does."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise SpaceTimeoutError("connect", timeouts.connect or 0) from exc
    except aiohttp.ServerTimeoutError as exc:
        raise SpaceTimeoutError("silence", timeouts.silence or 0) from exc
    except asyncio.TimeoutError as exc:
        if isinstance(exc, QwenSpaceError):
            raise
        raise SpaceTimeoutError("total", timeouts.total or 0) from exc
    except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as exc:
        raise SpaceUnreachableError(url, str(exc)) from exc
    except (aiohttp.InvalidURL, UnicodeError) as exc:  # the latter of a name such as "a..b"
        raise SpaceUnreachableError(url, f"not a valid address ({exc})") from exc
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as exc:
        raise StreamInterruptedError("", str(exc) or type(exc).__name__) from exc
    except aiohttp.ClientError as exc:
        raise ProtocolError(f"{url} does not speak HTTP as it should: {exc}") from exc


async def _refusal(response: aiohttp.ClientResponse) -> QwenSpaceError:
    """Return the error that a status other than 200 means."""
    url, status = str(response.url.with_query(None)), response.status
    start = await response.content.read(_MOST_OF_AN_ERROR)
    body = start.decode(errors="replace").strip()
    detail = _detail(body)
    if 300 <= status < 400:
        return SpaceStatusError(status, url, f"moved to {response.headers.get('Location')}")
    if status in {401, 403}:
        return AuthenticationError(url, detail or f"HTTP {status}")
    if status == 429:
        return QuotaError(detail or "Too many requests")
    if status == 503 and detail is not None:
        return QueueFullError(detail) if "full" in detail else SpaceUnavailableError(url, detail)
    if status in {502, 503, 504}:
        return SpaceUnavailableError(url, f"HTTP {status}: {body[:200]}")
    return SpaceStatusError(status, url, detail or body)


def _detail(body: str) -> str | None:
    """Return the sentence in one of Gradio's own error bodies; None for any other body."""
    try:
        detail = json.loads(body).get("detail")
    except (ValueError, AttributeError):
        return None
    if isinstance(detail, dict):
        detail = detail.get("error")
    return None if detail is None else str(detail)


def _event_id(answer: Any) -> str | None:
    event_id = answer.get("event_id") if isinstance(answer, dict) else None
    if not isinstance(event_id, str):
        raise ProtocolError(f"The join was answered without an event_id: {answer!r:.200}")
    return event_id


def _is_passing(exc: QwenSpaceError) -> bool:
    """Whether a request that changes nothing is worth another try."""
    return isinstance(exc, (SpaceUnreachableError, SpaceUnavailableError, StreamInterruptedError))


def _was_never_sent(exc: QwenSpaceError) -> bool:
    """Whether a join cannot have been accepted, so that it may be sent again."""
    return isinstance(exc, SpaceUnreachableError)
