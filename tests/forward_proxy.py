"""A forward proxy on loopback, which leads every host to one server of a test.

It passes requests for `http:` on, and opens tunnels for `https:`, as companies' proxies do.
"""

from __future__ import annotations

import asyncio
import base64
import re

from tests.proxy_server import ProxyServer, copy

__all__ = ["ForwardProxy"]


class ForwardProxy(ProxyServer):
    """Answers within `async with`.

    Args:
        target: The address of the server to which all hosts lead.
        login: The user and the password that it wants, as `user:password`.
        refusal: The status with which it answers everything.

    Attributes:
        lines: The first line of each request, in order.
    """

    def __init__(
        self, target: str, *, login: str | None = None, refusal: int | None = None
    ) -> None:
        super().__init__(target)
        self._login = None if login is None else base64.b64encode(login.encode())
        self._refusal = refusal
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.address}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, out = await self._connect()
        answers = asyncio.ensure_future(copy(upstream, writer))
        try:
            while await self._pass_on(reader, writer, out):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            answers.cancel()
            out.close()

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
