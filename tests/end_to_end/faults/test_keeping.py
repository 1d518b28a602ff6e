"""The connection of a complete reply: kept if its body ends as it should, and else closed."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from qwen_space import Completed, QwenSpaceError, SpaceClient, SpaceConfig, TextDelta, Timeouts
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.client.body import Body
from qwen_space.client.http import Transport
from tests.certificates import server_tls, trusting_tls
from tests.end_to_end.faults.acts import (
    ALL,
    BEGUN,
    DONE,
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
    Endless,
    Pause,
    Raw,
    chunk,
    http,
    message,
    sse,
)
from tests.end_to_end.faults.ways import PROMPT
from tests.forward_proxy import ForwardProxy
from tests.scripted_server import ScriptedServer

LATE = sse(*REPLY, Pause(), END)  # the end comes when the caller has left already


def connections(server: ScriptedServer) -> int:
    """Return the number of connections that brought a request."""
    return len({id(each.writer) for each in server.exchanges})


def released(client: SpaceClient) -> set[Body]:
    return client._transport._released


async def wait_until_ended(client: SpaceClient) -> None:
    """Wait until the bodies of complete replies have ended."""
    while released(client):  # noqa: ASYNC110 - aiohttp's callbacks set no event
        await asyncio.sleep(0.001)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a body come to its end, and keep the connection, however busy this machine is."""
    monkeypatch.setattr("qwen_space.client.body._END_SECONDS", 30.0)
    monkeypatch.setattr("qwen_space.client.http._KEEP_ALIVE", 60.0)
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.5)


async def ask_five_times(client: SpaceClient) -> None:
    for _ in range(5):
        assert (await client.complete(PROMPT)).text == ALL
        await wait_until_ended(client)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(sse(*REPLY, END), id="at-once"),
        pytest.param(LATE, id="late"),
        pytest.param(sse(*REPLY, {"msg": "heartbeat"}, Pause(), b"data: {oh", END), id="nonsense"),
    ],
)
@pytest.mark.usefixtures("patient")
async def test_replies_one_after_the_other_take_one_connection(data: Any) -> None:
    async with app(data) as server, SpaceClient(server.url) as client:
        await ask_five_times(client)

    assert connections(server) == 1
    assert len(server.exchanges) == 11  # `/config` is one of them


@pytest.mark.usefixtures("patient")
async def test_replies_over_tls_take_one_connection() -> None:
    async with app(LATE, tls=server_tls()) as server:
        async with SpaceClient(server.url, verify=trusting_tls()) as client:
            await ask_five_times(client)
            await client.complete(PROMPT)
        await server.until(lambda s: s.connections == 0)

    assert connections(server) == 1


@pytest.mark.usefixtures("patient")
async def test_replies_through_a_proxy_take_one_connection() -> None:
    async with (
        app(LATE) as server,
        ForwardProxy(server.url) as proxy,
        SpaceClient(server.url, proxy=proxy.url) as client,
    ):
        await ask_five_times(client)

    assert connections(server) == 1
    assert len(proxy.lines) == 11


async def test_a_caller_is_not_kept_waiting_by_a_body_without_end() -> None:
    async with app(sse(*REPLY, HANG)) as server, SpaceClient(server.url) as client:
        done = await client.complete(PROMPT)
        assert not server.streams[0].dropped.is_set()
        await server.until(lambda s: s.streams[0].dropped.is_set())  # a moment later

    assert done.text == ALL


async def test_little_of_an_endless_body_is_read() -> None:
    endless = Endless(b"10000\r\n" + bytes(0x10000) + b"\r\n")
    async with app(sse(*REPLY, endless)) as server, SpaceClient(server.url) as client:
        await client.complete(PROMPT)
        (body,) = released(client)
        await server.until(lambda s: s.streams[0].dropped.is_set())
        await wait_until_ended(client)

    assert 0 < body._response.content.total_bytes < 2**20


def said(event_id: str) -> Raw:
    """Return an answer to no request."""
    return Raw(http(200, {"event_id": event_id}))


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param([Raw(b"no chunk\r\n")], id="no-chunk"),
        pytest.param([END, Raw(b"garbage\r\n\r\n"), Pause()], id="garbage-after-the-end"),
        pytest.param([END, said("other"), Pause()], id="an-answer"),
        pytest.param([END, Pause(), said("other"), Pause()], id="an-answer-later"),
        pytest.param([END, CUT], id="cut-after-the-end"),
        pytest.param([CUT], id="cut"),
        pytest.param([Endless(b"\x00", 0.01)], id="endless-garbage"),
    ],
)
@pytest.mark.parametrize("after", [[], [Pause()]], ids=["at-once", "later"])
async def test_bytes_after_a_reply_do_not_change_the_next(
    after: list[Any], rest: list[Any]
) -> None:
    bad = sse(*BEGUN, ONE, TWO, THREE, Pause(), *DONE, *after, *rest)
    good = sse(*REPLY, END)
    async with app(bad, good) as server, SpaceClient(server.url, max_retries=0) as client:
        first = await client.complete(PROMPT)
        await wait_until_ended(client)
        await asyncio.sleep(0.1)  # for bytes that the server sends without being asked
        second = await client.complete(PROMPT)

    assert first.text == second.text == ALL
    assert second.event_id == json.loads(JOINED.partition(b"\r\n\r\n")[2])["event_id"]
    assert connections(server) == 2


def test_a_connection_that_the_server_has_closed_is_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the loop had no time to see that."""
    session = Transport._opened_session

    def slow(self: Transport) -> aiohttp.ClientSession:
        end = time.monotonic() + 0.3  # for a busy server to close it
        while time.monotonic() < end:
            pass
        return session(self)

    async def ask(server: ScriptedServer) -> None:
        async with SpaceClient(server.url, max_retries=0) as client:
            await client.complete(PROMPT)
            await wait_until_ended(client)
            monkeypatch.setattr(Transport, "_opened_session", slow)
            assert (await client.complete(PROMPT)).text == ALL

    with serve(app(sse(*REPLY, END, Pause(), CUT), sse(*REPLY, END))) as server:
        asyncio.run(ask(server))

    assert connections(server) == 2


def test_a_body_end_that_is_seen_too_late_closes_the_connection(serve: Serve) -> None:
    """How long the server has waited since then cannot be known."""

    async def ask(server: ScriptedServer) -> None:
        async with SpaceClient(server.url) as client:
            await client.complete(PROMPT)
            time.sleep(0.4)  # noqa: ASYNC251 - the server is in another thread
            await wait_until_ended(client)
            await client.complete(PROMPT)

    with serve(app(LATE)) as server:
        asyncio.run(ask(server))

    assert connections(server) == 2


# A chat model's calls


def of(server: ScriptedServer, **options: Any) -> Space:
    return Space.from_config(SpaceConfig(space=server.url, **options))


HI = [Turn("user", PROMPT)]


@pytest.mark.usefixtures("patient")
def test_blocking_calls_one_after_the_other_take_one_connection(serve: Serve) -> None:
    end_with_it = Raw(b"".join(chunk(message(each)) for each in DONE) + END.data)
    with serve(app(sse(*BEGUN, ONE, TWO, THREE, end_with_it))) as server:
        space = of(server)
        for _ in range(3):
            assert space.chat(HI).text == ALL
            assert (
                "".join(e.delta for e in space.stream_chat(HI) if isinstance(e, TextDelta)) == ALL
            )

        assert connections(server) == 1
        assert len(server.exchanges) == 13  # `/config` is one of them


def test_the_connection_of_blocking_calls_closes_soon_after_the_last(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.3)
    with serve(app(sse(*REPLY, END))) as server:
        space = of(server)
        space.chat(HI)
        assert server.connections == 1
        for _ in range(100):
            time.sleep(0.02)
            if not server.connections:
                break
        assert server.connections == 0
        assert space.chat(HI).text == ALL


@pytest.mark.usefixtures("patient")
async def test_calls_at_the_same_time_share_connections() -> None:
    first_ends = asyncio.Event()
    slow = sse(*BEGUN, ONE, first_ends, TWO, THREE, *DONE, END)
    async with app(slow, sse(*REPLY, END)) as server:
        space = of(server)
        async with space.astream_chat(HI) as events:
            while not isinstance(await anext(events), TextDelta):
                pass
            for _ in range(5):
                assert (await space.achat(HI)).text == ALL
                await asyncio.sleep(0.01)  # for the end of the body
            first_ends.set()
            rest = [event async for event in events]
        assert connections(server) == 2
        assert isinstance(rest[-1], Completed)
        assert rest[-1].text == ALL
        await server.until(lambda s: s.connections == 0)


async def test_a_call_that_fails_or_is_left_does_no_harm_to_another() -> None:
    first_ends = asyncio.Event()
    slow = sse(*BEGUN, ONE, first_ends, TWO, THREE, *DONE, END)
    async with app(slow, sse(*BEGUN, ONE, FAILED, HANG), sse(*BEGUN, ONE, HANG)) as server:
        space = of(server)
        async with space.astream_chat(HI) as events:
            while not isinstance(await anext(events), TextDelta):
                pass
            with pytest.raises(QwenSpaceError):
                await space.achat(HI)
            async with space.astream_chat(HI) as others:
                await anext(others)
            await server.until(lambda s: s.connections == 1)
            first_ends.set()
            assert [event async for event in events][-1].text == ALL


# Left early


async def by_break(client: SpaceClient) -> None:
    async with client.stream(PROMPT) as events:
        async for _ in events:
            break


async def by_a_stop_sequence(client: SpaceClient) -> None:
    await client.complete(PROMPT, stop=["ne"])


async def by_an_error(client: SpaceClient) -> None:
    with pytest.raises(QwenSpaceError):
        await client.complete(PROMPT)


async def by_cancelling(client: SpaceClient) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with client.stream(PROMPT) as events:
            async for _ in events:
                begun.set()

    task = asyncio.ensure_future(read())
    await begun.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.05)
    assert task.cancelled()


FAILED = {"msg": "process_completed", "output": {"error": None}, "success": False}


@pytest.mark.parametrize(
    ("leave", "last"),
    [(by_break, ONE), (by_a_stop_sequence, ONE), (by_an_error, FAILED), (by_cancelling, ONE)],
)
async def test_a_reply_that_is_left_early_is_not_waited_for(leave: Any, last: Any) -> None:
    async with app(sse(*BEGUN, last, HANG)) as server, SpaceClient(server.url) as client:
        await leave(client)
        assert not released(client)
        await server.until(lambda s: s.streams[0].dropped.is_set())


async def test_a_session_of_the_caller_s_keeps_its_connections() -> None:
    async with app(LATE) as server, aiohttp.ClientSession() as session:
        client = SpaceClient(server.url, session=session)
        await client.complete(PROMPT)
        assert not released(client)
        await server.until(lambda s: s.streams[0].dropped.is_set())


# Remains


@pytest.mark.usefixtures("patient")
async def test_a_connection_that_serves_many_replies_holds_on_to_none() -> None:
    def bodies() -> int:
        gc.collect()
        return sum(isinstance(each, Body) for each in gc.get_objects())

    async with app(LATE) as server, SpaceClient(server.url) as client:
        await ask_five_times(client)
        before = bodies()
        await ask_five_times(client)
        assert bodies() == before

    assert connections(server) == 1


async def and_close(server: ScriptedServer) -> None:
    async with SpaceClient(server.url) as client:
        await client.complete(PROMPT)


async def and_close_at_once_with_another_open(server: ScriptedServer) -> None:
    async with SpaceClient(server.url) as client:
        await asyncio.gather(client.complete(PROMPT), client.complete(PROMPT))
        async with client.stream(PROMPT) as events:
            await anext(events)


async def in_a_cancelled_task(server: ScriptedServer) -> None:
    async def ask() -> None:
        async with SpaceClient(server.url) as client:
            await client.complete(PROMPT)
            waiting.set()
            await asyncio.Event().wait()

    waiting = asyncio.Event()
    task = asyncio.ensure_future(ask())
    await waiting.wait()
    task.cancel()
    await asyncio.wait({task})


async def by_a_chat_model_s_client(server: ScriptedServer) -> None:
    await Space.from_config(SpaceConfig(space=server.url)).achat([Turn("user", PROMPT)])


async def in_a_session_of_the_callers(server: ScriptedServer) -> None:
    async with aiohttp.ClientSession() as session:
        await SpaceClient(server.url, session=session).complete(PROMPT)


@pytest.mark.parametrize(
    "ask",
    [
        and_close,
        and_close_at_once_with_another_open,
        in_a_cancelled_task,
        by_a_chat_model_s_client,
        in_a_session_of_the_callers,
    ],
)
@pytest.mark.parametrize("rest", [[HANG], [Pause(), END], [END]], ids=["hang", "late", "at-once"])
@pytest.mark.usefixtures("patient")
def test_a_loop_that_is_closed_right_after_is_left_clean(
    serve: Serve, ask: Callable[[ScriptedServer], Awaitable[None]], rest: list[Any]
) -> None:
    """Warnings are errors here, and asyncio's complaints are some too."""
    complaints: list[Any] = []
    with serve(app(sse(*REPLY, *rest))) as server:
        loop = asyncio.new_event_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 60
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        loop.run_until_complete(ask(server))
        assert asyncio.all_tasks(loop) == set()
        loop.close()
        gc.collect()

    assert complaints == []


@pytest.mark.usefixtures("patient")
def test_a_client_goes_on_after_its_close(serve: Serve) -> None:
    async def ask(server: ScriptedServer) -> None:
        client = SpaceClient(server.url, timeouts=Timeouts(total=20))
        for _ in range(2):
            async with client:
                await ask_five_times(client)

    with serve(app(LATE)) as server:
        asyncio.run(ask(server))

    assert connections(server) == 2
