"""A real Gradio app that is watched: its connections, its requests, and its jobs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qwen_space.local import LocalSpace, ScriptedEngine

CONFIG, JOIN, STREAM = "/config", "/gradio_api/queue/join", "/gradio_api/queue/data"

SECOND = 100  # turns of the server's loop, 10 ms apart when the machine has nothing else to do


class Watch:
    """ASGI middleware that counts requests, and holds some of them.

    Attributes:
        asked: The paths of requests that came, in order.
        peers: The address of each request's client, which is another for each connection.
        answered: The paths of those whose answer was begun.
        held: The path of requests that do not reach the app, for now.
        kept: The path of requests whose answer does not leave the app, for now.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.asked: list[str] = []
        self.peers: list[Any] = []
        self.answered: list[str] = []
        self.held: str | None = None
        self.kept: str | None = None

    def __call__(self, app: Any) -> Any:
        async def watching(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            path = scope["path"]
            message = await receive()  # the body, which an app reads even if nobody waits any more
            self.asked.append(path)
            self.peers.append(scope["client"])
            while self.held == path:  # noqa: ASYNC110 - let go from another thread
                await asyncio.sleep(0.002)

            async def receiving() -> Any:
                nonlocal message
                first, message = message, None
                return first or await receive()

            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self.answered.append(path)
                    while self.kept == path:  # noqa: ASYNC110
                        await asyncio.sleep(0.002)
                await send(message)

            await app(scope, receiving, sending)

        return watching


class WatchedSpace:
    """A local Space that works on one job at a time, and whose connections are counted."""

    def __init__(self, running: LocalSpace, engine: ScriptedEngine, watch: Watch) -> None:
        self.url = running.url
        self.engine = engine
        self.watch = watch
        self._server: Any = running._running

    @property
    def connections(self) -> int:
        """How many connections the server has open."""
        return len(self._server._server.server_state.connections)

    def until(self, condition: Callable[[], bool], turns: int = 20 * SECOND) -> None:
        """Wait until something holds.

        Args:
            condition: The condition.
            turns: The turns of the server's loop in which it must. They are counted in place of
                the time, so that this machine's other work is not taken for ours.
        """
        for _ in range(turns):
            if condition():
                return
            self._turn()
        raise AssertionError(
            f"after {turns} turns: {self.connections} connections, {self.engine!r}, "
            f"asked {self.watch.asked}, answered {self.watch.answered}"
        )

    def _turn(self) -> None:
        turned = threading.Event()
        self._server._loop.call_soon_threadsafe(turned.set)
        assert turned.wait(20)
        time.sleep(0.01)

    async def auntil(self, condition: Callable[[], bool], turns: int = 20 * SECOND) -> None:
        """Do as `until`, without stopping the caller's loop."""
        await asyncio.to_thread(self.until, condition, turns)

    def is_left(self) -> bool:
        """Whether nothing runs and nobody is connected."""
        return self.engine.running == self.connections == 0

    def until_left(self, *, for_good: bool = False) -> None:
        """See that the jobs stop and the connections close, within a second.

        Args:
            for_good: See too that nothing begins after that, as a job may that was on its way.
        """
        self.until(self.is_left, SECOND)
        if for_good:
            for _ in range(SECOND // 4):
                self._turn()
            self.until(self.is_left, 3 * SECOND // 4)

    async def auntil_left(self, *, for_good: bool = False) -> None:
        """Do as `until_left`, without stopping the caller's loop."""
        await asyncio.to_thread(self.until_left, for_good=for_good)

    def hold(self, pieces: int) -> None:
        """Let so many pieces of the reply come, and then no more."""
        self.engine.gate = threading.Semaphore(pieces)


@pytest.fixture(autouse=True)
def _connections_are_kept_for_a_shorter_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of blocking callers: `until_left` waits for their end."""
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.2)


@pytest.fixture(scope="session")
def _running_watched() -> Iterator[WatchedSpace]:
    watch, engine = Watch(), ScriptedEngine([])
    with LocalSpace(engine, middleware=[watch], concurrency=1) as running:
        yield WatchedSpace(running, engine, watch)


@pytest.fixture
def watched(_running_watched: WatchedSpace) -> Iterator[WatchedSpace]:
    """A Space that answers in three pieces, one job at a time."""
    space = _running_watched
    space.until(space.is_left)
    space.watch.reset()
    space.engine.reply = ["one ", "two ", "three"]
    space.engine.delay, space.engine.gate = 0.0, None
    space.engine.requests.clear()
    space.engine.finished = space.engine.failed = space.engine.cancelled = 0
    yield space
    space.watch.held = space.watch.kept = space.engine.gate = None
    space.until(space.is_left)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the garbage collector from closing objects that nothing else would close."""
    with contextlib.ExitStack() as stack:
        gc.disable()
        stack.callback(gc.enable)
        yield
