"""Requests to a Space: the one module that knows aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from qwen_space import hub
from qwen_space._version import __version__
from qwen_space.config import SpaceConfig, Timeouts
from qwen_space.errors import (
    AuthenticationError,
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

__all__ = ["Body", "Clock", "Transport"]

# Gradio's server closes idle connections after 5 seconds. A join that is sent on such a one is
# lost, and must not be repeated; so none is kept that long.
_KEEP_ALIVE = 3.0

_MOST_OF_AN_ERROR = 64 * 2**10  # bytes

_PROXY_LOGIN = "the proxy wants a user and a password (HTTP 407): http://user:password@host:port"

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
        has_moved: Whether that is another than the one given.
    """

    def __init__(self, config: SpaceConfig, session: aiohttp.ClientSession | None = None) -> None:
        self.config = config
        self.has_moved = False
        self._session = session
        self._owns_session = session is None

    async def close(self) -> None:
        """Close the connections. New ones are opened if it is used again."""
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def move(self, url: str) -> None:
        """Take another address as the app's."""
        self.config = replace(self.config, space=url)
        self.has_moved = True

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
            headers["Authorization"] = f"Bearer {self.config.hf_token}"
        try:
            return await self._json("GET", url, clock, headers)
        except SpaceStatusError as exc:
            target = urljoin(url, exc.location or url)
            if target == url or hub.origin(target) != hub.origin(url):
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
        with _translated(url, clock.timeouts):
            async with response:
                text = await response.text(errors="replace")
        try:
            return json.loads(text)
        except ValueError as exc:
            raise ProtocolError(f"{url} did not answer with JSON: {text[:200]!r}") from exc

    async def stream(self, url: str, clock: Clock) -> Body:
        """Open a stream of events; the caller closes it.

        Raises:
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        headers = self._headers("text/event-stream")
        return Body(await self._send("GET", url, clock, headers), clock)

    async def _send(
        self, method: str, url: str, clock: Clock, headers: dict[str, str], body: Any = None
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response, whose status is 200; the caller closes it."""
        data = None
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
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
            headers["X-HF-Authorization"] = f"Bearer {self.config.hf_token}"
        return {**headers, **self.config.headers}  # aiohttp takes the last, whatever its case


class Body:
    """The body of a stream of events, read as it comes.

    Args:
        response: The response, of which nothing has been read.
        clock: The time limits.
    """

    def __init__(self, response: aiohttp.ClientResponse, clock: Clock) -> None:
        self._response = response
        self._clock = clock

    def close(self) -> None:
        """Cut the connection: at once, and without awaiting, so in a cancelled task too."""
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if transport is not None and transport.get_extra_info("sslcontext") is not None:
            transport.abort()  # closing TLS politely takes turns of a loop that may be ending
        self._response.close()

    async def read(self, patience: float | None = None) -> bytes:
        """Return the next bytes; none at the end.

        Args:
            patience: Seconds after which the first token is late; None waits for ever.

        Raises:
            SpaceTimeoutError: A time limit passed.
            StreamInterruptedError: The connection broke.
        """
        reader = self._response.content
        with _translated(str(self._response.url), self._clock.timeouts):
            if patience is None:
                return await reader.readany()
            late = SpaceTimeoutError("first_token", self._clock.timeouts.first_token or 0)
            # Not wait_for, which makes a task of each read.
            timer = asyncio.get_running_loop().call_later(patience, reader.set_exception, late)
            try:
                return await reader.readany()
            finally:
                timer.cancel()


@contextlib.contextmanager
def _translated(url: str, timeouts: Timeouts) -> Iterator[None]:
    """Turn aiohttp's errors into ours. This is the only place that does."""
    try:
        yield
    except aiohttp.ClientResponseError as exc:
        _forget_request(url, exc)
        raise _of_response(url, exc) from exc
    except (aiohttp.InvalidURL, UnicodeError) as exc:  # the latter of a name such as "a..b"
        raise SpaceUnreachableError(url, f"not a valid address ({exc})") from exc
    except aiohttp.ConnectionTimeoutError as exc:
        raise SpaceTimeoutError("connect", timeouts.connect or 0) from exc
    except aiohttp.ServerTimeoutError as exc:
        raise SpaceTimeoutError("silence", timeouts.silence or 0) from exc
    except asyncio.TimeoutError as exc:
        if isinstance(exc, QwenSpaceError):
            raise
        raise SpaceTimeoutError("total", timeouts.total or 0) from exc
    except aiohttp.ClientConnectorError as exc:
        raise SpaceUnreachableError(url, str(exc)) from exc
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as exc:
        raise StreamInterruptedError("", str(exc) or type(exc).__name__) from exc
    except aiohttp.ClientError as exc:
        raise ProtocolError(f"{url} does not speak HTTP as it should: {exc}") from exc


def _forget_request(url: str, exc: aiohttp.ClientResponseError) -> None:
    """Take the request out of aiohttp's error, which stays on ours as the cause.

    It shows its headers, with the token in them, and the proxy's address, with the password.
    """
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(URL(url), "", headers, URL(url))
    exc.args, exc.history, exc.headers = (exc.request_info, ()), (), None


def _of_response(url: str, exc: aiohttp.ClientResponseError) -> QwenSpaceError:
    """Return what an answer that is none means: the Space's, or the proxy's."""
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        answered = f"the proxy answered HTTP {exc.status}"
        return SpaceUnreachableError(url, _PROXY_LOGIN if exc.status == 407 else answered)
    said = f"{exc.status}, {exc.message}"
    return ProtocolError(f"{url} does not speak HTTP as it should: {said:.300}")


async def _refusal(response: aiohttp.ClientResponse) -> QwenSpaceError:
    """Return the error that a status other than 200 means."""
    url, status = str(response.url.with_query(None)), response.status
    start = await response.content.read(_MOST_OF_AN_ERROR)
    body = start.decode(errors="replace").strip()
    detail = _detail(body)
    if 300 <= status < 400:
        location = response.headers.get("Location")
        return SpaceStatusError(status, url, f"moved to {location}", location)
    if status in {401, 403}:
        return AuthenticationError(url, detail or f"HTTP {status}")
    if status == 407:
        return SpaceUnreachableError(url, _PROXY_LOGIN)
    if status == 429:
        seconds = hub.retry_after(response.headers.get("Retry-After"), time.time())
        return QuotaError(detail or "Too many requests", seconds)
    if status == 503 and detail is not None:
        return QueueFullError(detail) if "full" in detail else SpaceUnavailableError(url, detail)
    if status in {502, 503, 504}:
        said = hub.page_text(body)[:200] or "no reason given"
        return SpaceUnavailableError(url, f"HTTP {status}: {said}", status=status)
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
