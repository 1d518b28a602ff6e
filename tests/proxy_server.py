"""A proxy on loopback, which leads every host to one server of a test."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from typing_extensions import Self

from tests.scripted_server import close_listener

__all__ = ["ProxyServer", "copy"]


class ProxyServer:
    """Answers within `async with`.

    Args:
        target: The address of the server to which all hosts lead.

    Attributes:
        address: Its host and port.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await close_listener(self._server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        # Not by the task itself, which may be cancelled before it begins.
        task.add_done_callback(lambda _: writer.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the server to which all hosts lead."""
        return await asyncio.open_connection(self._target.hostname, self._target.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        raise NotImplementedError


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until they end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
