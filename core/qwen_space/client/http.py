"""Requests to a Space, with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from qwen_space._version import __version__
from qwen_space.client import hub
from qwen_space.client.aiohttp_internals import Connector
from qwen_space.client.background import BackgroundTasks
from qwen_space.client.body import Body
from qwen_space.client.deadline import Deadline
from qwen_space.client.http_errors import refusal
from qwen_space.client.translation import translated
from qwen_space.config import Secret, SpaceConfig, Timeouts
from qwen_space.errors import ProtocolError, SpaceStatusError

__all__ = ["Transport"]

# Gradio's server closes idle connections after 5 seconds. A join that is sent on such a one is
# lost, and must not be repeated; so none is kept that long.
_KEEP_ALIVE = 3.0

_EVENTS = "text/event-stream"

_USER_AGENT = f"qwen-space/{__version__}"

_HUB_SECONDS = 10.0  # a hub that takes longer is done without


class Transport:
    """Sends requests to one Space, and turns aiohttp's errors and bad statuses into ours.

    Redirects are not followed, but for one of `/config` within its host: they could lead the
    prompt or the token elsewhere.

    Args:
        config: Where the Space is, and what goes into the headers.
        session: A session to use; None makes one, which `close` then closes.

    Attributes:
        config: As given, but with the address at which the app was found.
        background: Gives up the jobs of callers who were cancelled.
    """

    def __init__(self, config: SpaceConfig, session: aiohttp.ClientSession | None = None) -> None:
        self.config = config
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None  # of a session of our own
        self._released: set[Body] = set()
        self.background = BackgroundTasks()
        self._closing: asyncio.Task[None] | None = None

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
            if (moved := hub.redirected(self.config.url, exc.location)) is None:
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
            return await self._json("GET", url, deadline, headers)
        except SpaceStatusError as exc:
            if (target := hub.moved_within(url, exc.location)) is None:
                raise
        return await self._json("GET", target, deadline, headers)

    async def json(self, method: str, url: str, deadline: Deadline, body: Any = None) -> Any:
        """Send a request to the Space and return the JSON of its answer.

        Raises:
            ProtocolError: The answer is not JSON.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        return await self._json(method, url, deadline, self._headers("application/json"), body)

    async def _json(
        self, method: str, url: str, deadline: Deadline, headers: dict[str, str], body: Any = None
    ) -> Any:
        response = await self._send(method, url, deadline, headers, body)
        async with response:
            text = (await self._whole(Body(response, deadline))).decode(errors="replace")
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

    async def stream(self, url: str, deadline: Deadline) -> Body:
        """Open a stream of events; the caller closes it.

        Raises:
            ProtocolError: The answer is no stream of events.
            QwenSpaceError: There is no answer, or it is a refusal.
        """
        response = await self._send("GET", url, deadline, self._headers(_EVENTS))
        # How long, and how many, connections are kept in a session of the caller's is not ours
        # to say, so that a join could be lost or have to wait: there none is.
        body = Body(response, deadline, self._released if self._owns_session else None)
        # Not response.content_type, of which 2 KB would be kept with each stream.
        content_type = response.headers.get("Content-Type", _EVENTS).partition(";")[0].strip()
        if content_type.lower() == _EVENTS:
            body.limit_silence()
            return body
        async with response:
            said = hub.page_text(await body.read_error())
        raise ProtocolError(
            f"{body.url} answered with {content_type} in place of {_EVENTS}: {said:.200}"
        )

    async def _send(
        self, method: str, url: str, deadline: Deadline, headers: dict[str, str], body: Any = None
    ) -> aiohttp.ClientResponse:
        """Send a request and return its response, whose status is 200; the caller closes it."""
        data = None
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
            data = io.BytesIO(json.dumps(body).encode())  # aiohttp warns of large bytes
        with translated(url, deadline.timeouts):
            response = await self._opened_session().request(
                method,
                url,
                data=data,
                headers=headers,
                proxy=self.config.proxy,
                timeout=deadline.request_timeout(),
                allow_redirects=False,
            )
        if response.status != 200:
            async with response:
                said = await Body(response, deadline).read_error()
                url = str(response.url.with_query(None))
                raise refusal(url, response.status, response.headers, said)
        return response

    def _opened_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=Connector(limit=0, keepalive_timeout=_KEEP_ALIVE),
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
