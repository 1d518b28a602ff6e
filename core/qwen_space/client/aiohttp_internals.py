"""The only module that touches parts of aiohttp that its documentation does not describe.

Each was seen on aiohttp 3.14.1 to 3.14.5. `tests/core/client/test_aiohttp_internals.py` has a
test for each, which fails with its name when aiohttp changes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import select
import socket
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError

from qwen_space.client.socks import open_socks

__all__ = [
    "CloseWatch",
    "Connector",
    "end_wait",
    "is_unwritten",
    "read_buffered",
    "shut_down",
    "stop_read_timeout",
]

_LONGEST_STEP = 2.0  # seconds, by which the time of day is set right; a server waits longer


class Connector(aiohttp.TCPConnector):
    """Opens connections, and reuses only those on which nothing came between two requests.

    aiohttp would take early bytes for the answer to the next request. They may also be the end of
    the connection, on which a join would be lost.

    Args:
        find_socks: Returns the address of the SOCKS proxy for a URL; None for a straight way.
        **options: Those of aiohttp's connector.
    """

    def __init__(self, find_socks: Callable[[str], str | None], **options: Any) -> None:
        super().__init__(**options)
        self._find_socks = find_socks
        # By protocol, the difference of the clocks when it was last handed out.
        self._used: weakref.WeakKeyDictionary[ResponseHandler, float] = weakref.WeakKeyDictionary()

    def _create_direct_connection(
        self, req: aiohttp.ClientRequest, traces: Any, timeout: Any, **options: Any
    ) -> Coroutine[Any, Any, tuple[asyncio.Transport, ResponseHandler]]:
        """Connect through SOCKS where a proxy of that kind is named, as aiohttp does not."""
        host, port, proxy = req.url.raw_host, req.url.port, self._find_socks(str(req.url))
        if proxy is None or host is None or port is None:
            return super()._create_direct_connection(req, traces, timeout, **options)
        return self._connect_through(proxy, host, port, req, timeout)

    async def _connect_through(
        self, proxy: str, host: str, port: int, req: aiohttp.ClientRequest, timeout: Any
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        context = self._get_ssl_context(req)
        opened = await open_socks(proxy, host, port)
        return await self._wrap_existing_connection(
            self._factory,
            req=req,
            timeout=timeout,
            sock=opened,
            ssl=context,
            server_hostname=host.rstrip(".") if context else None,
        )

    async def _create_proxy_connection(
        self, req: aiohttp.ClientRequest, *options: Any
    ) -> tuple[asyncio.BaseTransport, ResponseHandler]:
        """Connect through an HTTP proxy; one that breaks its tunnel off has got no request.

        aiohttp has the same error for that as for a request whose answer does not come.
        """
        try:
            return await super()._create_proxy_connection(req, *options)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
            if isinstance(exc, aiohttp.ClientConnectorError):
                raise
            broken = OSError("it broke the tunnel off")
            raise aiohttp.ClientProxyConnectionError(req.connection_key, broken) from exc

    async def connect(self, *request: Any, **options: Any) -> Connection:
        """Return a new connection, or a quiet one."""
        connection = await super().connect(*request, **options)
        while not self._is_quiet(connection):
            connection.close()
            connection = await super().connect(*request, **options)
        if connection.protocol is not None:
            self._used[connection.protocol] = _clock_difference()
        return connection

    def _is_quiet(self, connection: Connection) -> bool:
        """Whether a connection is new, or nothing has happened to it since it was used."""
        protocol = connection.protocol
        if protocol is None or (since := self._used.get(protocol)) is None:
            return True
        return not (_has_slept(since) or _has_unread_data(connection))

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """Take a connection back; one in the middle of a body that nobody wants is ended at once.

        To close it is to send the rest first: a server that does not read it, as of an upload that
        was left, keeps it open, and longer than the loop.
        """
        transport = protocol.transport
        is_ended = should_close or protocol.should_close
        if is_ended and transport is not None and _has_unsent_data(transport):
            transport.abort()
        super()._release(key, protocol, should_close=should_close)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open: the server that took it is still there."""
        used = itertools.islice([*self._used.items()], 8)
        return any(not _has_slept(since) and _is_open(protocol) for protocol, since in used)

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Shut the connections down, those that the child of a fork holds too."""
        for protocol in [*self._used]:
            if protocol.transport is not None:
                shut_down(protocol.transport)
        await super().close(abort_ssl=abort_ssl)


def _clock_difference() -> float:
    return time.time() - time.monotonic()


def _has_slept(difference: float) -> bool:
    """Whether the machine has slept since the clocks had a difference.

    A laptop that was closed, or a function of a cloud that was frozen, stops the monotonic clock,
    by which connections grow old. The server has closed them meanwhile, and nothing tells of it:
    a join would be lost.
    """
    return _clock_difference() - difference > _LONGEST_STEP


def _has_unsent_data(transport: asyncio.Transport) -> bool:
    with contextlib.suppress(AttributeError):  # Python 3.10's TLS, as its connection is lost
        return transport.get_write_buffer_size() > 0
    return False


def _has_unread_data(connection: Connection) -> bool:
    """Whether bytes, or the end, have come on a connection that is not in use."""
    if connection.transport is None or connection.protocol is None:
        return True
    if (opened := connection.transport.get_extra_info("socket")) is None:
        return connection.protocol.should_close
    return connection.protocol.should_close or _is_readable(opened)


def _is_readable(opened: Any) -> bool:
    if not hasattr(select, "poll"):  # as on Windows; elsewhere `select` takes no high descriptor
        return bool(select.select([opened], [], [], 0)[0])
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    return bool(poll.poll(0))


def _is_open(protocol: ResponseHandler) -> bool:
    """Whether the other side has not ended a connection, which may be in use or not."""
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return False
    if (opened := transport.get_extra_info("socket")) is None or not _is_readable(opened):
        return opened is not None
    try:
        with socket.fromfd(opened.fileno(), opened.family, opened.type) as copy:
            copy.settimeout(0)  # it blocks no more than the original
            return bool(copy.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def shut_down(transport: asyncio.BaseTransport) -> None:
    """End a connection, for the server too.

    Closing it is not enough: the child of a fork, if there is one, holds it open.
    """
    opened = transport.get_extra_info("socket")
    if opened is not None and opened.fileno() >= 0:
        with contextlib.suppress(OSError):  # the server was quicker
            # uvloop's own object refuses `shutdown`, and so the descriptor is borrowed for it.
            borrowed = socket.socket(fileno=opened.fileno())
            try:
                borrowed.shutdown(socket.SHUT_RDWR)
            finally:
                borrowed.detach()
    if transport.get_extra_info("sslcontext") is not None and isinstance(
        transport, asyncio.WriteTransport
    ):
        transport.abort()  # closing TLS politely takes turns of a loop that may be ending


def stop_read_timeout(response: aiohttp.ClientResponse) -> None:
    """Switch aiohttp's limit of silence off for the rest of a response.

    aiohttp sets a timer again for each read, a sixth of the cost of waiting for a token.
    """
    if response.connection is not None and (protocol := response.connection.protocol) is not None:
        protocol.read_timeout = None
        protocol.start_timeout()  # which ends the one that was set for the headers


def is_unwritten(error: BaseException) -> bool:
    """Whether a connection was closed before all of a request could be written to it.

    It says so in words only. "Connection lost", while it waits for the buffer, is another error.
    """
    said = error.__cause__ if isinstance(error, aiohttp.ClientOSError) else None
    return any(str(each) == "Cannot write to closing transport" for each in (error, said))


def end_wait(reader: aiohttp.StreamReader, error: Exception) -> None:
    """Raise an error where the body of a response is read, now and from now on."""
    reader.set_exception(error)


def read_buffered(reader: aiohttp.StreamReader) -> bytes:
    """Return the bytes that had arrived before a body broke off.

    aiohttp raises the error at once, and keeps them. The last tokens are among them, and it may
    be that nothing else was to come.
    """
    if (error := reader.exception()) is None:
        return b""
    reader.set_exception(None)  # type: ignore[arg-type]
    try:
        return reader.read_nowait()
    finally:
        reader.set_exception(error)


class CloseWatch:
    """Tells when the connection of a response is closed before the body has ended.

    aiohttp closes a connection on which something comes that is no HTTP, and does not tell the
    reader of the body, who would wait for ever.

    Args:
        response: The response, with its body unread.
        on_close: Is called with aiohttp's reason, in few words.
    """

    def __init__(self, response: aiohttp.ClientResponse, on_close: Callable[[str], None]) -> None:
        connection = response.connection  # None where all of the body is there
        self._protocol = None if connection is None else connection.protocol
        self._on_close = on_close
        if (closed := getattr(self._protocol, "closed", None)) is not None:
            closed.add_done_callback(self._closed)

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport, also after the response has let go of it."""
        return None if self._protocol is None else self._protocol.transport

    def stop(self) -> None:
        """Tell nothing more: the connection may serve others now."""
        if self._protocol is None or (closed := self._protocol.closed) is None:
            return
        closed.remove_done_callback(self._closed)
        closed.remove_done_callback(_consume_exception)  # that of the body before
        closed.add_done_callback(_consume_exception)

    def _closed(self, closed: asyncio.Future[None]) -> None:
        _consume_exception(closed)
        error = None if self._protocol is None else self._protocol.exception()
        if isinstance(error, HttpProcessingError):
            self._on_close(error.message)
        else:
            self._on_close("it closed the connection")


def _consume_exception(closed: asyncio.Future[None]) -> None:
    """Retrieve a future's exception, which asyncio reports otherwise."""
    if not closed.cancelled():
        closed.exception()
