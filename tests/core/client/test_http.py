from __future__ import annotations

import asyncio
import gzip
import json
import threading
import tracemalloc
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    ProtocolError,
    SpaceClient,
    SpaceConfig,
    TextDelta,
    Timeouts,
)
from qwen_space.chat_model.space import Space
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport, _load
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.endpoint import Endpoint
from tests.scripted_server import (
    CONFIG,
    Answer,
    Exchange,
    ScriptedServer,
    append,
    completed,
    generating,
    status,
)

# Compression


async def test_a_server_that_would_compress_the_stream_does_not_hold_tokens_back() -> None:
    seen = asyncio.Event()

    async def compressing(exchange: Exchange) -> None:
        """Answer as a front does that compresses in one block."""
        messages = [generating("one"), append(" two"), completed("one two")]
        if "gzip" in exchange.headers.get("accept-encoding", ""):
            whole = b"".join(b"data: %s\n\n" % repr(each).encode() for each in messages)
            await exchange.answer(200, gzip.compress(whole).decode("latin-1"))
            return
        await exchange.begin_stream()
        await exchange.send(messages[0])
        await asyncio.wait_for(seen.wait(), 5)
        for message in messages[1:]:
            await exchange.send(message)
        await exchange.end_stream()

    async with (
        ScriptedServer(data=compressing) as server,
        SpaceClient(server.url) as client,
        client.stream("Hi") as events,
    ):
        async for event in events:
            if isinstance(event, TextDelta):
                seen.set()

    (stream,) = server.streams
    assert stream.headers["accept-encoding"] == "identity"


async def test_other_answers_may_be_compressed() -> None:
    async with ScriptedServer() as server, SpaceClient(server.url) as client:
        await client.complete("Hi")

    assert "gzip" in server.exchanges[0].headers["accept-encoding"]


# Headers


async def test_the_origin_of_an_app_under_a_path_has_no_path() -> None:
    async with ScriptedServer(others={"/app/config": status(200, {})}) as server:
        transport = Transport(SpaceConfig(space=f"{server.url}/app"))
        await transport.json("GET", f"{server.url}/app/config", Deadline(Timeouts()))
        await transport.close()

    (asked,) = server.exchanges
    assert asked.headers["origin"] == server.url
    assert asked.headers["referer"] == f"{server.url}/app/"


# Headers of one call

VISITOR = {"X-IP-Token": "visitor_secret", "X-Own": "call"}


async def test_the_headers_of_a_call_go_with_its_prompt_and_its_stream_only() -> None:
    own = {"X-Own": "client", "X-B": "b"}

    async with (
        ScriptedServer(config=status(200, CONFIG)) as server,
        SpaceClient(server.url, headers=own) as client,
    ):
        await client.complete("Hi", headers=VISITOR)
        await client.complete("Hi")

    first, second = server.joins
    assert (first.headers["x-ip-token"], first.headers["x-own"]) == ("visitor_secret", "call")
    assert server.streams[0].headers["x-ip-token"] == "visitor_secret"
    assert first.headers["x-b"] == "b"
    assert "x-ip-token" not in second.headers
    assert second.headers["x-own"] == "client"
    assert "x-ip-token" not in server.streams[1].headers


async def test_calls_at_the_same_time_have_each_its_own_headers() -> None:
    async with ScriptedServer() as server, SpaceClient(server.url) as client:
        await client.complete("Hi")
        calls = (client.complete(f"n{i}", headers={"X-N": f"n{i}"}) for i in range(5))
        await asyncio.gather(*calls)

    for join in server.joins[1:]:
        assert f'"{join.headers["x-n"]}"'.encode() in join.body


def test_a_blocking_call_has_headers_too() -> None:
    sent: list[dict[str, str]] = []

    async def ask() -> None:
        async with ScriptedServer() as server:
            await asyncio.to_thread(Space(server.url).complete, "Hi", headers=VISITOR)
            sent.extend(each.headers for each in server.joins)

    asyncio.run(ask())

    assert sent[0]["x-ip-token"] == "visitor_secret"


@pytest.mark.parametrize("headers", ["X: y", {"X": 1}, {"X": "a\r\nY: b"}, {"X Y": "z"}])
async def test_bad_headers_of_a_call_are_a_misuse_that_shows_no_value(headers: Any) -> None:
    async with ScriptedServer() as server, SpaceClient(server.url) as client:
        with pytest.raises(ValueError, match="headers"):
            await client.complete("Hi", headers=headers)

    assert server.exchanges == []


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize(
    "body", ["Start it with --allow-host NAME.", "<html><body>Start it with <b>"]
)
async def test_the_words_of_a_server_that_refuses_access_are_told(code: int, body: str) -> None:
    async with ScriptedServer(join=status(code, body)) as server, SpaceClient(server.url) as client:
        with pytest.raises(
            AuthenticationError, match=f"refused access: HTTP {code}: Start it with"
        ):
            await client.complete("Hi")


# Large answers

LISTS = b"[" + b"[]," * 600_000 + b"[]]"
FUNCTIONS = [{**CONFIG["dependencies"][0], "id": number} for number in range(400)]  # type: ignore[index]


def sending(body: bytes) -> Answer:
    async def answer(exchange: Exchange) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        await exchange.send_raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        await exchange.send_raw(body)

    return answer


async def test_an_answer_of_too_many_values_is_an_error_before_it_takes_memory() -> None:
    async with ScriptedServer(join=sending(LISTS)) as server, SpaceClient(server.url) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError, match=r"did not answer with JSON that fits: '\[\[\]"):
                await client.complete("Hi")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 8 * len(LISTS)


async def test_a_large_answer_leaves_the_loop_its_turns() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    value = await _load(json.dumps([["x" * 99] * 9] * 3_000).encode())
    counting.cancel()

    assert len(value) == 3_000
    assert turns > 5


async def test_an_app_of_many_functions_is_searched_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []

    def find(*given: Any, **options: Any) -> Endpoint:
        threads.append(threading.current_thread())
        return find_endpoint(*given, **options)

    monkeypatch.setattr("qwen_space.client.lookup.find_endpoint", find)
    for functions in (FUNCTIONS[:1], FUNCTIONS):
        config = {**CONFIG, "dependencies": functions}
        async with ScriptedServer(config=status(200, config)) as server:
            await SpaceClient(server.url).complete("Hi")

    assert [each is threading.main_thread() for each in threads] == [True, False]
