"""From end to end: a real model, from the package index, answers on the real app."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest

from qwen_space.local import LlamaEngine, LocalSpace, find_weights

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    # One slot: a reply that goes on for nobody would keep the next one waiting.
    engine = LlamaEngine(
        find_weights(small=True, progress=False), context=1024, slots=1, temperature=0
    )
    with LocalSpace(engine) as running:
        yield running


@pytest.fixture
async def http(space: LocalSpace) -> Any:
    async with aiohttp.ClientSession(space.url) as session:
        yield session


async def answer(http: aiohttp.ClientSession, prompt: str, *more: Any) -> AsyncGenerator[Any, None]:
    """Ask, and yield the stream's messages; closing this drops the stream."""
    session = uuid.uuid4().hex
    body = {"data": [prompt, *(more or ([], "", "72B"))], "fn_index": 3, "session_hash": session}
    async with http.post("/gradio_api/queue/join", json=body):
        pass
    async with http.get(f"/gradio_api/queue/data?session_hash={session}") as stream:
        async for line in stream.content:
            if line.strip():
                yield json.loads(line.removeprefix(b"data:"))


async def pieces(http: aiohttp.ClientSession, prompt: str, limit: int) -> int:
    """Ask, and drop the stream after `limit` pieces; return how many came."""
    count = 0
    async with aclosing(answer(http, prompt)) as messages:
        async for message in messages:
            count += message["msg"] == "process_generating"
            if count == limit:
                break
    return count


def test_a_start_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    engine = LlamaEngine(find_weights(small=True, progress=False), slots=1)
    engine.start()
    engine.close()

    assert [record.getMessage() for record in caplog.records] == []


async def test_a_real_model_streams(http: aiohttp.ClientSession) -> None:
    messages = [message async for message in answer(http, "Count to ten.")]

    completed = messages[-2]
    assert completed["success"]
    assert completed["output"]["data"][1][-1]["content"][0]["text"].strip()
    assert sum(message["msg"] == "process_generating" for message in messages) > 3


async def test_a_dropped_stream_stops_the_model(http: aiohttp.ClientSession) -> None:
    dropped = await pieces(http, "Write a very long story about the sea.", 5)

    # All its tokens would take far longer than this.
    following = await asyncio.wait_for(pieces(http, "Say hello.", 1), 5)

    assert (dropped, following) == (5, 1)


async def test_a_conversation_that_is_too_long_is_explained(http: aiohttp.ClientSession) -> None:
    messages = [message async for message in answer(http, "word " * 3000)]

    assert not messages[-2]["success"]
    assert "tokens does not fit into the 1024 tokens" in messages[-2]["output"]["error"]


async def test_the_second_turn_is_read_from_the_cache(http: aiohttp.ClientSession) -> None:
    system = "You are a helpful assistant. " + "Be kind and brief. " * 20
    data: list[Any] = ["Name a colour.", [], system, "72B"]
    messages = [message async for message in answer(http, *data)]
    rows = messages[-2]["output"]["data"][1]
    before = await _tokens(http, "prompt"), await _tokens(http, "cached")

    data = ["Name another one.", rows, system, "72B"]
    _ = [message async for message in answer(http, *data)]

    prompt = await _tokens(http, "prompt") - before[0]
    cached = await _tokens(http, "cached") - before[1]
    assert prompt > 100
    assert prompt - cached < 30  # the new question, and little more


async def test_temperature_0_is_repeatable_without_the_cache_of_prompts() -> None:
    engine = LlamaEngine(
        find_weights(small=True, progress=False),
        slots=1,
        temperature=0,
        max_tokens=40,
        prompt_cache=False,
    )
    texts = []
    async with LocalSpace(engine) as space, aiohttp.ClientSession(space.url) as http:
        # The first is read cold; the last after its own beginning, which a cache would have kept.
        for prompt in ("Name three rivers of Europe.", "Name a lake.") * 2:
            messages = [message async for message in answer(http, prompt)]
            texts.append(messages[-2]["output"]["data"][1][-1]["content"][0]["text"])
        assert await _tokens(http, "prompt") > 20
        assert await _tokens(http, "cached") == 0

    assert len(texts[0]) > 20
    assert texts[:2] == texts[2:]


async def test_several_replies_run_at_once_and_each_stops_when_its_client_leaves() -> None:
    engine = LlamaEngine(find_weights(small=True, progress=False), slots=2, temperature=0)
    async with LocalSpace(engine) as space, aiohttp.ClientSession(space.url) as http:
        replies = [answer(http, f"Write a very long story about {what}.") for what in ("A", "B")]
        pieces = [_generated(reply) for reply in replies]
        for _ in range(5):  # both, in turn: neither waits for the other's end
            await asyncio.gather(*map(anext, pieces))
        assert await _running(http) == 2

        await _leave(pieces[0], replies[0])
        await _until(http, 1)
        await anext(pieces[1])
        await _leave(pieces[1], replies[1])
        await _until(http, 0)


async def _generated(messages: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async for message in messages:
        if message["msg"] == "process_generating":
            yield message


async def _leave(*generators: AsyncGenerator[Any, None]) -> None:
    for generator in generators:
        await generator.aclose()


async def _tokens(http: aiohttp.ClientSession, kind: str) -> float:
    """Return how many tokens of a kind were counted; one that was not has no line."""
    async with http.get("/metrics") as figures:
        found = re.search(rf'qwen_space_tokens_total{{kind="{kind}"}} (\S+)', await figures.text())
    return float(found[1]) if found else 0.0


async def _running(http: aiohttp.ClientSession) -> int:
    async with http.get("/metrics") as figures:
        found = re.search(r"qwen_space_replies_running (\d\S*)", await figures.text())
    return int(float(found[1])) if found else -1


async def _until(http: aiohttp.ClientSession, count: int) -> None:
    async def look() -> None:
        while await _running(http) != count:
            pass

    await asyncio.wait_for(look(), 5)
