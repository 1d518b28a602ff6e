"""Servers in front of an app: replicas by turns, buffers, refusals of `/info`."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from typing import Any

import pytest

from qwen_space import (
    SpaceClient,
    SpaceTimeoutError,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    Exchange,
    ScriptedServer,
    estimation,
    generating,
    replying,
    starts,
    status,
    streaming,
)

OLD = {"msg": "unexpected_error", "event_id": None, "message": "404: Session not found."}
NEW = {"msg": "unexpected_error", "message": "404: Not Found", "session_not_found": True}
CALL = {"/call/chat": status(200, {"event_id": EVENT_ID})}
STREAM = f"/call/chat/{EVENT_ID}"


def by_turns(*answers: Any) -> Any:
    """Give the answers in order, and the last of them again and again."""
    rest = list(answers)

    async def answer(exchange: Exchange) -> None:
        await (rest.pop(0) if len(rest) > 1 else rest[0])(exchange)

    return answer


# Replicas


@pytest.mark.parametrize("unknown", [OLD, NEW])
@pytest.mark.parametrize("then", ["end", "cut"])
@pytest.mark.parametrize("times", [1, 3])
async def test_the_stream_is_asked_for_again_on_the_replica_that_has_the_job(
    unknown: Any, then: str, times: int
) -> None:
    data = by_turns(*[streaming(unknown, then=then)] * times, replying("Hello", " there."))

    async with ScriptedServer(data=data) as server, SpaceClient(server.url) as client:
        done = await client.complete("Hi")

    assert done.text == "Hello there."
    assert len(server.joins) == 1
    assert len(server.streams) == times + 1
    assert len({each.session_hash for each in [*server.joins, *server.streams]}) == 1


@pytest.mark.parametrize("said", ['"404: Session not found."', '"404: Not Found"'])
async def test_the_stream_of_a_call_is_asked_for_again_too(said: str) -> None:
    unknown = streaming(f"event: error\ndata: {said}\n\n".encode())
    whole = b'event: complete\ndata: [null, [["Hi", "Hello."]]]\n\n'
    others = {**CALL, STREAM: by_turns(unknown, streaming(whole))}

    async with (
        ScriptedServer(config=status(200, CONFIG), join=status(404), others=others) as server,
        SpaceClient(server.url) as client,
    ):
        done = await client.complete("Hi")

    assert done.text == "Hello."
    assert len(server.of("/call/chat")) == 1
    assert len(server.of(STREAM)) == 2


async def test_a_session_that_nobody_knows_is_an_error_that_says_so() -> None:
    async with (
        ScriptedServer(data=streaming(OLD)) as server,
        SpaceClient(server.url) as client,
    ):
        with pytest.raises(StreamInterruptedError) as caught:
            await client.complete("Hi")

    assert "all requests of a session must reach the same one" in str(caught.value)
    assert "404: Session not found." in str(caught.value)
    assert len(server.joins) == 1


async def test_a_session_that_is_lost_in_the_middle_is_not_asked_for_again() -> None:
    async with (
        ScriptedServer(data=streaming(estimation(), OLD)) as server,
        SpaceClient(server.url) as client,
    ):
        with pytest.raises(StreamInterruptedError):
            await client.complete("Hi")

    assert len(server.streams) == 1


async def test_a_call_that_is_cancelled_while_replicas_are_asked_leaves_nothing_open() -> None:
    asked = asyncio.Event()

    async def unknown(exchange: Exchange) -> None:
        asked.set()
        await streaming(OLD)(exchange)

    async with ScriptedServer(data=unknown) as server:
        async with SpaceClient(server.url) as client:
            asking = asyncio.ensure_future(client.complete("Hi"))
            await asyncio.wait_for(asked.wait(), 5)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
        await server.until(lambda each: not each.connections)

    assert asking.cancelled()
    assert len(server.joins) == 1


# Buffers


async def held_back(exchange: Exchange) -> None:
    """Answer as a buffering proxy does: with nothing, until there is more."""
    await exchange.dropped.wait()


async def begun_and_held_back(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.dropped.wait()


LIVES = {"/queue/status": status(200, {"msg": "estimation", "queue_size": 0})}


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (held_back, "silence"),
        (begun_and_held_back, "silence"),
        (begun_and_held_back, "first_token"),
    ],
)
async def test_a_silence_while_the_app_answers_names_a_buffering_proxy(
    data: Any, limit: str
) -> None:
    timeouts = Timeouts(**{limit: 0.2})

    async with (
        ScriptedServer(data=data, others=LIVES) as server,
        SpaceClient(server.url, timeouts=timeouts) as client,
    ):
        with pytest.raises(SpaceTimeoutError) as caught:
            await client.complete("Hi")

    assert caught.value.limit == limit
    assert "proxy_buffering off" in str(caught.value)


async def test_a_server_that_is_silent_altogether_is_no_proxy_s_fault() -> None:
    others = {"/queue/status": held_back}

    async with (
        ScriptedServer(data=begun_and_held_back, others=others) as server,
        SpaceClient(server.url, timeouts=Timeouts(silence=0.2)) as client,
    ):
        with pytest.raises(SpaceTimeoutError) as caught:
            await client.complete("Hi")

    assert "raise Timeouts(silence=...)" in str(caught.value)


async def test_a_silence_between_two_tokens_is_no_proxy_s_fault() -> None:
    async with (
        ScriptedServer(data=streaming(estimation(), then="hang"), others=LIVES) as server,
        SpaceClient(server.url, timeouts=Timeouts(silence=0.2)) as client,
    ):
        with pytest.raises(SpaceTimeoutError) as caught:
            await client.complete("Hi")

    assert "raise Timeouts(silence=...)" in str(caught.value)


# `/info`


def unclear_config() -> dict[str, Any]:
    """An app whose inputs only `/info` tells apart."""
    config = copy.deepcopy(CONFIG)
    for component in config["components"]:  # type: ignore[attr-defined]
        component["props"].pop("label", None)
    return config


async def cut(exchange: Exchange) -> None:
    exchange.cut()


@pytest.mark.parametrize(
    "info", [status(401), status(403), status(404), status(429), status(500), status(503), cut]
)
async def test_a_chat_that_does_not_need_info_does_without(info: Any) -> None:
    config = status(200, unclear_config())

    async with (
        ScriptedServer(config=config, others={"/info": info}) as server,
        SpaceClient(server.url) as client,
    ):
        assert await client.app_info() is None
        done = await client.complete("Hi")

    assert done.text == "Hello there."


@pytest.mark.parametrize(
    ("version", "protocol", "asked"),
    [
        ("4.0.2", "sse", 1),
        ("4.16.0", "sse_v1", 1),
        ("4.20.1", "sse_v2", 1),
        ("4.21.0", "sse_v2.1", 1),
        ("4.23.0", "sse_v3", 1),
        ("4.24.0", "sse_v3", 0),
        ("6.31.0", "sse_v3", 0),
    ],
)
async def test_a_server_that_may_not_notice_is_asked_to_stop_the_job(
    version: str, protocol: str, asked: int
) -> None:
    config = status(200, {**CONFIG, "version": version, "protocol": protocol})
    asks = {"msg": "send_data", "event_id": EVENT_ID}
    stream = streaming(asks, starts(), generating("One "), then="hang")
    is_old = protocol == "sse"  # whose join is the stream
    scripts = {"join": stream, "data": status(200, {})} if is_old else {"data": stream}
    others = {"/reset": status(200, {"success": True})}

    async with ScriptedServer(config=config, others=others, **scripts) as server:
        async with SpaceClient(server.url) as client, client.stream("Hi") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        resets = server.of("/reset")

    assert [json.loads(each.body) for each in resets] == [{"event_id": EVENT_ID}] * asked


async def test_it_is_asked_too_where_a_call_is_given_up_before_its_stream() -> None:
    config = status(200, {**CONFIG, "version": "4.20.1", "protocol": "sse_v2"})
    others = {"/reset": status(200, {"success": True})}
    reached, may_answer = asyncio.Event(), asyncio.Event()

    async def join(exchange: Exchange) -> None:
        reached.set()
        await may_answer.wait()
        await exchange.answer(200, {"event_id": EVENT_ID})

    async with (
        ScriptedServer(config=config, others=others, join=join) as server,
        SpaceClient(server.url) as client,
    ):
        asking = asyncio.create_task(client.complete("Hi"))
        await reached.wait()
        asking.cancel()
        may_answer.set()
        await asyncio.wait({asking})
        await client.close()  # which waits for what it does aside
        resets = server.of("/reset")

    assert [json.loads(each.body) for each in resets] == [{"event_id": EVENT_ID}]
