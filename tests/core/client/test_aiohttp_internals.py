"""The parts of aiohttp that its documentation does not describe: each test fails as one changes."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.connector import Connection

from qwen_space.client.aiohttp_internals import (
    CloseWatch,
    Connector,
    end_wait,
    is_unwritten,
    read_buffered,
    shut_down,
    stop_read_timeout,
)
from tests.scripted_server import Exchange, ScriptedServer, status, streaming

pytestmark = pytest.mark.every_loop


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = Connector(lambda _: None, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def connections(server: ScriptedServer, session: aiohttp.ClientSession, times: int) -> int:
    """Return how many connections so many requests take."""
    for _ in range(times):
        async with session.get(f"{server.url}/config") as response:
            await response.read()
    return len({id(each.writer) for each in server.exchanges})


async def test_a_quiet_connection_serves_again(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(config=status(200, {})) as server:
        assert await connections(server, session, 3) == 1


async def test_a_connection_that_got_early_bytes_is_not_reused(
    session: aiohttp.ClientSession,
) -> None:
    async def early(exchange: Exchange) -> None:
        await exchange.answer(200, {})
        await exchange.send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with ScriptedServer(config=early) as server:
        assert await connections(server, session, 2) == 2


async def test_a_connection_from_before_the_machine_slept_is_not_reused(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = session.connector
    assert isinstance(connector, Connector)
    async with ScriptedServer(config=status(200, {})) as server:
        assert await connections(server, session, 1) == 1
        assert connector.is_connected
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + 3600)
        assert not connector.is_connected
        assert await connections(server, session, 1) == 2
        assert await connections(server, session, 1) == 2  # the new one is kept


async def test_the_bytes_before_a_break_can_be_read(session: aiohttp.ClientSession) -> None:
    async with (
        ScriptedServer(config=streaming(b"the last tokens", then="cut")) as server,
        session.get(f"{server.url}/config") as response,
    ):
        while response.content.exception() is None:  # noqa: ASYNC110 - aiohttp sets no event
            await asyncio.sleep(0)

        assert read_buffered(response.content) == b"the last tokens"
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.readany()


async def test_a_wait_for_bytes_can_be_ended(session: aiohttp.ClientSession) -> None:
    async with (
        ScriptedServer(config=streaming(then="hang")) as server,
        session.get(f"{server.url}/config") as response,
    ):
        asyncio.get_running_loop().call_soon(end_wait, response.content, OSError("enough"))
        with pytest.raises(OSError, match="enough"):
            await response.content.readany()
        response.close()


async def test_the_limit_of_silence_can_be_switched_off(session: aiohttp.ClientSession) -> None:
    timeout = aiohttp.ClientTimeout(sock_read=0.1)
    more = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await more.wait()
        await exchange.send(b"late")
        await exchange.end_stream()

    async with (
        ScriptedServer(config=late) as server,
        session.get(f"{server.url}/config", timeout=timeout) as response,
    ):
        stop_read_timeout(response)
        asyncio.get_running_loop().call_later(0.3, more.set)
        assert await response.read() == b"late"


async def test_a_watch_tells_of_a_body_that_is_not_http(session: aiohttp.ClientSession) -> None:
    async def garbage(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await go.wait()
        await exchange.send_raw(b"no chunk\r\n")

    go, said = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with (
        ScriptedServer(config=garbage) as server,
        session.get(f"{server.url}/config") as response,
    ):
        watch = CloseWatch(response, said.set_result)
        assert watch.transport is not None
        go.set()
        assert "chunk" in await asyncio.wait_for(said, 5)
        response.close()


async def test_a_connection_can_be_shut_down(session: aiohttp.ClientSession) -> None:
    async with (
        ScriptedServer(config=streaming(then="hang")) as server,
        session.get(f"{server.url}/config") as response,
    ):
        assert response.connection is not None
        assert response.connection.transport is not None
        shut_down(response.connection.transport)
        await asyncio.wait_for(server.exchanges[0].dropped.wait(), 5)
        response.close()


async def test_a_request_that_is_left_in_its_body_sends_no_more_of_it(
    session: aiohttp.ClientSession,
) -> None:
    reading = asyncio.Event()

    class Busy(asyncio.Protocol):
        """Takes a connection, and reads no further than its first bytes."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.pause_reading()  # type: ignore[attr-defined]
            reading.set()

    connector = session.connector
    assert isinstance(connector, Connector)
    busy = Busy()
    server = await asyncio.get_running_loop().create_server(lambda: busy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    body = io.BytesIO(b"x" * 2**25)
    sending = asyncio.ensure_future(session.post(f"http://127.0.0.1:{port}/", data=body))
    await asyncio.wait_for(reading.wait(), 10)
    [protocol] = connector._acquired
    transport = protocol.transport
    assert transport is not None
    while not transport.get_write_buffer_size():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    try:
        await asyncio.wait_for(_until_none_is_unsent(transport), 10)
    finally:
        busy.transport.close()  # the loop waits for it
        server.close()


async def _until_none_is_unsent(transport: asyncio.Transport) -> None:
    while transport.get_write_buffer_size():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)


async def test_a_response_closes_on_a_transport_that_was_just_lost(
    session: aiohttp.ClientSession,
) -> None:
    class Lost(asyncio.Transport):
        """The transport of TLS on Python 3.10, before the loop has told it of the loss."""

        def get_write_buffer_size(self) -> int:
            raise AttributeError("'NoneType' object has no attribute 'get_write_buffer_size'")

        def close(self) -> None:
            whole.close()

    async with (
        ScriptedServer(config=streaming(then="hang")) as server,
        session.get(f"{server.url}/config") as response,
    ):
        assert response.connection is not None
        protocol = response.connection.protocol
        assert protocol is not None
        whole = protocol.transport
        assert whole is not None
        protocol.transport = Lost()

        response.close()

        assert whole.is_closing()


class ClosingConnector(aiohttp.TCPConnector):
    """Gives connections that close in the moment before a request is written."""

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:
        connection = await super().connect(*args, **kwargs)
        assert connection.transport is not None
        if sys.version_info >= (3, 12):  # where the request is written at once
            connection.transport.close()
        else:
            asyncio.get_running_loop().call_soon(connection.transport.close)
        return connection


@pytest.mark.parametrize("size", [1, 2**20])
async def test_a_request_to_a_connection_that_closes_is_unwritten(size: int) -> None:
    async with ScriptedServer() as server:
        async with aiohttp.ClientSession(connector=ClosingConnector()) as session:
            with pytest.raises(aiohttp.ClientError) as caught:
                await session.post(f"{server.url}/join", data=b"x" * size)

        assert is_unwritten(caught.value)
        assert not server.exchanges


async def test_a_request_whose_answer_does_not_come_was_written(
    session: aiohttp.ClientSession,
) -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.writer.close()

    async with ScriptedServer(join=hang_up) as server:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.post(f"{server.url}/queue/join", data=b"x")

    assert not is_unwritten(caught.value)
