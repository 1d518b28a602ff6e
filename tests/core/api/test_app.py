from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from qwen_space import Space, SpaceConfig
from qwen_space.api import app, create_app
from tests.core.api.served import CHAT, PATH, Served, make_space, scripted
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events
from tests.scripted_server import (
    CONFIG,
    Answer,
    Exchange,
    ScriptedServer,
    failed,
    generating,
    starts,
    status,
    streaming,
)

# Models


def choosing(*models: str) -> Answer:
    config = json.loads(json.dumps(CONFIG))
    props = {"label": "Model", "choices": [[each, each] for each in models], "value": models[0]}
    config["components"].append({"id": 3, "type": "dropdown", "props": props})
    config["dependencies"][0]["inputs"].append(3)
    return status(200, config)


async def test_the_models_of_all_spaces_are_listed_the_default_first() -> None:
    async with (
        ScriptedServer(config=choosing("72B", "7B")) as one,
        ScriptedServer(config=choosing("7B", "3B")) as other,
        Served(
            Space([one.url, other.url, "http://127.0.0.1:1"], max_retries=0), aliases=["gpt-4o"]
        ) as client,
    ):
        _, body = await client.ask("/v1/models")
        known, model = await client.ask("/v1/models/3B")

    assert [each["id"] for each in body["data"]] == ["qwen-2.5", "gpt-4o", "72B", "7B", "3B"]
    assert (known, model["id"], model["object"]) == (200, "3B", "model")


async def test_an_alias_and_the_full_name_stand_for_the_default_model() -> None:
    session = scripted("Hello.")
    async with Served(session, aliases=["gpt-4o"]) as client:
        for name in ("gpt-4o", "Qwen2.5-72B-Instruct", "qwen-2.5"):
            _, body = await client.ask(json={**CHAT, "model": name})
            assert body["model"] == name

    assert [each["model"] for each in session.options] == [None] * 3


async def test_a_chat_that_is_longer_than_the_model_takes_is_not_sent() -> None:
    config = SpaceConfig(space="http://127.0.0.1:1", model="Qwen2.5-0.5B-Instruct")
    session = ScriptedSession([reply_events("Hello.")], config)
    long = [{"role": "user", "content": "word " * 40_000}]
    async with Served(session) as client:
        status_code, body = await client.ask(json={**CHAT, "messages": long})

    assert (status_code, body["error"]["code"]) == (400, "context_length_exceeded")
    assert session.chats == []


# Time


async def _hang(exchange: Exchange) -> None:
    await streaming(starts(), then="hang")(exchange)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_job(stream: bool) -> None:
    async with (
        ScriptedServer(config=status(200, CONFIG), data=_hang) as server,
        Served(make_space(server)) as client,
    ):
        body = {**CHAT, "stream": stream}
        asking = asyncio.create_task(client.ask(json=body))
        await server.until(lambda s: len(s.streams) == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(server.streams[0].dropped.wait(), 10)

    assert asking.cancelled()


async def test_a_client_that_leaves_in_the_middle_of_a_stream_stops_the_job() -> None:
    data = streaming(starts(), generating("Hel"), then="hang")
    async with (
        ScriptedServer(config=status(200, CONFIG), data=data) as server,
        Served(make_space(server)) as client,
    ):
        body = {**CHAT, "stream": True}
        async with client.session.post(client.url + PATH, json=body) as response:
            await response.content.readuntil(b"Hel")
        await asyncio.wait_for(server.streams[0].dropped.wait(), 10)


async def test_a_stream_that_waits_long_begins_and_sends_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_BEGIN", 0.01)
    monkeypatch.setattr(app, "_HEARTBEAT", 0.02)
    let = asyncio.Event()

    async def data(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await let.wait()
        await streaming(starts(), failed("no"))(exchange)

    async with (
        ScriptedServer(config=status(200, CONFIG), data=data) as server,
        Served(make_space(server)) as client,
        client.session.post(client.url + PATH, json={**CHAT, "stream": True}) as response,
    ):
        assert response.status == 200
        for _ in range(3):
            assert await response.content.readuntil(b"\n\n") == b": waiting\n\n"


async def test_connections_to_the_space_are_kept_from_call_to_call() -> None:
    async with ScriptedServer(config=status(200, CONFIG)) as server:
        async with Served(make_space(server)) as client:
            for _ in range(3):
                assert (await client.ask(json=CHAT))[0] == 200
            ports = {each.writer.get_extra_info("peername")[1] for each in server.joins}
        await server.until(lambda s: s.connections == 0)

    assert len(ports) == 1


@pytest.fixture
async def _idle() -> AsyncIterator[None]:
    before = len(asyncio.all_tasks())
    yield
    assert len(asyncio.all_tasks()) == before


@pytest.mark.usefixtures("_idle")
async def test_nothing_is_left_running_after_a_reply() -> None:
    async with Served(scripted("Hello.")) as client:
        await client.chunks()
        await client.ask(json=CHAT)


def test_an_app_is_made_without_a_loop() -> None:
    assert create_app(Space("http://127.0.0.1:1")).router is not None
