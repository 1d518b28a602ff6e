"""Servers that fork, queues of tasks, and Django: each with one model object for all."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers

FOLDER = Path(__file__).parent
SAID = "Hello there."


@contextlib.contextmanager
def running(space: ScriptedSpace, *command: str, **env: str) -> Iterator[None]:
    """Run a server in a process of its own, which ends with SIGTERM and status 0."""
    environment = {**os.environ, "QWEN_SPACE_URL": space.url, "PYTHONPATH": str(FOLDER), **env}
    with subprocess.Popen([sys.executable, "-m", *command], env=environment) as process:
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0


def get(url: str) -> str:
    """Return a page, as soon as its server listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:  # noqa: PERF203 - it does not listen yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def import_afresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the programs in the environment of this test, whatever an earlier one had."""
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("web_app", None)
    return importlib.import_module("web_app")


def test_gunicorn_forks_workers_from_a_parent_that_has_asked(
    space: ScriptedSpace, unused_tcp_port: int
) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    worker = "uvicorn_worker.UvicornWorker"
    command = ("gunicorn", "web_app:app", "-w", "2", "--preload", "-k", worker, "-b", address)

    with running(space, *command):
        answers = [get(f"http://{address}/ask").split(" ", 2) for _ in range(12)]
        streamed = get(f"http://{address}/stream")

    assert {text for _, _, text in answers} == {SAID}
    assert len({parent for _, parent, _ in answers}) == 1
    assert streamed == SAID


def test_a_celery_worker_that_forks_answers(
    space: ScriptedSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, results = tmp_path / "broker", tmp_path / "results"
    broker.mkdir()
    results.mkdir()
    env = {"BROKER": str(broker), "RESULTS": f"file://{results}"}
    for name, value in {**env, "QWEN_SPACE_URL": space.url}.items():
        monkeypatch.setenv(name, value)
    web_app = import_afresh(monkeypatch)

    command = ("celery", "-q", "-A", "web_app:tasks", "worker", "-c", "2", "-P", "prefork")
    with running(space, *command, **env):
        asked = [web_app.ask_task.delay("Hi") for _ in range(6)]
        answers = [each.get(timeout=60).split(" ", 1) for each in asked]

    assert {text for _, text in answers} == {SAID}


async def test_django_views_answer(space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", space.url)
    import_afresh(monkeypatch)
    from django.test import AsyncClient, Client

    client = AsyncClient()

    plain = await client.get("/a")
    streamed = await client.get("/astream")
    pieces = [piece async for piece in streamed]
    blocking = await asyncio.to_thread(lambda: b"".join(Client().get("/stream")))

    assert plain.content.decode() == SAID
    assert b"".join(pieces).decode() == blocking.decode() == SAID
    assert len(pieces) > 1
