"""Requests to a Space, with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import selectors
import socket
import time
import weakref
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError

from qwen_space._version import __version__
from qwen_space.client import hub
from qwen_space.client.http_errors import refusal
from qwen_space.client.translation import no_http, translated
from qwen_space.config import Secret, SpaceConfig, Timeouts
from qwen_space.errors import (
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
)

__all__ = ["Body", "Clock", "Transport"]

# Gradio's server closes idle connections after 5 seconds. A join that is sent on such a one is
# lost, and must not be repeated; so none is kept that long.
_KEEP_ALIVE = 3.0

# How long a server may take to end the body of a reply that is complete. Gradio 6.31 takes half
# a millisecond, and the way from there is longer.
_ENDING = 0.25

_MOST_OF_AN_ERROR = 64 * 2**10  # bytes
_ERROR_SECONDS = 2.0  # for the rest of what says why

_EVENTS = "text/event-stream"

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # Windows has no poll

_USER_AGENT = f"qwen-space/{__version__}"

_HUB_SECONDS = 10.0  # a hub that takes longer is done without


class Clock:
    """The time that one reply takes, and the limits of each of its requests."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float | None:
        """Seconds until the limit of the whole reply; None if there is no limit."""
        total = self.timeouts.total
        return None if total is None else max(total - self.elapsed, 0.001)

    def limits(self) -> aiohttp.ClientTimeout:
        """Return the limits of the next request."""
        return aiohttp.ClientTimeout(
            total=self.left,
            connect=self.timeouts.connect,  # with the look-up of the name and TLS
            sock_read=self.timeouts.silence,
        )


class Transport:
    """Sends requests to one Space, and turns aiohttp's errors and bad statuses into ours.

    Redirects are not followed, but for one of `/config` within its host: they could lead the
    prompt or the token elsewhere.

    Args:
        config: Where the Space is, and what goes into the headers.
        session: A session to use; None makes one, which `close` then closes.

    Attributes:
        config: As given, but with the address at which the app was found.
    """

    def __init__(self, config: SpaceConfig, session: aiohttp.ClientSession | None = None) -> None:
        self.config = config
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None  # of a session of our own
        self._ending: set[Body] = set()

    async def close(self) -> None:
        """Close the connections. New ones are opened if it is used again."""
        for body in [*self._ending]:
            body.close()
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def move(self, url: str) -> None:
        """Take another address as the app's."""
        self.config = replace(self.config, space=url)

    async def app_config(self, clock: Clock) -> Any:
        """Return the JSON of the app's `/config`, and stay where a redirect within its host leads.

        Raises:
            ProtocolError: The answer is not JSON.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        url = f"{self.config.url}/config"
        try:
            return await self.json("GET", url, clock)
        except SpaceStatusError as exc:
            if (moved := hub.redirected(self.config.url, exc.location)) is None:
                raise
        target, address = moved
        self.move(address)
        return await self.json("GET", target, clock)

    async def ask_hub(self, url: str, clock: Clock) -> Any:
        """Return the JSON of the hub's answer, without waiting long.

        A Space that was renamed is a redirect, which is followed once and within the hub.

        Raises:
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        seconds = min(clock.left or _HUB_SECONDS, _HUB_SECONDS)
        clock = Clock(Timeouts(connect=seconds, silence=seconds, total=seconds))
        headers = {"Accept": "application/json", "User-Agent": _USER_AGENT}
        if self.config.hf_token is not None:
            headers["Authorization"] = Secret(f"Bearer {self.config.hf_token}")
        try:
            return await self._json("GET", url, clock, headers)
        except SpaceStatusError as exc:
            if (target := hub.moved_within(url, exc.location)) is None:
                raise
        return await self._json("GET", target, clock, headers)

    async def json(self, method: str, url: str, clock: Clock, body: Any = None) -> Any:
        """Send a request to the Space and return the JSON of its answer.

        Raises:
            ProtocolError: The answer is not JSON.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        return await self._json(method, url, clock, self._headers("application/json"), body)

    async def _json(
        self, method: str, url: str, clock: Clock, headers: dict[str, str], body: Any = None
    ) -> Any:
        response = await self._send(method, url, clock, headers, body)
        async with response:
            text = (await self._whole(Body(response, clock))).decode(errors="replace")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise ProtocolError(f"{url} did not answer with JSON: {text[:200]!r}") from exc

    async def _whole(self, body: Body) -> bytes:
        """Return a body, which may not be without end."""
        whole = bytearray()
        while data := await body.read():
            whole += data
            if len(whole) > self.config.max_size:
                raise ProtocolError(
                    f"{body.url} answered with more than {self.config.max_size} bytes; "
                    "raise max_size if that is to be expected."
                )
        return bytes(whole)

    async def stream(self, url: str, clock: Clock) -> Body:
        """Open a stream of events; the caller closes it.

        Raises:
            ProtocolError: The answer is no stream of events.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        response = await self._send("GET", url, clock, self._headers(_EVENTS))
        # How long, and how many, connections are kept in a session of the caller's is not ours
        # to say, so that a join could be lost or have to wait: there none is.
        body = Body(response, clock, self._ending if self._owns_session else None)
        # Not response.content_type, of which 2 KB would be kept with each stream.
        content_type = response.headers.get("Content-Type", _EVENTS).partition(";")[0].strip()
        if content_type.lower() == _EVENTS:
            body.limit_silence()
            return body
        async with response:
            said = hub.page_text(await body.start())
        raise ProtocolError(
            f"{body.url} answered with {content_type} in place of {_EVENTS}: {said:.200}"
        )

    async def _send(
        self, method: str, url: str, clock: Clock, headers: dict[str, str], body: Any = None
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response, whose status is 200; the caller closes it."""
        data = None
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
            data = io.BytesIO(json.dumps(body).encode())  # aiohttp warns of large bytes
        with translated(url, clock.timeouts):
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
                said = await Body(response, clock).start()
                url = str(response.url.with_query(None))
                raise refusal(url, response.status, response.headers, said)
        return response

    def _opened_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.CookieJar(unsafe=True),  # also of hosts without a name
            )
        if self._loop not in {None, loop}:
            raise RuntimeError(
                "This client belongs to another event loop, in which it was used before: make "
                "one for each loop, or close it there first."
            )
        return self._session

    def _headers(self, accept: str) -> dict[str, str]:
        """Return the headers of a request to the Space."""
        parts = urlsplit(self.config.url)
        headers = {
            "Accept": accept,
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": f"{self.config.url}/",
            "User-Agent": _USER_AGENT,
        }
        if self.config.hf_token is not None:
            # The front of Hugging Face takes this one away, so that the app never sees it.
            headers["X-HF-Authorization"] = Secret(f"Bearer {self.config.hf_token}")
        given = {name: Secret(value) for name, value in self.config.headers.items()}
        return {**headers, **given}  # aiohttp takes the last, whatever its case


class _Connector(aiohttp.TCPConnector):
    """Opens connections, and hands out again those that are as they should be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()

    async def connect(self, *request: Any, **options: Any) -> Connection:
        """Return a connection, but none on which the server said something without being asked.

        aiohttp would take that for the answer to the next request. It may also be that the server
        closes the connection, and a join would be lost on it.
        """
        connection = await super().connect(*request, **options)
        while connection.protocol in self._used and _was_spoken_on(connection):
            connection.close()
            connection = await super().connect(*request, **options)
        if connection.protocol is not None:
            self._used.add(connection.protocol)
        return connection

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Cut the connections, also those that the child of a fork holds."""
        for protocol in [*self._used]:
            if protocol.transport is not None:
                _cut(protocol.transport)
        await super().close(abort_ssl=abort_ssl)


class Body:
    """The body of an answer, read as it comes.

    Args:
        response: The response, of which nothing has been read.
        clock: The time limits.
        ending: Where a body is kept that comes to its end by itself; None if it may not.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, clock: Clock, ending: set[Body] | None = None
    ) -> None:
        self.url = str(response.url.with_query(None))
        self._response = response
        self._clock = clock
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._last_moment: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._waiting: tuple[float, int] | None = None  # since when, and what had come till then
        connection = response.connection  # None where all of the body is there
        self._protocol = None if connection is None else connection.protocol
        # aiohttp does not tell who reads that it has closed a connection on which something came
        # that is no HTTP: the reader would wait for ever.
        if (closed := getattr(self._protocol, "closed", None)) is not None:
            closed.add_done_callback(self._be_closed)
            response.content.on_eof(self._be_ended)

    def limit_silence(self) -> None:
        """Limit silence in aiohttp's place, which sets a timer anew for all that comes.

        That is a sixth of what it costs to wait for a token.
        """
        silence = self._clock.timeouts.silence
        if silence is not None and self._protocol is not None:
            self._protocol.read_timeout = None
            self._protocol.start_timeout()  # which ends the one that was set for the headers
            self._look = self._loop.call_later(silence, self._look_for_life, silence)

    def close(self) -> None:
        """Cut the connection: at once, and without awaiting, so in a cancelled task too."""
        self._forget_timers()
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            _cut(connection.transport)
        self._response.close()

    def let_end(self) -> None:
        """Leave the body, of which nothing more is wanted, so that its connection can be kept.

        Nobody waits for the end. aiohttp takes it when it comes, and keeps the connection then;
        what comes before it is dropped unread. Where too much comes, aiohttp stops taking it, and
        after a moment the connection is cut.
        """
        is_open = (
            self._response.connection is not None and self._response.content.exception() is None
        )
        if self._ending is None or not is_open or not self._loop.is_running():
            self.close()
            return
        self._ending.add(self)
        self._last_moment = self._loop.call_later(_ENDING, self.close)

    async def read(self, patience: float | None = None) -> bytes:
        """Return the next bytes; none at the end.

        Args:
            patience: Seconds after which the first token is late; None waits for ever.

        Raises:
            SpaceTimeoutError: A time limit passed.
            StreamInterruptedError: The connection broke.
        """
        if left := self._left():
            return left
        reader, timer = self._response.content, None
        if patience is not None:
            # Not wait_for, which makes a task of each read.
            timer = self._loop.call_later(patience, self._be_late, reader.total_bytes)
        self._waiting = self._loop.time(), reader.total_bytes
        try:
            return await reader.readany()
        except Exception:
            with translated(self.url, self._clock.timeouts):  # which costs a microsecond to enter
                raise
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    async def start(self) -> str:
        """Return the start of a body that says why there is no other; what is late is left out."""
        start = bytearray()
        with contextlib.suppress(QwenSpaceError):
            while len(start) < _MOST_OF_AN_ERROR and (data := await self.read(_ERROR_SECONDS)):
                start += data
        return start[:_MOST_OF_AN_ERROR].decode(errors="replace").strip()

    def _left(self) -> bytes:
        """Return what had arrived before the connection broke, and aiohttp would not hand out."""
        reader = self._response.content
        if (error := reader.exception()) is None:
            return b""
        reader.set_exception(None)  # type: ignore[arg-type]
        try:
            return reader.read_nowait()
        finally:
            reader.set_exception(error)

    def _be_ended(self) -> None:
        """Let go of the connection at the end of the body: it may serve many others."""
        late = self._last_moment is not None and self._loop.time() > self._last_moment.when()
        self._forget_timers()
        if self._protocol is None:
            return
        if (closed := self._protocol.closed) is not None:
            closed.remove_done_callback(self._be_closed)
            closed.remove_done_callback(_look_at)  # that of the one before
            closed.add_done_callback(_look_at)
        if late and self._protocol.transport is not None:  # in a loop that stood still
            self._protocol.transport.abort()

    def _forget_timers(self) -> None:
        if self._ending is not None:
            self._ending.discard(self)
        for timer in (self._last_moment, self._look):
            if timer is not None:
                timer.cancel()

    def _be_closed(self, closed: asyncio.Future[None]) -> None:
        """End the wait for more on a connection that has been closed."""
        _look_at(closed)
        reader = self._response.content
        if reader.is_eof() or reader.exception() is not None:
            return
        why = self._protocol and self._protocol.exception()
        said = why.message if isinstance(why, HttpProcessingError) else "it closed the connection"
        reader.set_exception(no_http(self.url, said))

    def _look_for_life(self, silence: float) -> None:
        """End the wait for more after so much silence; else look again when it would be so much."""
        reader, now = self._response.content, self._loop.time()
        since, had_come = self._waiting or (now, 0)
        if reader.total_bytes > had_come:  # it comes in this very moment
            since = now
        if now < since + silence:
            self._look = self._loop.call_at(since + silence, self._look_for_life, silence)
        elif reader.exception() is None:
            reader.set_exception(SpaceTimeoutError("silence", silence))

    def _be_late(self, had_come: int) -> None:
        """End the wait for the first token, unless something comes in this very moment."""
        reader = self._response.content
        if reader.total_bytes == had_come:
            limit = self._clock.timeouts.first_token or 0
            reader.set_exception(SpaceTimeoutError("first_token", limit))


def _was_spoken_on(connection: Connection) -> bool:
    """Whether something has come on a connection that is not in use, or is about to be read."""
    if connection.transport is None or connection.protocol is None:
        return True
    if (opened := connection.transport.get_extra_info("socket")) is None:
        return connection.protocol.should_close
    with _Selector() as selector:
        selector.register(opened, selectors.EVENT_READ)
        return connection.protocol.should_close or bool(selector.select(0))


def _look_at(closed: asyncio.Future[None]) -> None:
    """Ask why a connection was lost, as asyncio wants somebody to."""
    if not closed.cancelled():
        closed.exception()


def _cut(transport: asyncio.Transport) -> None:
    """End a connection, for the server too.

    Closing it is not enough: the child of a fork, if there is one, holds it open.
    """
    opened = transport.get_extra_info("socket")
    if opened is not None and opened.fileno() >= 0:
        with contextlib.suppress(OSError):  # the server was quicker
            # uvloop's own object refuses `shutdown`, and so the descriptor is borrowed for it.
            borrowed = socket.socket(fileno=opened.fileno())
            try:
                borrowed.shutdown(socket.SHUT_RDWR)
            finally:
                borrowed.detach()
    if transport.get_extra_info("sslcontext") is not None:
        transport.abort()  # closing TLS politely takes turns of a loop that may be ending
