"""One object in many threads, in running loops, in one loop after the other, and its copies."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import SpaceClient
from qwen_space.events import EventStream
from tests.end_to_end.lifecycle.callers import space
from tests.end_to_end.lifecycle.conftest import WatchedSpace

THREADS = 20


class Asked:
    """A model of any kind, asked in its own way."""

    def __init__(self, model: Any, whole: str, stream: str) -> None:
        self.model = model
        self._whole, self._stream = whole, stream

    def complete(self, prompt: str) -> str:
        return str(getattr(self.model, self._whole)(prompt).text)

    def stream(self, prompt: str) -> str:
        return self._joined(list(getattr(self.model, self._stream)(prompt)))

    async def acomplete(self, prompt: str) -> str:
        return str((await getattr(self.model, f"a{self._whole}")(prompt)).text)

    async def astream(self, prompt: str) -> str:
        stream = getattr(self.model, f"a{self._stream}")(prompt)
        if isinstance(stream, EventStream):
            async with stream as events:
                return self._joined([event async for event in events])
        if not hasattr(stream, "__aiter__"):
            stream = await stream
        return self._joined([chunk async for chunk in stream])

    @staticmethod
    def _joined(chunks: list[Any]) -> str:
        return "".join(
            getattr(chunk, "delta", None) or getattr(chunk, "content", "") for chunk in chunks
        )


MODELS: dict[str, Callable[[str], Asked]] = {
    "space": lambda url: Asked(space(url), "complete", "stream"),
    "langchain": lambda url: Asked(ChatQwenSpace(space=url), "invoke", "stream"),
    "llama-index": lambda url: Asked(QwenSpace(space=url), "complete", "stream_complete"),
}


@pytest.fixture(params=MODELS)
def asked(watched: WatchedSpace, request: pytest.FixtureRequest) -> Asked:
    """A model that is answered by its own prompt."""
    watched.engine.reply = lambda messages: [f"{messages[-1]['content']}:{i} " for i in range(3)]
    return MODELS[request.param](watched.url)


def expected(prompt: Any) -> str:
    return f"{prompt}:0 {prompt}:1 {prompt}:2 "


def test_in_twenty_threads_at_once(asked: Asked) -> None:
    ways = [
        asked.complete,
        asked.stream,
        lambda prompt: asyncio.run(asked.acomplete(prompt)),
        lambda prompt: asyncio.run(asked.astream(prompt)),
    ]

    with ThreadPoolExecutor(THREADS) as pool:
        replies = list(pool.map(lambda n: ways[n % 4](f"p{n}"), range(THREADS)))

    assert replies == [expected(f"p{number}") for number in range(THREADS)]


async def test_in_twenty_tasks_at_once_beside_blocking_calls(asked: Asked) -> None:
    tasks = [
        asyncio.ensure_future([asked.acomplete, asked.astream][number % 2](f"p{number}"))
        for number in range(THREADS)
    ]
    await asyncio.sleep(0)

    blocking = asked.complete("b"), asked.stream("c")

    assert blocking == (expected("b"), expected("c"))
    assert await asyncio.gather(*tasks) == [expected(f"p{n}") for n in range(THREADS)]


def test_in_five_loops_one_after_the_other(asked: Asked) -> None:
    async def both(prompt: str) -> tuple[str, str]:
        return await asked.acomplete(prompt), await asked.astream(prompt)

    for number in range(5):
        assert asyncio.run(both(f"p{number}")) == (expected(f"p{number}"),) * 2
        assert asked.complete("b") == expected("b")


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "deep-copied": copy.deepcopy,
}


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("when", ["before", "after", "while-it-streams"])
def test_a_copy_answers_as_the_original_does(
    watched: WatchedSpace, asked: Asked, copied: str, when: str
) -> None:
    if when != "before":
        asked.complete("a")
    with contextlib.ExitStack() as stack:
        if when == "while-it-streams":
            stream = getattr(asked.model, asked._stream)("a")
            stack.callback(stream.close)  # the Space works on one job at a time
            next(stream)
        twin = Asked(COPIES[copied](asked.model), asked._whole, asked._stream)

    assert twin.complete("b") == asked.complete("b") == expected("b")
    assert asyncio.run(twin.astream("c")) == expected("c")
    watched.until_left()


@pytest.mark.parametrize("copied", ["pickled", "deep-copied"])
async def test_a_client_is_copied_before_its_use(watched: WatchedSpace, copied: str) -> None:
    client = COPIES[copied](SpaceClient(watched.url))

    async with client:
        assert (await client.complete("Hi")).text == "one two three"


def test_a_client_of_another_loop_says_so(watched: WatchedSpace) -> None:
    client = SpaceClient(watched.url)

    async def ask() -> str:
        return (await client.complete("Hi")).text

    loops = [asyncio.new_event_loop() for _ in range(2)]
    loops[0].run_until_complete(client.__aenter__())
    assert loops[0].run_until_complete(ask()) == "one two three"
    with pytest.raises(RuntimeError, match="another event loop"):
        loops[1].run_until_complete(ask())
    loops[0].run_until_complete(client.__aexit__(None, None, None))
    for loop in loops:
        loop.close()


def test_a_client_outside_a_block_serves_one_loop_after_the_other(watched: WatchedSpace) -> None:
    client = SpaceClient(watched.url)

    for _ in range(2):
        assert asyncio.run(client.complete("Hi")).text == "one two three"
    watched.until_left()


async def test_a_client_s_replies_take_one_connection(
    watched: WatchedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_space.client.body._END_SECONDS", 30.0)  # on a busy machine

    async with SpaceClient(watched.url) as client:
        for _ in range(5):
            assert (await client.complete("Hi")).text == "one two three"
            while client._transport._released:  # noqa: ASYNC110 - aiohttp's callbacks set no event
                await asyncio.sleep(0.001)

    assert len(watched.watch.asked) == 11
    assert len(set(watched.watch.peers)) == 1
    await watched.auntil_left()


def run_by_hand(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("run", "connections"),
    [
        pytest.param(asyncio.run, 1, id="asyncio-run"),
        pytest.param(run_by_hand, 3, id="by-hand"),
    ],
)
def test_awaited_calls_share_a_connection_where_the_loop_ends_in_order(
    watched: WatchedSpace, asked: Asked, run: Callable[..., Any], connections: int
) -> None:
    async def ask_three_times() -> None:
        for number in range(3):
            assert await asked.acomplete(f"p{number}") == expected(f"p{number}")
            await asyncio.sleep(0.01)  # the server ends a body a little after the completion

    run(ask_three_times())

    assert len(set(watched.watch.peers)) == connections
    watched.until_left()
