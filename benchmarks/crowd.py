"""Many streams at once in one process: their memory while all are open, and that all are exact.

The server sends half of each reply, and the other half when all streams have come so far. The
memory is measured in between: the process's own, less its size after a first reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psutil

from benchmarks.clients import chat_ollama, chat_qwen_space, ollama, qwen_space
from benchmarks.frames import tokens
from benchmarks.server import ask

__all__ = ["measure"]

TOKENS = 40
THREADS = 200
CROWDS = (100, 500, 1000, 5000)
CASES = ("floor", "SpaceClient", "ChatQwenSpace.astream", "QwenSpace.astream_chat")
# gradio_client wants a client for each session, of several threads each; the other two open at
# most a hundred connections, which is their HTTP client's default, and let the others wait.
PEERS = ("gradio_client", "ChatOllama.astream", "Ollama.astream_chat")
PEER_CROWDS = (10, 50, 100)

_TEXT = "".join(tokens(TOKENS))

Read = Callable[[Callable[[], None]], Awaitable[str]]


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
        print(asyncio.run(_memory(_READERS[case], server, count)))


async def _memory(make: Any, server: str, count: int) -> float:
    """Return the KB that each of `count` streams takes."""
    half_way = 0

    def at_half() -> None:
        nonlocal half_way
        half_way += 1

    async with make(server) as read:
        read_one: Callable[[str], Awaitable[str]] = read(at_half)

        async def together(count: int) -> int:
            """Read so many streams; return the memory that they take when half of each is there."""
            nonlocal half_way
            half_way, before = 0, _resident()
            streams = [
                asyncio.ensure_future(read_one(f"{server}/held-{TOKENS}-0")) for _ in range(count)
            ]
            while half_way < count:
                await asyncio.sleep(0.1)
                _raise_failed(streams)
            taken = _resident() - before
            await asyncio.to_thread(ask, server, "release")
            assert set(await asyncio.gather(*streams)) <= {_TEXT, ""}  # noqa: S101
            return taken

        await together(1)  # which reads the app's /config
        taken = await together(count)
    return taken / count / 1024


def _raise_failed(streams: list[asyncio.Future[str]]) -> None:
    for stream in streams:
        if stream.done():
            stream.result()


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


@contextlib.asynccontextmanager
async def _floor(server: str) -> AsyncIterator[Any]:
    """Read the same bytes by the same requests, a session for all, and drop them."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        def counted(at_half: Callable[[], None]) -> Any:
            async def read(url: str) -> str:
                queue = f"{url}/gradio_api/queue"
                async with session.post(f"{queue}/join", json={}) as answer:
                    await answer.json()
                seen = 0
                async with session.get(f"{queue}/data", timeout=None) as answer:
                    async for chunk in answer.content.iter_any():
                        before, seen = seen, seen + chunk.count(b'"append"')
                        if before < TOKENS // 2 <= seen:
                            at_half()
                assert seen == TOKENS  # noqa: S101
                return ""

            return read

        yield counted


@contextlib.asynccontextmanager
async def _space_client(server: str) -> AsyncIterator[Any]:
    from qwen_space import SpaceClient, TextDelta

    clients: dict[str, SpaceClient] = {}

    def counted(at_half: Callable[[], None]) -> Any:
        async def read(url: str) -> str:
            if url not in clients:
                clients[url] = await stack.enter_async_context(SpaceClient(url))
            pieces = []
            async with clients[url].stream("Hello") as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        pieces.append(event.delta)
                        if len(pieces) == TOKENS // 2:
                            at_half()
            return "".join(pieces)

        return read

    async with contextlib.AsyncExitStack() as stack:
        yield counted


def _langchain(make: Callable[[str], Any]) -> Any:
    @contextlib.asynccontextmanager
    async def model(server: str) -> AsyncIterator[Any]:
        def counted(at_half: Callable[[], None]) -> Any:
            models: dict[str, Any] = {}

            async def read(url: str) -> str:
                pieces = []
                if url not in models:
                    models[url] = make(url)
                async for chunk in models[url].astream("Hello"):
                    pieces.append(str(chunk.content))
                    if len(pieces) == TOKENS // 2:
                        at_half()
                return "".join(pieces)

            return read

        yield counted

    return model


def _llama_index(make: Callable[[str], Any]) -> Any:
    @contextlib.asynccontextmanager
    async def llm(server: str) -> AsyncIterator[Any]:
        from llama_index.core.llms import ChatMessage

        def counted(at_half: Callable[[], None]) -> Any:
            llms: dict[str, Any] = {}

            async def read(url: str) -> str:
                pieces = []
                if url not in llms:
                    llms[url] = make(url)
                async for chunk in await llms[url].astream_chat([ChatMessage("Hello")]):
                    pieces.append(chunk.delta or "")
                    if len(pieces) == TOKENS // 2:
                        at_half()
                return "".join(pieces)

            return read

        yield counted

    return llm


_READERS = {
    "floor": _floor,
    "SpaceClient": _space_client,
    "ChatQwenSpace.astream": _langchain(chat_qwen_space),
    "ChatOllama.astream": _langchain(chat_ollama),
    "QwenSpace.astream_chat": _llama_index(qwen_space),
    "Ollama.astream_chat": _llama_index(ollama),
}


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
