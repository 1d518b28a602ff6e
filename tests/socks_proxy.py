"""A SOCKS5 proxy on loopback, which leads every host to one server of a test."""

from __future__ import annotations

import asyncio

from tests.proxy_server import ProxyServer, copy

__all__ = ["SocksProxy"]


class SocksProxy(ProxyServer):
    """Answers within `async with`.

    Args:
        target: The address of the server to which all hosts lead.
        login: The user and the password that it wants, as `user:password`.

    Attributes:
        targets: The host and the port of each connection, in order.
    """

    def __init__(self, target: str, *, login: str | None = None) -> None:
        super().__init__(target)
        self._login = login
        self.targets: list[tuple[str, int]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not await self._let_in(reader, writer):
                return
            self.targets.append(await _read_target(reader))
            back, out = await self._connect()
            writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            answers = asyncio.ensure_future(copy(back, writer))
            try:
                await copy(reader, out)
            finally:
                answers.cancel()
                out.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        method = 0 if self._login is None else 2
        if method not in methods:
            writer.write(b"\x05\xff")
            return False
        writer.write(bytes([5, method]))
        if self._login is None:
            return True
        user = await reader.readexactly((await reader.readexactly(2))[1])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        is_right = f"{user.decode()}:{password.decode()}" == self._login
        writer.write(bytes([1, 0 if is_right else 1]))
        return is_right


async def _read_target(reader: asyncio.StreamReader) -> tuple[str, int]:
    kind = (await reader.readexactly(4))[3]
    assert kind == 3, "names are for the proxy to look up"
    host = await reader.readexactly((await reader.readexactly(1))[0])
    return host.decode(), int.from_bytes(await reader.readexactly(2), "big")
