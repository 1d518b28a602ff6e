"""How long a token takes from the server's write to the consumer's line of code.

Many streams at once; each brings a token every 20 ms that says when it was written; the
clock is the machine's, and so the same in both processes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import threading
import time

from benchmarks.clients import ASYNC, SYNC, OnPiece

__all__ = ["measure"]

STREAMS = 100  # which is also the most connections that Ollama's client opens
PER_SECOND = 50
TOKENS = 200
# The names of the results, and those of the clients.
CASES = {
    "floor": "floor",
    "SpaceClient": "SpaceClient",
    "ChatQwenSpace.astream": "LangChain astream: ChatQwenSpace",
    "ChatQwenSpace.stream": "LangChain stream: ChatQwenSpace",
    "QwenSpace.astream_chat": "LlamaIndex astream_chat: QwenSpace",
    "QwenSpace.stream_chat": "LlamaIndex stream_chat: QwenSpace",
}
PEERS = {
    "ChatOllama.astream": "LangChain astream: ChatOllama",
    "ChatOllama.stream": "LangChain stream: ChatOllama",
    "Ollama.astream_chat": "LlamaIndex astream_chat: Ollama",
    "Ollama.stream_chat": "LlamaIndex stream_chat: Ollama",
}

# The garbage collector looks through all that a program has kept, for as long as a tenth of a
# second, which is the longest that any token waits. So each is measured once more in a program
# that lets it look less often.
THRESHOLDS = (10_000, 50, 50)
RARELY = f", gc.set_threshold{THRESHOLDS}"


def measure(server: str, *, quick: bool = False) -> dict[str, dict[str, float]]:
    """Return the median and the 99th percentile in milliseconds, by case, of the best round."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(1 if quick else 3):
        for case in (*CASES, *(f"{case}{RARELY}" for case in [*CASES][2:]), *PEERS):
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

    client = {**CASES, **PEERS}[case]
    if client in SYNC:
        _in_threads(client, url, arrived)
    else:
        asyncio.run(_in_tasks(client, url, arrived))
    assert len(late) == STREAMS * TOKENS  # noqa: S101
    steady = sorted(late)[len(late) // 3 :]  # without the rush in which all of them begin
    hundredths = statistics.quantiles([each for _, each in steady], n=100)
    print(json.dumps({"median": hundredths[49], "p99": hundredths[98]}))


def _in_threads(case: str, url: str, arrived: OnPiece) -> None:
    with SYNC[case]() as read:
        threads = [threading.Thread(target=read, args=(url, arrived)) for _ in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def _in_tasks(case: str, url: str, arrived: OnPiece) -> None:
    async with ASYNC[case]() as read:
        await asyncio.gather(*(read(url, arrived) for _ in range(STREAMS)))


if __name__ == "__main__":
    main(*sys.argv[1:])
