"""Requests to a Space, with aiohttp."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import copy
import io
import json
import ssl
import time
import warnings
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from qwen_space._version import __version__
from qwen_space.client import hub
from qwen_space.client.aiohttp_internals import Connector
from qwen_space.client.background import BackgroundTasks
from qwen_space.client.body import Body
from qwen_space.client.deadline import Deadline
from qwen_space.client.http_errors import error_detail, error_from_response, map_aiohttp_errors
from qwen_space.client.login import NOT_LOGGED_IN, Login, login_error, login_form
from qwen_space.client.proxies import Proxy, choose_proxy, environment_proxies, is_this_machine
from qwen_space.client.tls import TLSFileError, tls_context
from qwen_space.config import Secret, SpaceConfig, Timeouts
from qwen_space.errors import (
    AuthenticationError,
    ProtocolError,
    SpaceStatusError,
    SpaceUnreachableError,
)
from qwen_space.gradio.wire.large_json import LARGE, decode_large

__all__ = ["Content", "Transport"]

# Gradio's server closes idle connections after 5 seconds. A join that is sent on such a one is
# lost, and must not be repeated; so none is kept that long.
_KEEP_ALIVE = 3.0

_JSON = "application/json"
_EVENTS = "text/event-stream"
_FORM = "application/x-www-form-urlencoded"

_USER_AGENT = f"qwen-space/{__version__}"

# Of a head. A page's policy of contents alone may be over aiohttp's 8 KB, and browsers take as
# many cookies of one host.
_MAX_HEADER_SIZE = 64 * 2**10  # bytes
_MAX_HEADERS = 256

_OK = frozenset({200, 201, 203})  # the others of servers in front, such as 203 of a changed answer

_HUB_SECONDS = 10.0  # a hub that takes longer is done without


class Content(msgspec.Struct, frozen=True):
    """The body of a request.

    Attributes:
        type: Its `Content-Type`.
        size: Its bytes.
        open: Returns it, anew for each try.
    """

    type: str
    size: int
    open: Callable[[], io.BytesIO | AsyncIterable[bytes | memoryview]]


def _content(kind: str, data: bytes) -> Content:
    return Content(kind, len(data), partial(io.BytesIO, data))  # aiohttp warns of large bytes


class Transport:
    """Sends requests to one Space, and turns aiohttp's errors and bad statuses into ours.

    Redirects are not followed, but for one of `/config` within its host: they could lead the
    prompt or the token elsewhere.

    Args:
        config: The Space's address, and the values of the headers.
        session: A session to use; None makes one, which `close` then closes. The proxies of the
            environment, and the certificates, are then the session's affair, unless `config`
            names some.
        login: The login of the app, if others use it too.

    Attributes:
        config: As given, but with the address at which the app was found.
        background: Gives up the jobs of callers who were cancelled.
        call_headers: The headers of one call, on top of those of `config`.
    """

    def __init__(
        self,
        config: SpaceConfig,
        session: aiohttp.ClientSession | None = None,
        login: Login | None = None,
    ) -> None:
        self.config = config
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None  # of a session of our own
        self._released: set[Body] = set()
        self.background = BackgroundTasks()
        self._closing: asyncio.Task[None] | None = None
        self._login = login or Login()
        self._login_lock = asyncio.Lock()
        self.call_headers: Mapping[str, str] = {}
        self._environment: dict[str, str] | None = None  # the proxies that it names

    def with_headers(self, headers: Mapping[str, str] | None) -> Transport:
        """Return the transport of one call, which adds headers and shares everything else."""
        if not headers:
            return self
        self._opened_session()
        call = copy.copy(self)
        call.call_headers = headers
        return call

    async def close(self) -> None:
        """Close the connections, once the jobs that are being given up are.

        A caller who is cancelled meanwhile does not keep that from happening.
        New connections are opened if it is used again.
        """
        for body in [*self._released]:
            body.close()
        if not self.background:
            await self._close_session()
            return
        if self._closing is None or self._closing.done():
            self._closing = asyncio.get_running_loop().create_task(self._close_later())
        await asyncio.shield(self._closing)

    async def _close_later(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the loop ends, and its tasks do
            await self.background.wait()
        await self._close_session()

    async def _close_session(self) -> None:
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    @property
    def is_connected(self) -> bool:
        """Whether a connection of ours is open, so that the same server is still there."""
        connector = None if self._session is None else self._session.connector
        return isinstance(connector, Connector) and connector.is_connected

    def move(self, url: str) -> None:
        """Take another address as the app's."""
        self.config = replace(self.config, space=url)

    async def app_config(self, deadline: Deadline) -> Any:
        """Return the JSON of the app's `/config`, and stay where a redirect within its host leads.

        Raises:
            ProtocolError: The answer is not JSON.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        url = f"{self.config.url}/config"
        try:
            return await self.json("GET", url, deadline)
        except SpaceStatusError as exc:
            if (moved := hub.app_redirect(self.config.url, exc.location)) is None:
                raise
        target, address = moved
        self.move(address)
        return await self.json("GET", target, deadline)

    async def ask_hub(self, url: str, deadline: Deadline) -> Any:
        """Return the JSON of the hub's answer, without waiting long.

        A Space that was renamed is a redirect, which is followed once and within the hub.

        Raises:
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        seconds = min(deadline.remaining or _HUB_SECONDS, _HUB_SECONDS)
        deadline = Deadline(Timeouts(connect=seconds, silence=seconds, total=seconds))
        headers = {"Accept": "application/json", "User-Agent": _USER_AGENT}
        if self.config.hf_token is not None:
            headers["Authorization"] = Secret(f"Bearer {self.config.hf_token}")
        try:
            response = await self._send("GET", url, deadline, headers)
        except SpaceStatusError as exc:
            if (target := hub.own_redirect(url, exc.location)) is None:
                raise
            url, response = target, await self._send("GET", target, deadline, headers)
        return await self._parsed(url, response, deadline)

    async def json(self, method: str, url: str, deadline: Deadline, body: Any = None) -> Any:
        """Send a request to the Space and return the JSON of its answer.

        Raises:
            ProtocolError: The answer is not JSON.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        content = None if body is None else _content(_JSON, json.dumps(body).encode())
        response = await self._send_to_app(method, url, deadline, self._headers(_JSON), content)
        return await self._parsed(url, response, deadline)

    async def post(self, url: str, deadline: Deadline, content: Content) -> Any:
        """Send any content to the Space and return the JSON of its answer; errors as of `json`."""
        response = await self._send_to_app("POST", url, deadline, self._headers(_JSON), content)
        return await self._parsed(url, response, deadline)

    async def download(self, url: str, deadline: Deadline, max_size: int) -> bytes:
        """Return the bytes at an address, to which secrets are sent only if it is the Space's own.

        Raises:
            ProtocolError: There are more bytes than `max_size`.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        if _origin(url) == _origin(self.config.url):
            response = await self._send_to_app("GET", url, deadline, self._headers("*/*"))
        else:
            response = await self._send("GET", url, deadline, {"User-Agent": _USER_AGENT})
        async with response:
            return await self._whole(Body(response, deadline), max_size)

    async def _parsed(self, url: str, response: aiohttp.ClientResponse, deadline: Deadline) -> Any:
        """Return the JSON of a response, which is closed then."""
        async with response:
            data = await self._whole(Body(response, deadline))
        try:
            return await _load(data)
        except (ValueError, RecursionError, ProtocolError) as exc:
            start = data[:200].decode(errors="replace")
            raise ProtocolError(f"{url} did not answer with JSON that fits: {start!r}") from exc

    async def _whole(self, body: Body, max_size: int | None = None) -> bytes:
        """Return a body, which may not be without end."""
        limit = self.config.max_size if max_size is None else max_size
        whole, start = bytearray(), time.monotonic()
        while data := await body.read():
            whole += data
            body.deadline.check_pace(time.monotonic() - start, len(whole))
            if len(whole) > limit:
                raise ProtocolError(
                    f"{body.url} answered with more than {limit} bytes; "
                    "raise max_size if that is to be expected."
                )
        return bytes(whole)

    async def stream(self, url: str, deadline: Deadline) -> Body:
        """Open a stream of events; the caller closes it.

        Raises:
            ProtocolError: The answer is no stream of events.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        # A server in front that compresses holds every token back until a block is full.
        headers = {"Accept-Encoding": "identity", **self._headers(_EVENTS)}
        response = await self._send_to_app("GET", url, deadline, headers)
        # How long, and how many, connections are kept in a session of the caller's is not ours
        # to say, so that a join could be lost or have to wait: there none is.
        body = Body(response, deadline, self._released if self._owns_session else None)
        # Not response.content_type, which would keep 2 KB with each stream.
        content_type = response.headers.get("Content-Type", _EVENTS).partition(";")[0].strip()
        if content_type.lower() == _EVENTS:
            body.limit_silence()
            return body
        async with response:
            said = hub.page_text(await body.read_error())
        raise ProtocolError(
            f"{body.url} answered with {content_type} in place of {_EVENTS}: {said:.200}"
        )

    async def _send_to_app(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: dict[str, str],
        content: Content | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request, again after a login where the app wants one: it has refused it whole."""
        cookie = self._login.cookie
        try:
            return await self._send(method, url, deadline, self._logged_in(headers), content)
        except AuthenticationError as exc:
            if self.config.auth is None or exc.detail != NOT_LOGGED_IN:
                raise
        await self._log_in(cookie, deadline)
        return await self._send(method, url, deadline, self._logged_in(headers), content)

    def _logged_in(self, headers: dict[str, str]) -> dict[str, str]:
        """Return headers with the cookie of the login, beside any that the caller gave."""
        if not self._login.cookie:
            return headers
        given = [value for name, value in headers.items() if name.lower() == "cookie"]
        rest = {name: value for name, value in headers.items() if name.lower() != "cookie"}
        return {**rest, "Cookie": Secret("; ".join([*given, self._login.cookie]))}

    async def _log_in(self, refused: str, deadline: Deadline) -> None:
        """Log in to the app, unless another call has done so since a cookie was refused."""
        assert self.config.auth is not None  # noqa: S101 - it is asked for only then
        async with self._login_lock:
            if self._login.cookie != refused:
                return
            url = f"{self.config.url}/login"
            form = _content(_FORM, login_form(self.config.auth))
            response = await self._request("POST", url, deadline, self._headers(_JSON), form)
            async with response:
                said = await Body(response, deadline).read_error()
                if response.status != 200:
                    raise login_error(url, response.status, error_detail(said))
                self._login.take(url, response.cookies)

    async def _send(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: dict[str, str],
        content: Content | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response if that is an answer; the caller closes it."""
        response = await self._request(method, url, deadline, headers, content)
        if response.status not in _OK:
            async with response:
                said = await Body(response, deadline).read_error()
                url = str(response.url.with_query(None))
                raise error_from_response(
                    url, response.status, response.headers, said, self._proxy(url)
                )
        return response

    async def _request(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: dict[str, str],
        content: Content | None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response; the caller closes it."""
        session, proxy = self._opened_session(), self._proxy(url)
        tls = await self._tls(url, proxy)
        size, data = 0, None
        if content is not None:
            size, data = content.size, content.open()
            headers = {**headers, "Content-Type": content.type, "Content-Length": str(size)}
        with map_aiohttp_errors(url, deadline.timeouts, proxy):
            request = session.request(
                method,
                url,
                data=data,
                ssl=tls,
                timeout=deadline.request_timeout(),
                allow_redirects=False,
                **self._through(proxy, url, headers),
            )
            return await deadline.limit_head(request, size)

    def _through(self, proxy: Proxy | None, url: str, headers: dict[str, Any]) -> dict[str, Any]:
        """Return aiohttp's arguments of the headers and of the proxy that a request goes through.

        Raises:
            SpaceUnreachableError: No request can go through it.
        """
        if proxy is None:
            return {"headers": headers}
        if (fault := proxy.fault) is not None:
            raise SpaceUnreachableError(url, fault, retryable=False, remedy=proxy.remedy)
        if proxy.is_socks:
            if not self._owns_session:
                fault = f"the proxy {proxy} speaks SOCKS, and the connector of this session may not"
                remedy = "Give SpaceClient a session whose connector speaks SOCKS, and no proxy."
                raise SpaceUnreachableError(url, fault, retryable=False, remedy=remedy)
            return {"headers": headers}  # the connector knows it
        # Apart from the address, which errors and aiohttp's own objects show. A tunnel has headers
        # of its own, which the app does not get.
        login = {} if (given := proxy.authorization) is None else {"Proxy-Authorization": given}
        if url.startswith("https:"):
            return {"headers": headers, "proxy": str(proxy), "proxy_headers": login}
        return {"headers": {**headers, **login}, "proxy": str(proxy)}

    def _find_socks(self, url: str) -> str | None:
        proxy = self._proxy(url)
        return proxy.url if proxy is not None and proxy.is_socks else None

    def _proxy(self, url: str) -> Proxy | None:
        if self._environment is None:
            if self.config.proxy is None and is_this_machine(url):
                return None  # without a look at all variables, 4 % of a short call
            is_used = self.config.trust_env and self._owns_session
            self._environment = environment_proxies() if is_used else {}
        return choose_proxy(self.config, url, self._environment)

    async def _tls(self, url: str, proxy: Proxy | None) -> ssl.SSLContext | bool:
        """Return how the certificate of a server is checked, as aiohttp takes it."""
        is_tls = any(each.startswith("https:") for each in (url, proxy.url if proxy else ""))
        if not is_tls or (self.config.verify is True and not self._owns_session):
            return True
        if self.config.verify is False:
            warnings.warn(
                f"verify=False: the certificate of {self.config.url} is not checked, so anyone on "
                "the way can read and change what is sent. A file of certificates is safer.",
                stacklevel=2,
            )
        try:
            return await tls_context(self.config)
        except TLSFileError as exc:
            remedy = (
                "Give a file of certificates in PEM form, or a folder of such (openssl x509 "
                "-inform der -in ca.cer -out ca.pem changes the form)."
            )
            raise SpaceUnreachableError(url, str(exc), retryable=False, remedy=remedy) from exc

    def _opened_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=Connector(self._find_socks, limit=0, keepalive_timeout=_KEEP_ALIVE),
                # Also of hosts without a name, and sent as they came: a load balancer's are in
                # base64, and mean nothing in quotes.
                cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False),
                max_line_size=_MAX_HEADER_SIZE,
                max_field_size=_MAX_HEADER_SIZE,
                max_headers=_MAX_HEADERS,
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
        given = {**self.config.headers, **self.call_headers}
        given = {name: Secret(value) for name, value in given.items()}
        return {**headers, **given}  # aiohttp takes the last, whatever its case


async def _load(data: bytes) -> Any:
    """Return the value of some JSON; others run between the slices of a large one."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if len(data) <= LARGE:
        return json.loads(data.decode(errors="replace"))
    decoding = decode_large(data)
    try:
        while True:
            next(decoding)
            await asyncio.sleep(0)
    except StopIteration as end:
        return end.value


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
