"""TLS: certificates that are not to be trusted, and connections that break."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import trustme

from qwen_space import SpaceClient, SpaceUnreachableError, StreamInterruptedError
from tests.certificates import CA, server_tls, trusting_tls
from tests.end_to_end.faults.acts import ALL, BEGUN, ONE, REPLY, TWO, app
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import CUT, END, HANG, RESET, sse
from tests.end_to_end.faults.ways import PROMPT, WAYS, InWays
from tests.scripted_server import ScriptedServer

YESTERDAY = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)


def encrypted(*items: Any, certificate: trustme.LeafCert | None = None) -> ScriptedServer:
    """Return a Space over TLS; its stream has these items, or is a reply."""
    return app(sse(*(items or (*REPLY, END))), tls=server_tls(certificate))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session that trusts the certificates of these tests."""
    connector = aiohttp.TCPConnector(ssl=trusting_tls())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def test_a_certificate_of_an_unknown_authority_is_not_taken(serve: Serve, in_ways: InWays) -> None:
    def ask(way: str) -> None:
        with serve(encrypted()) as server:
            got = WAYS[way](server.url, max_retries=5)
        assert isinstance(got.error, SpaceUnreachableError)
        assert "its certificate is not valid: " in str(got.error)
        assert got.error.tries == ()  # the next try would find the same
        assert server.exchanges == []

    in_ways(ask)


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        pytest.param(CA.issue_cert("b.example"), "not valid for '127.0.0.1'", id="other-host"),
        pytest.param(
            CA.issue_cert("127.0.0.1", not_after=YESTERDAY), "certificate has expired", id="expired"
        ),
    ],
)
async def test_a_certificate_of_a_known_authority_must_be_right_too(
    certificate: trustme.LeafCert, says: str, session: aiohttp.ClientSession
) -> None:
    async with encrypted(certificate=certificate) as server:
        with pytest.raises(SpaceUnreachableError, match=says) as caught:
            await SpaceClient(server.url, session=session).complete(PROMPT)

    assert not caught.value.retryable
    assert server.exchanges == []


async def test_a_reply_comes_over_tls(session: aiohttp.ClientSession) -> None:
    async with encrypted() as server:
        done = await SpaceClient(server.url, session=session).complete(PROMPT)

    assert done.text == ALL


@pytest.mark.parametrize("last", [CUT, RESET, END])
async def test_a_stream_that_breaks_over_tls_is_not_taken_for_complete(
    last: Any, session: aiohttp.ClientSession
) -> None:
    async with encrypted(*BEGUN, ONE, TWO, last) as server:
        with pytest.raises(StreamInterruptedError) as caught:
            await SpaceClient(server.url, session=session).complete(PROMPT)

    assert caught.value.text == "one two "


async def test_leaving_a_stream_over_tls_closes_its_connection(
    session: aiohttp.ClientSession,
) -> None:
    async with encrypted(*BEGUN, ONE, HANG) as server:
        client = SpaceClient(server.url, session=session)
        async with client.stream(PROMPT) as events:
            await anext(events)
        await server.until(lambda s: s.streams[0].dropped.is_set())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS failed: ", id="plain-http"),
        pytest.param(b"", "Cannot reach ", id="cut"),
    ],
)
async def test_a_server_that_does_not_speak_tls_is_unreachable(answer: bytes, says: str) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, SpaceClient(f"https://127.0.0.1:{port}", max_retries=0) as client:
        with pytest.raises(SpaceUnreachableError) as caught:
            await client.complete(PROMPT)

    assert says in str(caught.value)


def test_a_server_that_wants_tls_is_an_error(serve: Serve, in_ways: InWays) -> None:
    def ask(way: str) -> None:
        with serve(encrypted()) as server:
            got = WAYS[way](server.url.replace("https:", "http:"), max_retries=0)
        assert isinstance(got.error, StreamInterruptedError)

    in_ways(ask)
