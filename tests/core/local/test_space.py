"""The local Space: its start, its end, and streams that nobody reads."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from starlette.types import ASGIApp

from qwen_space.local import LocalSpace, ScriptedEngine, StartError

PIECES = ["Hello", " there", "."]


class Visitor:
    """Speaks Gradio's protocol, in the few words that these tests need."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def join(self, session: str) -> str:
        body = {"data": ["Hi", [], "", "72B"], "fn_index": 3, "session_hash": session}
        async with self.http.post(f"{self.url}/gradio_api/queue/join", json=body) as answer:
            event: str = (await answer.json())["event_id"]
        return event

    async def listen(self, session: str) -> aiohttp.ClientResponse:
        return await self.http.get(f"{self.url}/gradio_api/queue/data?session_hash={session}")

    async def ask(self, session: str) -> str:
        await self.join(session)
        async with await self.listen(session) as answer:
            return await answer.text()


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    with LocalSpace(ScriptedEngine(PIECES)) as running:
        yield running


@pytest.fixture
def engine(space: LocalSpace) -> Iterator[ScriptedEngine]:
    engine = space.engine
    assert isinstance(engine, ScriptedEngine)
    engine.gate = threading.Semaphore(0)
    engine.requests.clear()
    engine.finished = engine.failed = engine.cancelled = 0
    yield engine
    engine.gate = None
    engine.wait_idle()


@pytest.fixture
async def visitor(space: LocalSpace) -> Any:
    async with aiohttp.ClientSession() as http:
        yield Visitor(http, space.url)


async def until(engine: ScriptedEngine, **counts: int) -> None:
    """Wait, outside the event loop, until the engine's counts are as given."""

    def reached(seen: ScriptedEngine) -> bool:
        return all(getattr(seen, name) == count for name, count in counts.items())

    await asyncio.to_thread(engine.wait_until, reached)


# Ready when it says so


async def test_a_space_answers_as_soon_as_it_is_entered() -> None:
    async with LocalSpace(ScriptedEngine(PIECES)) as space, aiohttp.ClientSession() as http:
        async with http.get(f"{space.url}/config") as config:
            status = config.status
        stream = await Visitor(http, space.url).ask("s")

    assert status == 200
    assert '"process_completed"' in stream
    assert "Hello there." in stream


def test_a_space_starts_again_where_it_ran_before() -> None:
    space = LocalSpace(ScriptedEngine(PIECES))

    for _ in range(2):
        with space:
            port = int(space.url.rpartition(":")[2])
            socket.create_connection(("127.0.0.1", port)).close()

    with pytest.raises(RuntimeError, match="does not run"):
        _ = space.url


def test_several_spaces_run_at_once() -> None:
    spaces = [LocalSpace(ScriptedEngine(PIECES)) for _ in range(3)]
    starts = [threading.Thread(target=space.start) for space in spaces]

    for start in starts:
        start.start()
    for start in starts:
        start.join()
    try:
        urls = {space.url for space in spaces}
    finally:
        for space in spaces:
            space.close()

    assert len(urls) == 3


def test_a_running_space_is_not_started_twice(space: LocalSpace) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        space.start()


def test_a_port_in_use_is_an_error_that_says_so(space: LocalSpace) -> None:
    port = int(space.url.rpartition(":")[2])
    other = LocalSpace(ScriptedEngine(PIECES), port=port)

    with pytest.raises(StartError, match=f"Cannot listen on 127.0.0.1 port {port}: .*in use"):
        other.start()


def test_a_port_that_cannot_be_is_told_in_whole_sentences() -> None:
    with pytest.raises(StartError, match=r"port 99999: [^.]*\. Choose another port"):
        LocalSpace(ScriptedEngine([]), port=99999).start()


def test_an_app_that_cannot_start_leaves_nothing_behind() -> None:
    def broken(app: ASGIApp) -> ASGIApp:
        raise ValueError("no")

    before = set(threading.enumerate())
    space = LocalSpace(ScriptedEngine(PIECES), middleware=[broken])

    with pytest.raises(StartError, match=r"ValueError\('no'\)"):
        space.start()

    gc.collect()  # a socket left open would warn, and warnings are errors
    assert set(threading.enumerate()) <= before


def test_an_engine_that_cannot_start_is_the_error() -> None:
    class Broken(ScriptedEngine):
        def start(self) -> None:
            raise StartError("no model")

    with pytest.raises(StartError, match="no model"):
        LocalSpace(Broken(PIECES)).start()


# Stops cleanly


async def test_closing_tells_open_streams_and_cuts_them() -> None:
    engine = ScriptedEngine(PIECES, gate=threading.Semaphore(0))
    before = set(threading.enumerate())
    loop = asyncio.get_running_loop()

    async with aiohttp.ClientSession() as http:
        async with LocalSpace(engine) as space:
            visitor = Visitor(http, space.url)
            for session in "abc":
                await visitor.join(session)
            streams = [await visitor.listen(session) for session in "abc"]
            await until(engine, running=3)
            began = loop.time()
        took = loop.time() - began
        for stream in streams:
            assert "This Space is being stopped" in await stream.text()

    assert took < 3
    assert (engine.running, engine.cancelled) == (0, 3)
    assert not [t for t in set(threading.enumerate()) - before if not t.name.startswith("asyncio")]


@pytest.mark.processes
def test_nothing_is_left_and_nothing_is_said() -> None:
    code = """
import threading, urllib.request
from qwen_space.local import LocalSpace, ScriptedEngine
for _ in range(2):
    with LocalSpace(ScriptedEngine(["a"])) as space:
        urllib.request.urlopen(space.url + "/config").close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""

    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_importing_is_cheap() -> None:
    code = (
        "import sys; mine = set(sys.modules); import qwen_space.local;"
        "heavy = {'gradio', 'openai', 'xllamacpp', 'huggingface_hub', 'rich', 'uvicorn', 'pip'};"
        "print(sorted(heavy & (set(sys.modules) - mine)))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert ran.stdout == "[]\n"


# Streams that nobody reads


async def test_a_dropped_stream_stops_the_reply_while_a_piece_is_awaited(
    visitor: Visitor, engine: ScriptedEngine
) -> None:
    await visitor.join("awaiting")
    stream = await visitor.listen("awaiting")
    await until(engine, running=1)

    stream.close()

    await until(engine, running=0, cancelled=1)


async def test_a_dropped_stream_stops_the_reply_between_pieces(
    visitor: Visitor, engine: ScriptedEngine
) -> None:
    assert engine.gate is not None
    engine.gate.release(2)
    await visitor.join("between")
    stream = await visitor.listen("between")
    while b"there" not in await stream.content.readline():
        pass

    stream.close()

    await until(engine, running=0, cancelled=1)


async def test_a_dropped_call_stops_the_reply(visitor: Visitor, engine: ScriptedEngine) -> None:
    call = f"{visitor.url}/gradio_api/call/model_chat"
    async with visitor.http.post(call, json={"data": ["Hi", [], "", "72B"]}) as answer:
        event = (await answer.json())["event_id"]
    stream = await visitor.http.get(f"{call}/{event}")
    await until(engine, running=1)

    stream.close()

    await until(engine, running=0, cancelled=1)


async def test_cancelling_stops_the_reply(visitor: Visitor, engine: ScriptedEngine) -> None:
    event = await visitor.join("cancelled")
    stream = await visitor.listen("cancelled")
    await until(engine, running=1)

    body = {"session_hash": "cancelled", "fn_index": 3, "event_id": event}
    async with visitor.http.post(f"{visitor.url}/gradio_api/cancel", json=body) as answer:
        assert answer.status == 200

    await until(engine, running=0, cancelled=1)
    assert '"close_stream"' in await stream.text()


async def test_another_sessions_drop_stops_nothing(
    visitor: Visitor, engine: ScriptedEngine
) -> None:
    await visitor.join("stays")
    await visitor.join("goes")
    stays, goes = await visitor.listen("stays"), await visitor.listen("goes")
    await until(engine, running=2)

    goes.close()
    await until(engine, running=1, cancelled=1)
    assert engine.gate is not None
    engine.gate.release(len(PIECES))

    assert "Hello there." in await stays.text()
    assert (engine.finished, engine.cancelled) == (1, 1)


async def test_replies_run_side_by_side(visitor: Visitor, engine: ScriptedEngine) -> None:
    sessions = [f"s{number}" for number in range(8)]

    for session in sessions:
        await visitor.join(session)
    await until(engine, running=8)
    assert engine.gate is not None
    engine.gate.release(8 * len(PIECES))

    await until(engine, running=0, finished=8)


async def test_a_space_of_concurrency_one_answers_one_by_one() -> None:
    engine = ScriptedEngine(PIECES, gate=threading.Semaphore(0))

    async with LocalSpace(engine, concurrency=1) as space, aiohttp.ClientSession() as http:
        visitor = Visitor(http, space.url)
        await visitor.join("first")
        await until(engine, running=1)
        await visitor.join("second")
        async with await visitor.listen("second") as waiting:
            message = await waiting.content.readline()
            running = engine.running
            async with http.get(f"{space.url}/metrics") as answer:
                figures = await answer.text()
            assert engine.gate is not None
            engine.gate.release(2 * len(PIECES))
            await until(engine, running=0, finished=2)
        async with http.get(f"{space.url}/metrics") as answer:
            after = await answer.text()

    assert b'"estimation"' in message
    assert running == 1
    assert "qwen_space_replies_waiting 1.0" in figures
    assert "qwen_space_replies_waiting 0.0" in after


async def test_middleware_sees_every_request_the_first_outermost() -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        def wrap(app: ASGIApp) -> ASGIApp:
            async def wrapped(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http":
                    seen.append(f"{name} {scope['path']}")
                await app(scope, receive, send)

            return wrapped

        return wrap

    space = LocalSpace(ScriptedEngine(PIECES), middleware=[note("outer"), note("inner")])

    async with space, aiohttp.ClientSession() as http, http.get(f"{space.url}/config"):
        pass

    assert seen == ["outer /config", "inner /config"]
