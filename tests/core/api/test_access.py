"""Access: the key, and the names of the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.core.api.served import CHAT, Client, Served, scripted

TOKEN = "sk-very-secret"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer \udcff"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN} "}, 200),
    ],
)
async def test_each_request_needs_the_key(headers: dict[str, str], expected: int) -> None:
    async with Served(scripted("Hello."), token=TOKEN) as client:
        raw = {name: value.encode("utf-8", "surrogateescape") for name, value in headers.items()}
        status_code, body = await _raw(client, raw)
        health, _ = await client.ask("/health")

    assert (status_code, health) == (expected, 200)
    if expected == 401:
        assert body["error"]["code"] == "invalid_api_key"
        assert TOKEN not in str(body)


async def _raw(client: Client, headers: dict[str, bytes]) -> tuple[int, Any]:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(CHAT).encode()
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *(b"%b: %b" % (name.encode(), value) for name, value in headers.items()),
    ]
    writer.write(b"\r\n".join([*lines, b"", body]))
    head, _, text = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(text)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "Chat.Example"}, 200),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Origin": "https://chat.example"}, 200),
    ],
)
async def test_a_server_on_loopback_answers_its_own_names_and_no_other_website(
    headers: dict[str, str], expected: int
) -> None:
    async with Served(scripted("Hello."), allowed_hosts=["chat.Example"]) as client:
        status_code, _ = await client.ask(json=CHAT, headers=headers)

    assert status_code == expected
