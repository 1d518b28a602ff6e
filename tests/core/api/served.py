"""A Space that answers by script, behind OpenAI's interface, and a client of it."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from qwen_space import Space
from qwen_space.api import ApiOptions
from tests.api_server import aserving
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events
from tests.scripted_server import ScriptedServer

HI = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "qwen-2.5", "messages": HI}
PATH = "/v1/chat/completions"


class Client:
    """Speaks to a server.

    Args:
        session: Sends the requests.
        url: The server's address.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(self, path: str = PATH, **options: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        method = "POST" if options.keys() & {"json", "data"} else "GET"
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, json.loads(await response.read())

    async def chunks(self, **options: Any) -> list[Any]:
        """Return the events of a stream; comments are left out."""
        body = {**CHAT, "stream": True, **options}
        async with self.session.post(self.url + PATH, json=body) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            text = await response.text()
        lines = [line for line in text.split("\n\n") if line.startswith("data: ")]
        assert lines.pop() == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines]


class Served:
    """Serves a Space while its block runs."""

    def __init__(self, space: Any, **options: Any) -> None:
        self._server = aserving(space, ApiOptions(**options))
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Client:
        return Client(self._session, await self._server.__aenter__())

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()
        await self._server.__aexit__(None, None, None)


def scripted(*replies: str, **facts: Any) -> ScriptedSession:
    return ScriptedSession([reply_events(reply, size=4, **facts) for reply in replies])


def make_space(server: ScriptedServer) -> Space:
    return Space(server.url, max_retries=0)
