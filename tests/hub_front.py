"""A server on loopback that plays the Hugging Face hub, and the front before its Spaces.

All names under `hub.test` lead to it, in the session that it gives. It is the hub under that name
itself, and the front of one Space under each name below it. Its answers are written down as
a sequence; the last one stays.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from qwen_space import Notice, QwenSpaceError, SpaceClient, SpaceConfig
from tests.scripted_server import CONFIG, EVENT_ID, completed, estimation, generating, starts

__all__ = [
    "APP",
    "BUSY",
    "GATEWAY",
    "IN_ERROR",
    "NOT_FOUND",
    "PAGE_404",
    "STREAMLIT",
    "TOKEN",
    "Answer",
    "HubFront",
    "Seen",
    "ask",
    "notices",
    "told",
]

DOMAIN = "hub.test"
TOKEN = "hf_very_secret"
APP = True  # the app's own answer

PAGE_404 = (
    "<!doctype html>\n<html><head><title>Hugging Face</title></head><body><h1>404</h1>"
    "<p>Sorry, we can&#39;t find the page you are looking for.</p></body></html>"
)


@dataclass(frozen=True)
class Answer:
    """A status with its body: a string is HTML, anything else is JSON."""

    status: int
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)


IN_ERROR = Answer(503, "Your space is in error, check its status on hf.co")
BUSY = Answer(503, "<!DOCTYPE html><html><head><title>x</title></head><body>Loading</body></html>")
GATEWAY = Answer(502, "<html><body>Bad Gateway</body></html>")
NOT_FOUND = Answer(404, PAGE_404)
STREAMLIT = Answer(200, "<!doctype html><title>Streamlit</title>")


@dataclass(frozen=True)
class Seen:
    """A request, as it came: its host, its path, and all headers."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def told(stage: str, host: str | None = None, name: str = "owner/name") -> Answer:
    """Answer as the hub does about a Space."""
    return Answer(200, {"id": name, "host": host, "runtime": {"stage": stage}})


class HubFront:
    """Answers on loopback, within `async with`.

    Args:
        config: The front's answer to `/config`; True is the app's own.
        hub: The hub's answer about the Space; None cuts the connection, False never answers.
        join: The answer to `/queue/join`; True is the app's own.

    Attributes:
        seen: All requests, in order.
        names: All names that were looked up, in order.
    """

    def __init__(
        self,
        config: Sequence[Answer | bool] = (True,),
        hub: Sequence[Answer | bool | None] = (None,),
        join: Sequence[Answer | bool] = (True,),
    ) -> None:
        self._config, self._hub, self._join = list(config), list(hub), list(join)
        self.seen: list[Seen] = []
        self.names: list[str] = []

    async def __aenter__(self) -> HubFront:  # noqa: PYI034 - Self is of Python 3.11
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        connector = aiohttp.TCPConnector(resolver=_Names(self.names))
        self.session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.session.close()
        await self._runner.cleanup()

    @property
    def hub(self) -> str:
        return f"http://{DOMAIN}:{self.port}"

    def space(self, name: str = "owner-name") -> str:
        return f"http://{name}.{DOMAIN}:{self.port}"

    def client(self, space: str | None = None, **options: Any) -> SpaceClient:
        """Return a client of a Space here, which knows of no other network."""
        options = {"max_retries": 0, "hub": self.hub, **options}
        config = SpaceConfig(space=self.space() if space is None else space, **options)
        return SpaceClient.from_config(config, session=self.session)

    def of(self, path: str) -> list[Seen]:
        """Return the requests for a path, in order; queries do not count."""
        return [each for each in self.seen if each.path.partition("?")[0] == path]

    @property
    def asked(self) -> list[str]:
        """The requests to the hub, in order."""
        return [each.path for each in self.seen if each.host == DOMAIN]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = (request.url.host or "").lower()
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(host, request.method, request.path_qs, headers, body))
        if host == DOMAIN:
            return await self._from(self._hub, request, _cut)
        match request.path.rstrip("/").split("/")[-2:]:
            case [*_, "config"]:
                return await self._from(self._config, request, _app)
            case ["queue", "join"]:
                return await self._from(self._join, request, _joined)
            case ["queue", "data"]:
                return await _reply(request)
        return web.json_response({"detail": "Not Found"}, status=404)

    async def _from(
        self,
        script: list[Any],
        request: web.BaseRequest,
        otherwise: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        answer = script[0] if len(script) == 1 else script.pop(0)
        if answer is False:
            await asyncio.Event().wait()
        if not isinstance(answer, Answer):
            return await otherwise(request)
        is_text = isinstance(answer.body, str)
        return web.Response(
            status=answer.status,
            text=answer.body if is_text else json.dumps(answer.body),
            content_type="text/html" if is_text else "application/json",
            headers=answer.headers,
        )


class _Names(AbstractResolver):
    """Knows the names under `hub.test`, and no other."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self._asked.append(host)
        if host != DOMAIN and not host.endswith(f".{DOMAIN}"):
            raise OSError(None, "Name or service not known")
        address = ResolveResult(
            hostname=host,
            host="127.0.0.1",
            port=port,
            family=socket.AF_INET,
            proto=0,
            flags=socket.AI_NUMERICHOST,
        )
        return [address]

    async def close(self) -> None:
        pass


async def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def _app(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response(CONFIG, headers={"Set-Cookie": "spaces-jwt=one; Path=/"})


async def _joined(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"event_id": EVENT_ID})


async def _reply(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for message in (estimation(), starts(), generating("Hello"), completed("Hello there.")):
        await response.write(b"data: %s\n\n" % json.dumps(message).encode())
    return response


async def ask(server: HubFront, space: str | None = None, **options: Any) -> list[Any]:
    """Ask, and return the events, with an error that was raised as the last of them."""
    got: list[Any] = []
    async with server.client(space, **options) as client:
        try:
            async with client.stream("Hi") as events:
                async for event in events:
                    got.append(event)  # noqa: PERF401 - a comprehension would lose them
        except QwenSpaceError as exc:
            got.append(exc)
    return got


def notices(got: list[Any]) -> list[str]:
    """Return the notices among events."""
    return [event.message for event in got if isinstance(event, Notice)]
