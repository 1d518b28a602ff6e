"""A soak: Spaces that come and go, and callers of several as one; every call is answered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import QwenSpaceError, Space, SpaceClient
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    Exchange,
    ScriptedServer,
    append,
    completed,
    failed,
    generating,
    starts,
    status,
)

# The ways in which a Space goes: each says that no prompt runs.
GOING = ("closed", "config-500", "join-500", "full", "quota", "job-fails", "stopped")
CALLERS = 20

Ask = Callable[[str], Awaitable[str]]


class Place:
    """A Space that lives, or has gone in one of the ways.

    Attributes:
        mode: "alive", or the way in which it has gone.
        accepted: How many jobs have been accepted whose stream was not opened yet.
        running: How many prompts have run there.
    """

    def __init__(self) -> None:
        self.mode = "alive"
        self.accepted = 0
        self.running = 0
        self.server = ScriptedServer(config=self._config, join=self._join, data=self._data)

    async def come(self) -> None:
        if self.mode == "closed":
            await self.server.listen(int(self.server.url.rpartition(":")[2]))
        self.mode = "alive"

    async def go(self, way: str) -> None:
        if way == "closed" and self.accepted:  # whose prompts may run, so that no other is asked
            way = "stopped"
        self.mode = way
        if way == "closed":
            await self.server.stop_listening()

    async def _config(self, exchange: Exchange) -> None:
        await status(*{"config-500": (500, {"detail": "?"})}.get(self.mode, (200, CONFIG)))(
            exchange
        )

    async def _join(self, exchange: Exchange) -> None:
        answers: dict[str, tuple[Any, ...]] = {
            "join-500": (500, {"detail": "Internal Server Error"}),
            "closed": (503, {"detail": "The server shuts down"}),
            "config-500": (503, {"detail": "The server shuts down"}),
            "full": (503, {"detail": "Queue is full."}),
            "quota": (429, {"detail": "Too many requests"}, {"Retry-After": "11"}),
        }
        self.accepted += self.mode not in answers
        await status(*answers.get(self.mode, (200, {"event_id": EVENT_ID})))(exchange)

    async def _data(self, exchange: Exchange) -> None:
        """Answer with the prompt, in three pieces; a Space that has gone says that it fails."""
        self.accepted -= 1
        await exchange.begin_stream()
        await exchange.send(starts())
        await asyncio.sleep(0.005)
        if self.mode != "alive":
            stopped = {"msg": "unexpected_error", "event_id": EVENT_ID, "message": "shut down"}
            await exchange.send(stopped if self.mode == "stopped" else failed("CUDA error"))
        else:
            self.running += 1
            await exchange.send(generating("Hel"))
            for piece in ("lo", "."):
                await exchange.send(append(piece))
                await asyncio.sleep(0)
            await exchange.send(completed("Hello."))
        await exchange.end_stream()


def ways(urls: list[str]) -> dict[str, Ask]:
    """Return the ways to ask, each with one model for all its callers."""
    options: dict[str, Any] = {"max_retries": 0}
    client = SpaceClient(urls, **options)
    space, strategic = Space(urls, **options), Space(urls, strategy="least_queue", **options)
    chat, llm = ChatQwenSpace(space=urls, **options), QwenSpace(space=urls, **options)

    async def through_client(prompt: str) -> str:
        return (await client.complete(prompt)).text

    async def through_space(prompt: str) -> str:
        return (await asyncio.to_thread(space.complete, prompt)).text

    async def through_queues(prompt: str) -> str:
        return (await strategic.acomplete(prompt)).text

    async def through_langchain(prompt: str) -> str:
        return "".join([chunk.text async for chunk in chat.astream(prompt)])

    async def through_llama_index(prompt: str) -> str:
        return (await llm.acomplete(prompt)).text

    return {
        "core": through_client,
        "blocking": through_space,
        "least-queue": through_queues,
        "langchain": through_langchain,
        "llama-index": through_llama_index,
    }


class Calls:
    """The calls that run, and the counts of their ends.

    Attributes:
        counts: How many were asked, answered, and right, by the way to ask.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: list[Any] = []
        self._running: set[object] = set()
        self._ended = asyncio.Condition()

    async def make(self, name: str, ask: Ask, times: int) -> None:
        for _ in range(times):
            call = object()
            self._running.add(call)
            self.counts["asked"] += 1
            try:
                text = await ask("Hi")
            except QwenSpaceError as exc:
                self.errors.append((name, type(exc).__name__, exc.may_have_run, str(exc)))
            else:
                self.counts[name] += text == "Hello."
                self.counts["answered"] += 1
            async with self._ended:
                self._running.remove(call)
                self._ended.notify_all()

    async def until_those_of_now_have_ended(self) -> None:
        these = set(self._running)
        async with self._ended:
            await self._ended.wait_for(lambda: not these & self._running)


async def come_and_go(places: list[Place], calls: Calls, chance: random.Random) -> None:
    """Let others come and go, but one live all through each call."""
    alive = places[0]
    while True:
        await asyncio.sleep(0.01)  # no call may be running, so that nothing below waits
        following = chance.choice([place for place in places if place is not alive])
        await following.come()
        await calls.until_those_of_now_have_ended()  # in which only the old one is sure to live
        for place in places:
            if place is not following and place.mode == "alive":
                await place.go(chance.choice(GOING))
        await calls.until_those_of_now_have_ended()
        alive = following


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(10, id="short"),
        pytest.param(250, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed")
async def test_no_answer_is_lost_while_one_lives(times: int) -> None:
    places = [Place() for _ in range(3)]
    calls = Calls()
    async with contextlib.AsyncExitStack() as stack:
        for place in places:
            await stack.enter_async_context(place.server)
        for place in places[1:]:
            await place.go("closed")
        asking = list(ways([place.server.url for place in places]).items())
        going = asyncio.create_task(come_and_go(places, calls, random.Random(7)))
        callers = [asking[index % len(asking)] for index in range(CALLERS)]
        await asyncio.gather(*(calls.make(name, ask, times) for name, ask in callers))
        going.cancel()
        await asyncio.wait([going])
        assert going.cancelled()
    gc.collect()

    assert calls.errors == []
    assert calls.counts["answered"] == calls.counts["asked"] == CALLERS * times
    assert {calls.counts[name] for name, _ in asking} == {CALLERS * times // len(asking)}
    assert sum(place.running for place in places) == CALLERS * times  # no prompt ran twice
