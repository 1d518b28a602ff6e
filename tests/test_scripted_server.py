"""The server that tests script: it leaves nothing open, whenever a client connects."""

from __future__ import annotations

import asyncio
import gc
import socket
from urllib.parse import urlsplit

import pytest

from tests.scripted_server import ScriptedServer


@pytest.mark.every_loop
@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_made_as_the_server_closes_is_closed(turns: int) -> None:
    async with ScriptedServer() as server:
        address = urlsplit(server.url)
        client = socket.create_connection((address.hostname, address.port))
        for _ in range(turns):
            await asyncio.sleep(0)

    client.settimeout(0)
    for _ in range(5):
        await asyncio.sleep(0.001)
    try:
        assert client.recv(1) == b""
    except ConnectionResetError:
        pass  # it was never accepted
    finally:
        client.close()
    del server
    gc.collect()  # which warns of anything open, and a warning is an error
