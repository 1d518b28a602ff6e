"""Cancels a reply at once when its client has gone.

Gradio looks for a dropped connection only between two pieces of a reply. While a model reads a
long prompt the next piece can take half a minute. So this module watches the streams around the
app: when one is dropped, the replies of its session are cancelled as Gradio's own `/cancel` does
it, through the task that waits for the piece.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CancellableStream", "SessionStreams"]

T = TypeVar("T")

# Seconds after a drop at which to look for replies that have begun since.
_LATE = (0.05, 0.2, 0.5)


class CancellableStream(AsyncIterator[T], Generic[T]):
    """One reply's pieces, which another task can cancel."""

    def __init__(self, pieces: AsyncGenerator[T, None]) -> None:
        self._pieces = pieces
        self._waiting: asyncio.Task[Any] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    async def __anext__(self) -> T:
        if self._closing is not None:
            await self.aclose()
            raise self._error or StopAsyncIteration
        self._waiting = asyncio.current_task()
        try:
            return await anext(self._pieces)
        except asyncio.CancelledError:
            if self._error is None:
                raise
            raise self._error from None
        finally:
            self._waiting = None

    def cancel(self, error: Exception | None = None) -> None:
        """End the reply now, also while a piece is awaited; with an error for its reader."""
        self._error = error
        if self._waiting is not None:
            self._waiting.cancel()
        elif self._closing is None:  # kept, as the loop itself holds its tasks only weakly
            self._closing = asyncio.ensure_future(self._pieces.aclose())

    async def aclose(self) -> None:
        """Close the generator of the pieces."""
        if self._closing is not None:  # closing a generator twice at once is an error
            await asyncio.wait({self._closing})
        await self._pieces.aclose()


class SessionStreams:
    """The running replies of each session."""

    def __init__(self) -> None:
        self._open: defaultdict[str, set[CancellableStream[Any]]] = defaultdict(set)
        self._clients: Counter[str] = Counter()  # the open connections of each session

    async def track(
        self, session: str | None, pieces: AsyncGenerator[T, None]
    ) -> AsyncGenerator[T, None]:
        """Yield `pieces` until they end or the session's connection is dropped."""
        reply, key = CancellableStream(pieces), session or ""
        self._open[key].add(reply)
        try:
            async for piece in reply:
                yield piece
        finally:
            self._forget(key, reply)
            await reply.aclose()

    def _forget(self, session: str, reply: CancellableStream[Any]) -> None:
        self._open[session].discard(reply)
        if not self._open[session]:
            del self._open[session]

    def cancel(self, session: str) -> None:
        """Cancel all replies of a session."""
        for reply in tuple(self._open.get(session, ())):
            reply.cancel()

    async def end(self, error: Exception, grace: float) -> None:
        """Cancel all replies with an error; return when the clients have gone, or after `grace`.

        Args:
            error: Raised in the readers of the replies.
            grace: Seconds to wait.
        """
        running = [reply for replies in self._open.values() for reply in replies]
        for reply in running:
            reply.cancel(error)
        deadline = asyncio.get_running_loop().time() + grace
        # Polled, as the clients' ends are nothing that somebody tells.
        while running and self._clients and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _cancel_dropped(self, session: str) -> None:
        """Cancel the replies of a dropped session, also those that are about to begin.

        Gradio starts a job some turns of the loop before it asks for the first piece. By then a
        page may have opened a new connection.
        """
        self.cancel(session)
        for seconds in _LATE:
            asyncio.get_running_loop().call_later(seconds, self._cancel_abandoned, session)

    def _cancel_abandoned(self, session: str) -> None:
        if session not in self._clients:
            self.cancel(session)

    @contextmanager
    def _connected(self, session: str) -> Iterator[None]:
        self._clients[session] += 1
        try:
            yield
        finally:
            self._clients[session] -= 1
            if not self._clients[session]:
                del self._clients[session]

    def watch(self, app: ASGIApp) -> ASGIApp:
        """Wrap `app` so that a dropped connection cancels the replies of its session."""

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
                    self._cancel_dropped(session)
                return message

            with self._connected(session):
                await app(scope, watch_receive, watch_send)

        return watched


def _session(scope: Scope) -> str | None:
    """Return the session hash of a request for an event stream; None for any other request.

    `/call/NAME/EVENT` has no session hash: Gradio uses the event id in its place.
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    parts = scope["path"].split("/")
    if parts[-2:] == ["queue", "data"]:
        return next(iter(parse_qs(scope["query_string"].decode()).get("session_hash", ())), None)
    return parts[-1] if "call" in parts[-4:-2] else None
