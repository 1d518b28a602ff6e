"""How long a token takes from the server's write to the consumer's line of code.

Many streams at once, each of which brings a token every 20 ms that says when it was written; the
clock is the machine's, and so the same in both processes.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["measure"]

STREAMS = 100
PER_SECOND = 50
TOKENS = 200
CASES = (
    "floor",
    "SpaceClient",
    "ChatQwenSpace.astream",
    "ChatQwenSpace.stream",
    "QwenSpace.astream_chat",
    "QwenSpace.stream_chat",
)


def measure(server: str, *, quick: bool = False) -> dict[str, dict[str, float]]:
    """Return the median and the 99th percentile in milliseconds, by case, of the best round."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(1 if quick else 3):
        for case in CASES:
            command = [sys.executable, "-m", "benchmarks.latency", case, server]
            told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            for name, value in json.loads(told.stdout).items():
                old = best.setdefault(case, {}).get(name, value)
                best[case][name] = min(value, old)
    return best


def main(case: str, server: str) -> None:
    """Measure one client in this process."""
    url = f"{server}/paced-{TOKENS}-{PER_SECOND}"
    late: list[tuple[int, float]] = []  # when it was written, and the milliseconds from then on

    def arrived(token: str) -> None:
        if token:
            written = int(token)
            late.append((written, (time.monotonic_ns() - written) / 1e6))

    if case.endswith((".stream", ".stream_chat")):
        _in_threads(_SYNC[case](url), arrived)
    else:
        asyncio.run(_in_tasks(_ASYNC[case](url), arrived))
    assert len(late) == STREAMS * TOKENS  # noqa: S101
    steady = sorted(late)[len(late) // 3 :]  # without the rush in which all of them begin
    hundredths = statistics.quantiles([each for _, each in steady], n=100)
    print(json.dumps({"median": hundredths[49], "p99": hundredths[98]}))


def _in_threads(read: Callable[[Any], None], arrived: Callable[[str], None]) -> None:
    threads = [threading.Thread(target=read, args=(arrived,)) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def _in_tasks(read: Callable[[Any], Awaitable[None]], arrived: Callable[[str], None]) -> None:
    await asyncio.gather(*(read(arrived) for _ in range(STREAMS)))


def _floor(url: str) -> Any:
    written = re.compile(rb'"(\d+ )"\]\]')  # the token, at the end of an edit

    async def read(arrived: Callable[[str], None]) -> None:
        import aiohttp

        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/gradio_api/queue/data", timeout=None) as answer,
        ):
            async for chunk in answer.content.iter_any():
                for token in written.findall(chunk):
                    arrived(token.decode())

    return read


def _space_client(url: str) -> Any:
    from qwen_space import SpaceClient, TextDelta

    async def read(arrived: Callable[[str], None]) -> None:
        async with SpaceClient(url) as client, client.stream("Hello") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    arrived(event.delta)

    return read


def _chat_qwen_space(url: str) -> Any:
    from langchain_qwen_space import ChatQwenSpace

    model = ChatQwenSpace(space=url)

    async def read(arrived: Callable[[str], None]) -> None:
        async for chunk in model.astream("Hello"):
            arrived(str(chunk.content))

    return read


def _chat_qwen_space_sync(url: str) -> Any:
    from langchain_qwen_space import ChatQwenSpace

    model = ChatQwenSpace(space=url)

    def read(arrived: Callable[[str], None]) -> None:
        for chunk in model.stream("Hello"):
            arrived(str(chunk.content))

    return read


def _qwen_space(url: str) -> Any:
    from llama_index.core.llms import ChatMessage

    from llama_index_qwen_space import QwenSpace

    llm = QwenSpace(space=url)

    async def read(arrived: Callable[[str], None]) -> None:
        async for chunk in await llm.astream_chat([ChatMessage("Hello")]):
            arrived(chunk.delta or "")

    return read


def _qwen_space_sync(url: str) -> Any:
    from llama_index.core.llms import ChatMessage

    from llama_index_qwen_space import QwenSpace

    llm = QwenSpace(space=url)

    def read(arrived: Callable[[str], None]) -> None:
        for chunk in llm.stream_chat([ChatMessage("Hello")]):
            arrived(chunk.delta or "")

    return read


_ASYNC = {
    "floor": _floor,
    "SpaceClient": _space_client,
    "ChatQwenSpace.astream": _chat_qwen_space,
    "QwenSpace.astream_chat": _qwen_space,
}
_SYNC = {
    "ChatQwenSpace.stream": _chat_qwen_space_sync,
    "QwenSpace.stream_chat": _qwen_space_sync,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
