"""How long a token takes from the server's write to the consumer's line of code.

Many streams at once; each brings a token every 20 ms that says when it was written; the
clock is the machine's, and so the same in both processes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.clients import chat_ollama, chat_qwen_space, ollama, qwen_space

__all__ = ["measure"]

STREAMS = 100  # which is also the most connections that Ollama's client opens
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
PEERS = ("ChatOllama.astream", "ChatOllama.stream", "Ollama.astream_chat", "Ollama.stream_chat")

# The garbage collector looks through all that a program has kept, for as long as a tenth of a
# second, which is the longest that any token waits. So each is measured once more in a program
# that lets it look less often.
THRESHOLDS = (10_000, 50, 50)
RARELY = f", gc.set_threshold{THRESHOLDS}"


def measure(server: str, *, quick: bool = False) -> dict[str, dict[str, float]]:
    """Return the median and the 99th percentile in milliseconds, by case, of the best round."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(1 if quick else 3):
        for case in (*CASES, *(f"{case}{RARELY}" for case in CASES[2:]), *PEERS):
            command = [sys.executable, "-m", "benchmarks.latency", case, server]
            told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            for name, value in json.loads(told.stdout).items():
                old = best.setdefault(case, {}).get(name, value)
                best[case][name] = min(value, old)
    return best


def main(case: str, server: str) -> None:
    """Measure one client in this process."""
    if case.endswith(RARELY):
        gc.set_threshold(*THRESHOLDS)
        case = case.removesuffix(RARELY)
    url = f"{server}/paced-{TOKENS}-{PER_SECOND}"
    late: list[tuple[int, float]] = []  # when it was written, and the milliseconds from then on

    def arrived(token: str) -> None:
        if token:
            written = int(token)
            late.append((written, (time.monotonic_ns() - written) / 1e6))

    if case in _SYNC:
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


def _astream(make: Callable[[str], Any]) -> Any:
    def case(url: str) -> Any:
        model = make(url)

        async def read(arrived: Callable[[str], None]) -> None:
            async for chunk in model.astream("Hello"):
                arrived(str(chunk.content))

        return read

    return case


def _stream(make: Callable[[str], Any]) -> Any:
    def case(url: str) -> Any:
        model = make(url)

        def read(arrived: Callable[[str], None]) -> None:
            for chunk in model.stream("Hello"):
                arrived(str(chunk.content))

        return read

    return case


def _astream_chat(make: Callable[[str], Any]) -> Any:
    def case(url: str) -> Any:
        from llama_index.core.llms import ChatMessage

        llm = make(url)

        async def read(arrived: Callable[[str], None]) -> None:
            async for chunk in await llm.astream_chat([ChatMessage("Hello")]):
                arrived(chunk.delta or "")

        return read

    return case


def _stream_chat(make: Callable[[str], Any]) -> Any:
    def case(url: str) -> Any:
        from llama_index.core.llms import ChatMessage

        llm = make(url)

        def read(arrived: Callable[[str], None]) -> None:
            for chunk in llm.stream_chat([ChatMessage("Hello")]):
                arrived(chunk.delta or "")

        return read

    return case


_ASYNC = {
    "floor": _floor,
    "SpaceClient": _space_client,
    "ChatQwenSpace.astream": _astream(chat_qwen_space),
    "QwenSpace.astream_chat": _astream_chat(qwen_space),
    "ChatOllama.astream": _astream(chat_ollama),
    "Ollama.astream_chat": _astream_chat(ollama),
}
_SYNC = {
    "ChatQwenSpace.stream": _stream(chat_qwen_space),
    "QwenSpace.stream_chat": _stream_chat(qwen_space),
    "ChatOllama.stream": _stream(chat_ollama),
    "Ollama.stream_chat": _stream_chat(ollama),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
