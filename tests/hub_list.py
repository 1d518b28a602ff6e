"""A server on loopback that lists Spaces as the Hugging Face hub does, and serves their apps.

It answers as the hub's documentation says: `GET /api/spaces` with `search`, `filter`, `sort`,
`limit` and `expand`, a `Link` header to the next page, and 429 with `RateLimit` headers. Each app
has a port of its own, which the answers name as `host`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.scripted_server import CONFIG

__all__ = ["HubList", "Listed"]


@dataclass
class Listed:
    """A Space on the hub.

    Attributes:
        name: Its id.
        stage: The hub's word for its state.
        sdk: The hub's word for its framework.
        hardware: The machine.
        likes: How many people like it.
        models: The models that its owner names.
        config: The app's `/config`; a number is a status.
        queue: The length of its queue; None if it does not say.
        seconds: How long it takes to answer.
    """

    name: str
    stage: str = "RUNNING"
    sdk: str = "gradio"
    hardware: str | None = "cpu-basic"
    likes: int = 0
    models: list[str] = field(default_factory=list)
    config: Any = field(default_factory=lambda: CONFIG)
    queue: int | None = 0
    seconds: float = 0.0

    @property
    def subdomain(self) -> str:
        return self.name.lower().replace("/", "-").replace(".", "-")

    def info(self, host: str) -> dict[str, Any]:
        """Return the hub's answer about it."""
        return {
            "_id": self.subdomain,
            "id": self.name,
            "likes": self.likes,
            "private": False,
            "sdk": self.sdk,
            "tags": [self.sdk, "region:us"],
            "models": self.models,
            "subdomain": self.subdomain,
            "host": host,
            "runtime": {
                "stage": self.stage,
                "hardware": {"current": self.hardware, "requested": self.hardware},
                "storage": None,
                "gcTimeout": 172_800,
                "replicas": {"current": 1, "requested": 1},
            },
        }


class HubList:
    """Lists Spaces, within `async with`.

    Args:
        spaces: The Spaces.
        page: How many are in a page.
        refusals: The answers before the first that is none.
        nonsense: The answer in place of a list.

    Attributes:
        asked: The queries, in order.
        looked: The ids of the Spaces whose `/config` was asked for.
        most: How many were looked at at once.
        tokens: The tokens that came with requests, to the hub and to apps.
    """

    def __init__(
        self,
        spaces: Sequence[Listed] = (),
        *,
        page: int = 1_000,
        refusals: Sequence[web.Response] = (),
        nonsense: Any = None,
    ) -> None:
        self._spaces = list(spaces)
        self._apps: dict[int | None, Listed] = {}  # by their ports
        self._page = page
        self._refusals = list(refusals)
        self._nonsense = nonsense
        self.asked: list[dict[str, Any]] = []
        self.looked: list[str] = []
        self.most = self._now = 0
        self.tokens: list[tuple[str, str]] = []

    async def __aenter__(self) -> HubList:  # noqa: PYI034 - Self is of Python 3.11
        app = web.Application()
        app.router.add_get("/api/spaces", self._list)
        app.router.add_get("/config", self._config)
        app.router.add_get("/queue/status", self._queue)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        self.url = f"http://127.0.0.1:{await self._listen()}"
        self._apps = {await self._listen(): space for space in self._spaces}
        self._hosts = {each.name: f"http://127.0.0.1:{port}" for port, each in self._apps.items()}
        return self

    async def _listen(self) -> int:
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[-1][1]
        return port

    async def __aexit__(self, *exc_info: object) -> None:
        await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        self._note("hub", request)
        query = dict(request.query)
        self.asked.append({**query, "expand": request.query.getall("expand", [])})
        if self._refusals:
            return self._refusals.pop(0)
        if self._nonsense is not None:
            return web.json_response(self._nonsense)
        found = [
            each
            for each in sorted(self._spaces, key=lambda each: -each.likes)
            if query.get("search", "").lower() in each.name.lower()
            and query.get("filter") in {None, each.sdk}
        ]
        start = int(query.get("cursor", 0))
        most = min(self._page, int(query.get("limit", self._page)))
        page = [each.info(self._hosts[each.name]) for each in found[start : start + most]]
        headers = {}
        if start + most < len(found):
            following = request.url.update_query(cursor=start + most)
            headers["Link"] = f'<{self.url}{following.path_qs}>; rel="next"'
        return web.json_response(page, headers=headers)

    async def _config(self, request: web.Request) -> web.Response:
        space = self._apps[request.url.port]
        self._note(space.name, request)
        self.looked.append(space.name)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(space.seconds)
        self._now -= 1
        if isinstance(space.config, int):
            return web.json_response({"detail": "?"}, status=space.config)
        return web.json_response(space.config)

    async def _queue(self, request: web.Request) -> web.Response:
        space = self._apps[request.url.port]
        if space.queue is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response({"msg": "estimation", "queue_size": space.queue})

    def _note(self, name: str, request: web.Request) -> None:
        for header in ("Authorization", "X-HF-Authorization"):
            if header in request.headers:
                self.tokens.append((name, request.headers[header]))
