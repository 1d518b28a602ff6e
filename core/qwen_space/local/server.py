"""Serves an ASGI app from a thread of its own.

This module imports uvicorn, which comes with Gradio, and is itself imported when a Space starts.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from qwen_space.local.errors import StartError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["ServerThread", "Site"]


@dataclass(frozen=True, slots=True)
class Site:
    """An app with its shutdown hook.

    Attributes:
        app: The app.
        stopping: Called in the server's event loop before the connections are cut.
        draining: Awaited there before that, to end the running answers.
    """

    app: ASGIApp
    stopping: Callable[[], None]
    draining: Callable[[], Awaitable[None]] | None = None


class _Server(uvicorn.Server):
    """A server that sets an event when ready, and cuts the streams when it stops."""

    def __init__(
        self,
        site: Site,
        ready: threading.Event,
        max_connections: int | None,
        tls: tuple[str, str | None] | None,
    ) -> None:
        config = uvicorn.Config(
            site.app,
            lifespan="on",
            ws="none",  # a chat needs no WebSockets, and uvicorn's import of them may warn
            log_config=None,  # logging is the whole process's
            log_level=None,
            server_header=False,
            limit_concurrency=max_connections,
            ssl_certfile=tls and tls[0],
            ssl_keyfile=tls and tls[1],
        )
        super().__init__(config)
        self._stopping = site.stopping
        self._draining = site.draining
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._draining is not None:
            await self._draining()
        self._stopping()
        for connection in tuple(self.server_state.connections):
            # Not `close`, which waits until a client has read all that is in the buffers.
            connection.transport.abort()
        await super().shutdown(sockets)


class ServerThread:
    """A running server.

    Args:
        make: Makes the site. It is called in the server's event loop: Gradio makes a loop
            of its own, and leaves it open, where none runs.
        listener: The listening socket. The server closes it.
        max_connections: Open connections above which a request is refused with HTTP 503.
        tls: The files of the server's certificate, with its chain, and of its key, which is in
            the same file if None; no encryption if None.

    Raises:
        StartError: The app failed to start.
    """

    def __init__(
        self,
        make: Callable[[], Site],
        listener: socket.socket,
        *,
        max_connections: int | None = None,
        tls: tuple[str, str | None] | None = None,
    ) -> None:
        self._max_connections = max_connections
        self._tls = tls
        self._server: _Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(make, listener), name="qwen-space", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise StartError(f"The app did not start: {self._failure!r}") from self._failure

    def stop(self) -> None:
        """Cut all connections, and return when the thread has ended."""
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    def _run(self, make: Callable[[], Site], listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(make, listener))
        except BaseException as exc:  # uvicorn leaves by SystemExit, too
            self._failure = exc
        finally:
            listener.close()
            self._join_workers()
            self._ready.set()

    def _join_workers(self) -> None:
        """Wait for anyio's threads: they are told to end with the loop, but not waited for."""
        for thread in threading.enumerate():
            if self._loop is not None and getattr(thread, "loop", None) is self._loop:
                thread.join(timeout=5)

    async def _serve(self, make: Callable[[], Site], listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Server(make(), self._ready, self._max_connections, self._tls)
        await self._server.serve([listener])
