"""A forward proxy on loopback, which leads every host to one server of a test.

It passes requests for `http:` on, and opens tunnels for `https:`, as companies' proxies do.
"""

from __future__ import annotations

import asyncio
import base64
import re
from urllib.parse import urlsplit

__all__ = ["ForwardProxy", "copy"]


class ForwardProxy:
    """Answers within `async with`.

    Args:
        target: The address of the server to which all hosts lead.
        login: The user and the password that it wants, as `user:password`.
        refusal: The status with which it answers everything.

    Attributes:
        url: Where it answers.
        lines: The first line of each request, in order.
    """

    def __init__(
        self, target: str, *, login: str | None = None, refusal: int | None = None
    ) -> None:
        self._target = urlsplit(target)
        self._login = None if login is None else base64.b64encode(login.encode())
        self._refusal = refusal
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[str] = []

    async def __aenter__(self) -> ForwardProxy:  # noqa: PYI034 - Self is of Python 3.11
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, out = await asyncio.open_connection(self._target.hostname, self._target.port)
        answers = asyncio.ensure_future(copy(upstream, writer))
        try:
            while await self._pass_on(reader, writer, out):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            answers.cancel()
            out.close()
            writer.close()

    def _status(self, head: bytes) -> int | None:
        given = re.search(rb"(?i)proxy-authorization: basic (\S+)", head)
        if self._login is not None and (given is None or given[1] != self._login):
            return 407
        return self._refusal

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: asyncio.StreamWriter
    ) -> bool:
        """Pass one request on; return whether another may come."""
        line, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        self.lines.append(line.decode())
        if (status := self._status(rest)) is not None:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
            await writer.drain()
            return False
        method, target, version = line.split(b" ")
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await copy(reader, out)
            return False
        out.write(b"%s /%s %s\r\n%s" % (method, target.split(b"/", 3)[3], version, rest))
        if length := re.search(rb"(?i)content-length: (\d+)", rest):
            out.write(await reader.readexactly(int(length[1])))
        return True


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until they end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
