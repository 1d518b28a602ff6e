"""Stops a reply at once when nobody listens any more.

Gradio looks at a dropped connection only between two pieces of a reply. While a model reads a
long prompt the next piece can take half a minute, in which it would work for nobody. So the
streams are watched here, around the app: when one is dropped, its session's replies are stopped
the way Gradio's own `/cancel` stops them, by cancelling the task that waits for the piece.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    MutableMapping,
)
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

__all__ = ["ASGIApp", "Replies", "Reply"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_LATE = (0.05, 0.2, 0.5)  # seconds after which a job that nobody hears is looked for again


class Reply(AsyncIterator[str]):
    """The pieces of one reply, which can be stopped from outside."""

    def __init__(self, pieces: AsyncGenerator[str, None]) -> None:
        self._pieces = pieces
        self._waiting: asyncio.Task[Any] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def __anext__(self) -> str:
        if self._closing is not None:
            await self.aclose()
            raise StopAsyncIteration
        self._waiting = asyncio.current_task()
        try:
            return await anext(self._pieces)
        finally:
            self._waiting = None

    def stop(self) -> None:
        """End the reply: now, whether a piece is waited for or not."""
        if self._waiting is not None:
            self._waiting.cancel()
        elif self._closing is None:  # kept, as the loop itself holds its tasks only weakly
            self._closing = asyncio.ensure_future(self._pieces.aclose())

    async def aclose(self) -> None:
        """Close the generator of the pieces."""
        if self._closing is not None:  # closing a generator twice at once is an error
            await asyncio.wait({self._closing})
        await self._pieces.aclose()


class Replies:
    """The replies on their way, by the session that they are for."""

    def __init__(self) -> None:
        self._open: defaultdict[str, set[Reply]] = defaultdict(set)
        self._heard: Counter[str] = Counter()  # the streams that are open, by their session

    async def heard(
        self, session: str | None, pieces: AsyncGenerator[str, None]
    ) -> AsyncGenerator[str, None]:
        """Yield `pieces` until they end, or until the session's stream is dropped."""
        reply, key = Reply(pieces), session or ""
        self._open[key].add(reply)
        try:
            async for piece in reply:
                yield piece
        finally:
            self._forget(key, reply)
            await reply.aclose()

    def _forget(self, session: str, reply: Reply) -> None:
        self._open[session].discard(reply)
        if not self._open[session]:
            del self._open[session]

    def stop(self, session: str) -> None:
        """End all replies of a session."""
        for reply in tuple(self._open.get(session, ())):
            reply.stop()

    def _stop_dropped(self, session: str) -> None:
        """End the replies of a session whose stream was dropped.

        And those that were about to begin: Gradio starts a job some turns of the loop before it
        asks for the first piece. By then a page may have opened a new stream.
        """
        self.stop(session)
        for seconds in _LATE:
            asyncio.get_running_loop().call_later(seconds, self._stop_unheard, session)

    def _stop_unheard(self, session: str) -> None:
        if session not in self._heard:
            self.stop(session)

    @contextmanager
    def _hearing(self, session: str) -> Iterator[None]:
        self._heard[session] += 1
        try:
            yield
        finally:
            self._heard[session] -= 1
            if not self._heard[session]:
                del self._heard[session]

    def watch(self, app: ASGIApp) -> ASGIApp:
        """Wrap `app`, so that a dropped stream stops the replies of its session."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            session = _session(scope)
            if session is None:
                await app(scope, receive, send)
                return
            complete = False

            async def watch_send(message: Message) -> None:
                nonlocal complete
                complete = message["type"] == "http.response.body" and not message.get("more_body")
                await send(message)

            async def watch_receive() -> Message:
                message = await receive()
                # A stream that ended of itself says nothing about the session's next job.
                if message["type"] == "http.disconnect" and not complete:
                    self._stop_dropped(session)
                return message

            with self._hearing(session):
                await app(scope, watch_receive, watch_send)

        return watched


def _session(scope: Scope) -> str | None:
    """The session that a request streams, if it is one for a stream.

    `/call/NAME/EVENT` has no session of its own: Gradio uses the event's id for it.
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    parts = scope["path"].split("/")
    if parts[-2:] == ["queue", "data"]:
        return next(iter(parse_qs(scope["query_string"].decode()).get("session_hash", ())), None)
    return parts[-1] if "call" in parts[-4:-2] else None
