"""Many streams at once in one process: their memory while all are open, and that all are exact.

The server sends half of each reply, and the other half when all streams have come so far. The
memory is measured in between: the process's own, less its size after a first reply.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import threading
import time
from typing import Any

import psutil

from benchmarks.clients import ASYNC
from benchmarks.frames import tokens
from benchmarks.server import ask

__all__ = ["measure"]

TOKENS = 40
THREADS = 200
CROWDS = (100, 500, 1000, 5000)
# The names of the results, and those of the clients.
CASES = {
    "floor": "floor",
    "SpaceClient": "SpaceClient",
    "ChatQwenSpace.astream": "LangChain astream: ChatQwenSpace",
    "QwenSpace.astream_chat": "LlamaIndex astream_chat: QwenSpace",
}
# gradio_client wants a client for each session, of several threads each; the other two open at
# most a hundred connections, which is their HTTP client's default, and let the others wait.
PEERS = {
    "gradio_client": "gradio_client",
    "ChatOllama.astream": "LangChain astream: ChatOllama",
    "Ollama.astream_chat": "LlamaIndex astream_chat: Ollama",
}
PEER_CROWDS = (10, 50, 100)

_TEXT = "".join(tokens(TOKENS))


def measure(server: str, *, quick: bool = False) -> dict[str, Any]:
    """Return KB a stream by case and count of streams, and the seconds of 200 blocking threads."""
    memory: dict[str, dict[int, float]] = {}
    for case in (*CASES, *PEERS):
        for count in PEER_CROWDS if case in PEERS else CROWDS:
            if not quick or count in {10, 100, 1000}:
                memory.setdefault(case, {})[count] = _told("memory", case, server, str(count))
    return {"memory": memory, "threads": _told("threads", "ChatQwenSpace", server, str(THREADS))}


def _told(*arguments: str) -> Any:
    """Return the answer of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.crowd", *arguments]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return json.loads(told.stdout)


def main(what: str, case: str, server: str, count: int) -> None:
    """Measure one client in this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if what == "threads":
        print(json.dumps(_threads(server, count)))
    elif case == "gradio_client":
        print(_gradio_clients(server, count))
    else:
        print(asyncio.run(_memory({**CASES, **PEERS}[case], server, count)))


async def _memory(client: str, server: str, count: int) -> float:
    """Return the KB that each of `count` streams takes."""
    half_way = 0
    expected = ["", TOKENS] if client == "floor" else [_TEXT, TOKENS]  # which keeps no text

    async with ASYNC[client]() as read:

        async def read_one() -> list[Any]:
            """Return the text, and the count of its pieces."""
            seen = 0

            def count_piece(piece: str) -> None:
                nonlocal seen, half_way
                seen += bool(piece)
                half_way += bool(piece) and seen == TOKENS // 2

            return [await read(f"{server}/held-{TOKENS}-0", count_piece), seen]

        async def together(count: int) -> int:
            """Read so many streams; return the memory that they take when half of each is there."""
            nonlocal half_way
            half_way, before = 0, _resident()
            streams = [asyncio.ensure_future(read_one()) for _ in range(count)]
            while half_way < count:
                await asyncio.sleep(0.1)
                _raise_failed(streams)
            taken = _resident() - before
            await asyncio.to_thread(ask, server, "release")
            assert await asyncio.gather(*streams) == [expected] * count  # noqa: S101
            return taken

        await together(1)  # which reads the app's /config
        taken = await together(count)
    return taken / count / 1024


def _raise_failed(streams: list[asyncio.Future[Any]]) -> None:
    for stream in streams:
        if stream.done():
            stream.result()


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _gradio_clients(server: str, count: int) -> float:
    """Return the KB of a stream of gradio_client, which wants a client for each session."""
    from gradio_client import Client

    def job(plan: str) -> Any:
        client = Client(f"{server}/{plan}", verbose=False, analytics_enabled=False)
        return client.submit("Hello", [], "", "72B", api_name="/model_chat_1")

    job(f"fast-{TOKENS}-0").result()
    before = _resident()
    jobs = [job(f"held-{TOKENS}-0") for _ in range(count)]
    while any(len(each.outputs()) < TOKENS // 2 for each in jobs):
        time.sleep(0.1)
    taken = _resident() - before
    ask(server, "release")
    assert {each.result()[1][-1]["content"][0]["text"] for each in jobs} == {_TEXT}  # noqa: S101
    return taken / count / 1024


def _threads(server: str, count: int) -> dict[str, float]:
    """Call `invoke` in threads, all at once; return the seconds, and the CPU seconds."""
    from langchain_qwen_space import ChatQwenSpace

    model = ChatQwenSpace(space=f"{server}/fast-200-0")
    expected = model.invoke("Hello").text
    assert expected == "".join(tokens(200))  # noqa: S101
    said: list[str] = []
    begin = threading.Barrier(count)

    def call() -> None:
        begin.wait()
        said.append(model.invoke("Hello").text)

    threads = [threading.Thread(target=call) for _ in range(count)]
    start, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [expected] * count  # noqa: S101
    return {"seconds": time.monotonic() - start, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
