"""The time that counts towards each limit. That a call ends with its limit is in the table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from qwen_space import (
    QwenSpaceError,
    Space,
    SpaceClient,
    SpaceStatusError,
    SpaceTimeoutError,
    TextDelta,
    Timeouts,
)
from qwen_space.events import Event
from tests.end_to_end.faults.acts import (
    ALL,
    BEAT,
    BEATING,
    BEGUN,
    DONE,
    GRADIO,
    JOINED,
    ONE,
    REPLY,
    THREE,
    TWO,
    app,
)
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import (
    CUT,
    END,
    HANG,
    Item,
    Pause,
    Script,
    playing,
    sse,
)
from tests.end_to_end.faults.ways import PROMPT, WAYS, InWays
from tests.scripted_server import Answer, Exchange, estimation, starts


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            sse(estimation(3), *[BEAT, Pause(0.2)] * 4, starts(), ONE, TWO, THREE, *DONE, END),
            id="in-the-queue",
        ),
        pytest.param(
            sse(estimation(1), Pause(0.5), estimation(0), Pause(0.5), *REPLY, END),
            id="in-a-silent-queue",
        ),
        pytest.param(
            sse(*BEGUN, ONE, *[BEAT, Pause(0.2)] * 4, TWO, THREE, *DONE, END),
            id="after-the-first-token",
        ),
    ],
)
def test_queue_time_and_later_text_do_not_count_towards_the_first_token(
    data: Script, serve: Serve, in_ways: InWays
) -> None:
    def ask(way: str) -> None:
        with serve(app(data)) as server:
            got = WAYS[way](server.url, timeouts=Timeouts(first_token=0.6))
        assert (got.error, got.text) == (None, ALL)

    in_ways(ask)


def test_a_total_limit_counts_from_the_first_request(serve: Serve, in_ways: InWays) -> None:
    """Each request keeps within the limit; together they do not."""

    def ask(way: str) -> None:
        slow = app(sse(*REPLY, END), config=[Pause(0.4), GRADIO], join=[Pause(0.4), JOINED])
        with serve(slow) as server:
            got = WAYS[way](server.url, timeouts=Timeouts(total=0.7))
        assert isinstance(got.error, SpaceTimeoutError)
        assert (got.error.limit, got.error.seconds) == ("total", 0.7)

    in_ways(ask)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        pytest.param(Timeouts(connect=0.4), "connect", id="connect"),
        pytest.param(Timeouts(connect=20, total=0.4), "total", id="total"),
    ],
)
def test_a_connection_that_is_not_made_ends_in_its_limit(
    limits: Timeouts, limit: str, serve: Serve, in_ways: InWays
) -> None:
    """TLS is a part of the connection, and this server never says anything."""

    def ask(way: str) -> None:
        with serve(app([HANG])) as server:
            url = server.url.replace("http:", "https:")
            got = WAYS[way](url, timeouts=limits, max_retries=0)
        assert isinstance(got.error, SpaceTimeoutError)
        assert (got.error.limit, got.error.seconds) == (limit, 0.4)
        assert f"within 0.4 seconds. If that is to be expected, raise Timeouts({limit}=" in str(
            got.error
        )
        assert server.exchanges == []

    in_ways(ask)


@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("langchain")])
@pytest.mark.parametrize("name", ["timeout", "request_timeout"])
def test_langchains_timeout_is_for_the_first_token(name: str, way: str, serve: Serve) -> None:
    options: dict[str, Any] = {name: 0.3}

    with serve(app(sse(*BEGUN, BEATING))) as server:
        got = WAYS[way](server.url, **options)

    assert isinstance(got.error, SpaceTimeoutError)
    assert "no text" in str(got.error)
    assert "0.3 seconds" in str(got.error)
    assert "first_token" in str(got.error)


async def test_a_call_may_have_a_timeout_of_its_own(serve: Serve) -> None:
    with serve(app(sse(*BEGUN, BEATING))) as server, pytest.raises(SpaceTimeoutError) as raised:
        await Space(server.url).acomplete(PROMPT, timeout=0.3)

    assert (raised.value.limit, raised.value.seconds) == ("first_token", 0.3)


class Later:
    """Answers with a place in the queue, and with the rest when it is wanted.

    Attributes:
        wanted: To be set when the rest is to come.
        sent: Set when it was sent.
    """

    def __init__(self, *items: Item) -> None:
        self.wanted, self.sent = asyncio.Event(), asyncio.Event()
        script = sse(estimation(), *items)
        self._first, self._rest, self._last = script[:2], script[2:-1], script[-1:]

    async def __call__(self, exchange: Exchange) -> None:
        await playing(self._first)(exchange)
        await self.wanted.wait()
        await playing(self._rest)(exchange)
        self.sent.set()
        await playing(self._last)(exchange)


async def ask_and_be_busy(later: Later, limits: Timeouts) -> tuple[str, str]:
    """Read one event, be busy while the rest comes, then read that; return text and error."""
    server = app(())
    server.data = later
    try:
        async with (
            server,
            SpaceClient(server.url, timeouts=limits) as client,
            client.stream(PROMPT) as events,
        ):
            await anext(events)
            later.wanted.set()
            await later.sent.wait()
            await asyncio.sleep(0.4)  # longer than the limits
            return [event async for event in events][-1].text, ""
    except QwenSpaceError as exc:
        return exc.text, type(exc).__name__


@pytest.mark.parametrize("last", [END, CUT, HANG])
async def test_events_that_came_while_the_caller_was_busy_are_not_lost(last: Any) -> None:
    """The connection ends, breaks or is silent before the reply is read."""
    limits = Timeouts(first_token=0.3, silence=0.3)

    assert await ask_and_be_busy(Later(*REPLY, last), limits) == (ALL, "")


@pytest.mark.parametrize(
    ("last", "error"), [(CUT, "StreamInterruptedError"), (HANG, "SpaceTimeoutError")]
)
async def test_all_that_had_come_is_in_the_error(last: Any, error: str) -> None:
    later = Later(*BEGUN, ONE, TWO, last)

    assert await ask_and_be_busy(later, Timeouts(silence=0.3)) == ("one two ", error)


@pytest.mark.parametrize("limits", [Timeouts(first_token=0.4), Timeouts(silence=0.4)])
def test_a_token_that_comes_as_its_limit_passes_is_in_time(serve: Serve, limits: Timeouts) -> None:
    """A loop that was held up, as by a caller's own work, finds both at once."""

    async def ask(url: str) -> Any:
        loop = asyncio.get_running_loop()
        async with (
            SpaceClient(url, timeouts=limits) as client,
            client.stream(PROMPT) as events,
        ):
            await anext(events)
            await anext(events)
            loop.call_later(0.1, hold_up, loop, loop.time() + 0.8)
            return [event async for event in events][-1].text

    with serve(app(sse(*BEGUN, Pause(0.3), ONE, Pause(0.55), TWO, THREE, *DONE, END))) as server:
        assert asyncio.run(ask(server.url)) == ALL


async def test_silence_is_not_counted_from_the_headers() -> None:
    """The first message comes with the headers, and the caller takes time over it."""
    script = sse(*BEGUN, Pause(0.5), ONE, TWO, THREE, *DONE, END)
    together = [b"".join(each for each in script[:3] if isinstance(each, bytes)), *script[3:]]
    async with (
        app(together) as server,
        SpaceClient(server.url, timeouts=Timeouts(silence=0.3)) as client,
        client.stream(PROMPT) as events,
    ):
        await anext(events)
        await asyncio.sleep(0.4)

        assert [event async for event in events][-1].text == ALL


@pytest.mark.parametrize("pause", [0.0, 0.25, 0.5])
async def test_silence_is_counted_from_the_last_that_came(pause: float) -> None:
    """Neither earlier pauses nor the caller's own time over an event count."""
    script = sse(*BEGUN, Pause(0.25), ONE, Pause(0.25), TWO, HANG)
    began = 0.0

    async def read(events: AsyncIterator[Event]) -> None:
        nonlocal began
        async for event in events:
            began = time.monotonic()
            if isinstance(event, TextDelta):
                await asyncio.sleep(pause)

    async with (
        app(script) as server,
        SpaceClient(server.url, timeouts=Timeouts(silence=0.4)) as client,
        client.stream(PROMPT) as events,
    ):
        with pytest.raises(SpaceTimeoutError, match=r"0\.4") as caught:
            await read(events)

    assert caught.value.text == "one two "
    assert 0.4 + pause <= time.monotonic() - began < 5


def hold_up(loop: asyncio.AbstractEventLoop, until: float) -> None:
    while loop.time() < until:
        pass


async def _continuing(exchange: Exchange) -> None:
    while not exchange.dropped.is_set():
        await exchange.send_raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.02)


async def _trickling(exchange: Exchange) -> None:
    await exchange.send_raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not exchange.dropped.is_set():
        await exchange.send_raw(b"a")
        await asyncio.sleep(0.02)


async def _dripping(exchange: Exchange) -> None:
    await exchange.send_raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n"
    )
    while not exchange.dropped.is_set():
        await exchange.send_raw(b" ")
        await asyncio.sleep(0.02)


@pytest.mark.every_loop
@pytest.mark.parametrize(
    ("path", "head", "limit"),
    [
        ("config", _dripping, "first_token"),
        ("join", _dripping, "silence"),
        ("config", _continuing, "silence"),
        ("config", _trickling, "first_token"),
        ("join", _trickling, "silence"),
        ("data", _continuing, "silence"),
    ],
)
async def test_an_answer_that_comes_byte_by_byte_is_limited(
    path: str, head: Answer, limit: str
) -> None:
    silence = 0.2 if limit == "silence" else None
    timeouts = Timeouts(connect=0.1, silence=silence, first_token=0.2)
    server = app(sse(*REPLY, END))
    setattr(server, path, head)

    async with server, SpaceClient(server.url, timeouts=timeouts, max_retries=0) as client:
        with pytest.raises(SpaceTimeoutError) as caught:
            await client.complete(PROMPT)

    assert (caught.value.limit, caught.value.seconds) == (limit, 0.2)


async def test_an_error_that_comes_byte_by_byte_has_the_part_that_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwen_space.client.body._ERROR_SECONDS", 0.2)

    async def dripping(exchange: Exchange) -> None:
        await exchange.send_raw(b"HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\n")
        while not exchange.dropped.is_set():
            await exchange.send_raw(b".")
            await asyncio.sleep(0.02)

    server = app(sse(*REPLY, END))
    server.join = dripping
    async with server, SpaceClient(server.url) as client:
        with pytest.raises(SpaceStatusError, match=r"HTTP 500: '\.+'"):
            await asyncio.wait_for(client.complete(PROMPT), 5)
