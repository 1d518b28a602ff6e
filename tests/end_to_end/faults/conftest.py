"""Faulty servers run in a thread of their own, so that blocking callers can ask them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.end_to_end.faults.ways import DIFFERING, WAYS, InWays, asked_in
from tests.hub_front import HubFront
from tests.scripted_server import ScriptedServer

Serve = Callable[[ScriptedServer], contextlib.AbstractContextManager[ScriptedServer]]
ServeFront = Callable[[HubFront], contextlib.AbstractContextManager[HubFront]]


class Background:
    """Runs coroutines in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="faulty servers")
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    @contextlib.contextmanager
    def serve(self, server: ScriptedServer) -> Iterator[ScriptedServer]:
        """Let a server answer; on leaving, all its connections must be gone."""
        self.run(server.__aenter__())
        try:
            yield server
            self.run(server.until(lambda s: s.connections == 0))
        finally:
            self.run(server.__aexit__())

    @contextlib.contextmanager
    def serve_front(self, front: HubFront) -> Iterator[HubFront]:
        """Let a hub and its Space answer."""
        self.run(front.__aenter__())
        try:
            yield front
        finally:
            self.run(front.__aexit__())


@pytest.fixture(scope="session")
def _background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture
def serve(_background: Background) -> Serve:
    """Let a server answer, from a thread of its own."""
    return _background.serve


@pytest.fixture
def serve_front(_background: Background) -> ServeFront:
    """Let a hub and its Space answer, from a thread of its own."""
    return _background.serve_front


@pytest.fixture(
    params=[
        pytest.param(DIFFERING, id="differing"),
        pytest.param(tuple(WAYS), id="all", marks=pytest.mark.cross),
    ]
)
def in_ways(request: pytest.FixtureRequest) -> InWays:
    """Ask in the ways that can differ; with `-m cross`, in all."""
    return asked_in(request.param)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left() -> Iterator[None]:
    """Find objects left open: collecting them warns, and a warning is an error."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _no_kept_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close idle connections of blocking callers at once: `serve` waits until they are closed."""
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.0)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where asyncio complains, but not of a script that writes to a client that has gone."""
    yield
    records = [each for each in caplog.get_records("call") if each.name == "asyncio"]
    messages = {each.getMessage() for each in records}
    assert messages <= {"socket.send() raised exception."}
