"""Ten thousand replies, two hundred at once, from a server at fault in one of five.

Then the same from a healthy server. Every reply is judged: it is exact, to the letter, or the
error is of the class that its fault calls for and carries the text that had arrived. They come
through the core, `ChatQwenSpace` and `QwenSpace`, async and blocking, each of them one object.

After each thousand, memory, file descriptors, tasks and threads are counted at rest. Flat means:
no more descriptors, tasks or threads after the last thousand than after the first, and at most
8 MB more memory. The exit status is 1 where a reply was judged wrong or something grew.

The server is a process of its own, and picks faults by the prompt's number, so that a run can be
had again.

    python -m benchmarks.soak [--replies 10000] [--at-once 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    JobError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceClient,
    SpaceConfig,
    SpaceStatusError,
    SpaceTimeoutError,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.bridge import run_sync
from qwen_space.chat_model.space import Space
from tests import scripted_server
from tests.scripted_server import Exchange, ScriptedServer, append, completed, generating, status

WORDS = ("one ", "two", " 你好", "🙂", "\n- a\n", "[0, 1]", "two", " and a longer piece of text ")
TIMEOUTS = Timeouts(connect=60.0, first_token=60.0, silence=10.0)
MOST_MEMORY = 8.0  # MB from the first thousand to the last
CONFIG = Path(__file__).parents[1] / "tests" / "data" / "4.44.1-ms" / "config.json"


@dataclass(frozen=True)
class Fault:
    """A fault of the server, and the error that the caller must get.

    Attributes:
        error: The class of the error.
        keeps: Whether the error has to carry all the text that was sent; else a part of it.
    """

    error: type[QwenSpaceError]
    keeps: bool = True


FAULTS = {
    "the join: 429": Fault(QuotaError),
    "the join: 500": Fault(SpaceStatusError),
    "the join: 503, the queue is full": Fault(QueueFullError),
    "the join: no answer": Fault(StreamInterruptedError),
    "the stream: 404": Fault(SpaceStatusError),
    "cut": Fault(StreamInterruptedError),
    "cut by a reset": Fault(StreamInterruptedError, keeps=False),
    "ended too early": Fault(StreamInterruptedError),
    "the app fails": Fault(JobError),
    "the server fails": Fault(StreamInterruptedError),
    "no JSON": Fault(ProtocolError),
    "no UTF-8": Fault(ProtocolError),
    "an edit that fits nowhere": Fault(ProtocolError),
    "silence": Fault(SpaceTimeoutError),
}


@dataclass(frozen=True)
class Case:
    """The server's answer to one prompt."""

    pieces: tuple[str, ...]
    fault: str | None
    sent: int  # pieces before the fault

    @classmethod
    def of(cls, number: int, seed: int, *, healthy: bool) -> Case:
        """Return the case of a prompt's number, the same here and in the server."""
        rng = random.Random(f"{seed}:{number}")  # noqa: S311
        pieces = tuple(rng.choice(WORDS) for _ in range(rng.randint(2, 16)))
        fault = rng.choice(list(FAULTS)) if rng.random() < 0.2 else None
        sent = rng.randint(0, len(pieces))
        return cls(pieces, None if healthy else fault, sent)

    @property
    def text(self) -> str:
        """The text that the client gets."""
        if self.fault is None:
            return "".join(self.pieces)
        return "" if self.fault.startswith("the ") and ":" in self.fault else self.cut

    @property
    def cut(self) -> str:
        """The text before the fault."""
        return "".join(self.pieces[: self.sent])


# The server


def serve(seed: int, *, healthy: bool, told: Any) -> None:
    """Serve, and tell the address; the process is ended from outside."""
    asyncio.run(_serve(seed, healthy=healthy, told=told))


async def _serve(seed: int, *, healthy: bool, told: Any) -> None:
    cases: dict[str, Case] = {}  # by session

    async def join(exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        case = Case.of(int(body["data"][0].split()[-1]), seed, healthy=healthy)
        cases[body["session_hash"]] = case
        server.exchanges.clear()
        match case.fault:
            case "the join: 429":
                await exchange.answer(429, "Too many requests")
            case "the join: 500":
                await exchange.answer(500, "<html>Internal Server Error")
            case "the join: 503, the queue is full":
                await exchange.answer(503, {"detail": "Queue is full. Max size is 1."})
            case "the join: no answer":
                exchange.cut()
            case _:
                await exchange.answer(200, {"event_id": scripted_server.EVENT_ID})

    async def data(exchange: Exchange) -> None:
        case = cases.pop(exchange.session_hash or "", None)
        if case is None or case.fault == "the stream: 404":
            await exchange.answer(404, {"detail": "Not Found"})
            return
        await exchange.begin_stream()
        for message in _messages(case):
            if exchange.dropped.is_set():
                return
            await exchange.send(message)
        await _end(exchange, case)

    config = status(200, json.loads(CONFIG.read_text()))
    async with ScriptedServer(config=config, join=join, data=data) as server:
        told.send(server.url)
        await asyncio.Event().wait()


def _messages(case: Case) -> Iterable[dict[str, Any] | bytes]:
    """Yield the bytes before the end, or before the fault."""
    yield scripted_server.estimation()
    yield scripted_server.starts()
    pieces = case.pieces if case.fault is None else case.pieces[: case.sent]
    for index, piece in enumerate(pieces):
        yield append(piece) if index else generating(piece)
    if case.fault is None:
        yield completed(case.text)


async def _end(exchange: Exchange, case: Case) -> None:
    last: dict[str, Any] | bytes | None = None
    match case.fault:
        case "cut":
            exchange.cut()
            return
        case "cut by a reset":
            exchange.reset()
            return
        case "silence":
            await exchange.dropped.wait()
            return
        case "the app fails":
            last = scripted_server.failed("planned")
        case "the server fails":
            last = {"msg": "unexpected_error", "message": "Server stopped unexpectedly."}
        case "no JSON":
            last = b"data: {oh\n\n"
        case "no UTF-8":
            last = b"data: \xff\n\n"
        case "an edit that fits nowhere":
            edit = ["append", [0, 7, "text"], "x"]
            last = {"msg": "process_generating", "output": {"data": [[], [edit], []]}}
            if not case.sent:  # where no value is known yet, edits are none
                last["output"]["data"] = [1]
    if last is not None:
        await exchange.send(last)
    await exchange.end_stream()


# The client


class Asker:
    """One object of each kind, asked in turn."""

    def __init__(self, url: str, client: SpaceClient, pool: ThreadPoolExecutor) -> None:
        self._client = client
        self._pool = pool
        self._space = Space.from_config(SpaceConfig(space=url, timeouts=TIMEOUTS, max_retries=0))
        self._langchain = ChatQwenSpace(space=url, timeouts=TIMEOUTS, max_retries=0)
        self._llama_index = QwenSpace(space=url, timeouts=TIMEOUTS, max_retries=0)
        self.ways: list[Callable[[str], Awaitable[tuple[str, str]]]] = [
            *(self._core_stream, self._core_complete, self._core_stream, self._core_blocking),
            *(self._langchain_stream, self._langchain_whole, self._langchain_blocking),
            *(self._llama_index_stream, self._llama_index_whole, self._llama_index_blocking),
        ]

    async def ask(self, number: int) -> tuple[str, str]:
        """Return the deltas together, and the whole text."""
        return await self.ways[number % len(self.ways)](f"Prompt {number}")

    async def _core_stream(self, prompt: str) -> tuple[str, str]:
        async with self._client.stream(prompt) as events:
            return await _joined(events)

    async def _core_complete(self, prompt: str) -> tuple[str, str]:
        done = await self._space.achat([Turn("user", prompt)])
        return done.text, done.text

    async def _core_blocking(self, prompt: str) -> tuple[str, str]:
        def read() -> tuple[str, str]:
            events = list(self._space.stream_chat([Turn("user", prompt)]))
            deltas = [event.delta for event in events if isinstance(event, TextDelta)]
            return "".join(deltas), events[-1].text  # type: ignore[union-attr]

        return await self._in_a_thread(read)

    async def _langchain_stream(self, prompt: str) -> tuple[str, str]:
        text = "".join([str(chunk.text) async for chunk in self._langchain.astream(prompt)])
        return text, text

    async def _langchain_whole(self, prompt: str) -> tuple[str, str]:
        text = str((await self._langchain.ainvoke(prompt)).text)
        return text, text

    async def _langchain_blocking(self, prompt: str) -> tuple[str, str]:
        def read() -> tuple[str, str]:
            text = "".join(str(chunk.text) for chunk in self._langchain.stream(prompt))
            return text, text

        return await self._in_a_thread(read)

    async def _llama_index_stream(self, prompt: str) -> tuple[str, str]:
        stream = await self._llama_index.astream_complete(prompt)
        chunks = [chunk async for chunk in stream]
        return "".join(chunk.delta or "" for chunk in chunks), chunks[-1].text

    async def _llama_index_whole(self, prompt: str) -> tuple[str, str]:
        text = (await self._llama_index.acomplete(prompt)).text
        return text, text

    async def _llama_index_blocking(self, prompt: str) -> tuple[str, str]:
        def read() -> tuple[str, str]:
            chunks = list(self._llama_index.stream_complete(prompt))
            return "".join(chunk.delta or "" for chunk in chunks), chunks[-1].text

        return await self._in_a_thread(read)

    async def _in_a_thread(self, read: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, read)


async def _joined(events: AsyncIterator[Any]) -> tuple[str, str]:
    deltas, event = [], None
    async for event in events:
        if isinstance(event, TextDelta):
            deltas.append(event.delta)
    return "".join(deltas), event.text if event is not None else ""


async def judged(asker: Asker, number: int, case: Case) -> str:
    """Return "exact", the name of the fault that was rightly told, or the mistake."""
    fault = None if case.fault is None else FAULTS[case.fault]
    try:
        got = await asker.ask(number)
    except QwenSpaceError as exc:
        if fault is None or not isinstance(exc, fault.error):
            return f"WRONG: {case.fault}: {exc!r:.200}"
        if exc.text != case.text and (fault.keeps or not case.text.startswith(exc.text)):
            return f"WRONG: {case.fault}: the error has {exc.text!r:.80} of {case.text!r:.80}"
        return str(case.fault)
    except Exception as exc:
        return f"WRONG: {case.fault}: {exc!r:.200}"
    if fault is not None:
        return f"WRONG: {case.fault}: a reply, {got!r:.80}"
    return "exact" if got == (case.text, case.text) else f"WRONG: {got!r:.80} of {case.text!r:.80}"


# The cost


@dataclass(frozen=True)
class Cost:
    """The resources of the process, at rest."""

    memory: float  # MB
    descriptors: int
    tasks: int
    threads: int

    @classmethod
    async def now(cls) -> Cost:
        """Count, once connections that nobody uses have had their time."""
        await asyncio.sleep(7)  # aiohttp looks for them every three seconds
        tasks = len(asyncio.all_tasks()) + run_sync(_tasks_of_the_bridge)
        return cls._counted(tasks)

    @classmethod
    def _counted(cls, tasks: int) -> Cost:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cls(memory, descriptors, tasks, threading.active_count())

    def grew(self, since: Cost) -> bool:
        """Whether it is more than before, by more than memory's own unrest."""
        counts = [(self.descriptors, since.descriptors), (self.tasks, since.tasks)]
        counts.append((self.threads, since.threads))
        return self.memory > since.memory + MOST_MEMORY or any(now > then for now, then in counts)


async def _tasks_of_the_bridge() -> int:
    return len(asyncio.all_tasks())


async def soak(options: argparse.Namespace, url: str, *, healthy: bool) -> bool:
    """Run one half and print it; return whether all was well."""
    print(f"\n{'A healthy server' if healthy else 'One reply in five at fault'}\n")
    print("| replies | seconds | a second | memory, MB | descriptors | tasks | threads |")
    print("|---|---|---|---|---|---|---|", flush=True)
    verdicts: Counter[str] = Counter()
    costs: list[Cost] = []
    with _full_pool(options.at_once) as pool:
        async with SpaceClient(url, timeouts=TIMEOUTS, max_retries=0) as client:
            asker = Asker(url, client, pool)
            for start in range(0, options.replies, 1000):
                began = time.monotonic()
                numbers = range(start, min(start + 1000, options.replies))
                verdicts.update(await _batch(options, asker, numbers, healthy=healthy))
                seconds = time.monotonic() - began
                costs.append(cost := await Cost.now())
                print(
                    f"| {numbers.stop} | {seconds:.1f} | {len(numbers) / seconds:.0f} "
                    f"| {cost.memory:.1f} | {cost.descriptors} | {cost.tasks} | {cost.threads} |",
                    flush=True,
                )
    print()
    for verdict, count in verdicts.most_common():
        print(f"{count:6} {verdict}")
    grew = costs[-1].grew(costs[0])
    print(f"\nfrom the first thousand to the last: {'IT GREW' if grew else 'flat'}", flush=True)
    return not grew and not any(each.startswith("WRONG") for each in verdicts)


def _full_pool(size: int) -> ThreadPoolExecutor:
    """Return a pool all of whose threads live already, so that none is added later."""
    pool, all_here = ThreadPoolExecutor(size, "soak"), threading.Barrier(size + 1)
    for _ in range(size):
        pool.submit(all_here.wait)
    all_here.wait()
    return pool


async def _batch(
    options: argparse.Namespace, asker: Asker, numbers: range, *, healthy: bool
) -> list[str]:
    """Ask for some replies, so many at once, and return the verdicts."""
    left = iter(numbers)
    verdicts: list[str] = []

    async def work() -> None:
        for number in left:
            case = Case.of(number, options.seed, healthy=healthy)
            verdicts.append(await judged(asker, number, case))

    await asyncio.gather(*(work() for _ in range(options.at_once)))
    return verdicts


def _replies(text: str) -> int:
    if (count := int(text)) < 2_000:
        raise argparse.ArgumentTypeError("the last thousand is compared with the first")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--replies", type=_replies, default=10_000, help="2000 or more")
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    well = True
    for healthy in (False, True):
        here, there = context.Pipe()
        server = context.Process(
            target=serve, args=(options.seed,), kwargs={"healthy": healthy, "told": there}
        )
        server.start()
        try:
            well = asyncio.run(soak(options, here.recv(), healthy=healthy)) and well
        finally:
            server.terminate()
            server.join()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
