"""The stand-in server: one process, Gradio's, Ollama's and OpenAI's dialect, at full speed.

The bytes are made beforehand, so that only the client is measured. How many are sent, and how,
stands in the path, which each client takes as a part of the server's address:

    /fast-2000-0/...        2,000 tokens at once
    /fast-2000-200/...      the same with 200 earlier turns in the chat component
    /whole-2000-0/...       protocol sse_v1: the whole value for each token
    /paced-100-50/...       100 tokens, 50 a second; each is the time of its writing
    /held-40-0/...          half of 40 tokens, and the rest after `/control/release`
    /control/seen           the requests for each plan, by connection
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from benchmarks import frames
from benchmarks.frames import EVENT_ID, Frames

__all__ = ["ask", "running_server"]

_SLICE = 2**18  # bytes that are given to the socket at a time


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Run the server in a process of its own; yield its address."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            if not (url := process.stdout.readline().strip()):
                raise RuntimeError("the server did not start")
            yield url
        finally:
            process.stdin.close()  # it ends when nobody holds the other end


def ask(url: str, what: str) -> Any:
    """Ask the server at `url` for something under `/control`."""
    with urllib.request.urlopen(f"{url}/control/{what}") as answer:  # noqa: S310
        return json.load(answer)


def main() -> None:
    """Serve until standard input ends."""
    asyncio.run(_serve())


async def _serve() -> None:
    _allow_many_files()
    loop = asyncio.get_running_loop()
    gate = Gate()
    app = await asyncio.to_thread(real_app)
    server = await loop.create_server(lambda: Connection(app, gate), "127.0.0.1", 0, backlog=8192)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


def _allow_many_files() -> None:
    """Lift the soft limit on open files, and so on connections, as far as that goes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def real_app() -> dict[str, Any]:
    """Return the words of a real Gradio app of the local Space about itself at each path."""
    from qwen_space.local import LocalSpace, ScriptedEngine

    said = {}
    with LocalSpace(ScriptedEngine(["Hello"])) as space:
        for path in ("/config", "/gradio_api/info", "/gradio_api/app_id"):
            with urllib.request.urlopen(f"{space.url}{path}") as answer:  # noqa: S310
                said[path] = json.load(answer)
    return said


class Gate:
    """Holds streams back until it is opened, and remembers who came."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.connections = itertools.count()
        self.seen: dict[str, dict[int, list[str]]] = {}

    def release(self) -> None:
        self.opened.set()
        self.opened = asyncio.Event()


class Connection(asyncio.Protocol):
    """One connection of a client, kept alive from request to request."""

    def __init__(self, app: dict[str, Any], gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._received = b""
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._number = next(self._gate.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        if "chunked" in headers.get("transfer-encoding", ""):
            if not rest.endswith(b"0\r\n\r\n"):
                return
        elif len(rest) < int(headers.get("content-length", 0)):
            return
        self._received = b""
        self._task = asyncio.ensure_future(self._answer(first.split()[1], rest))

    async def _answer(self, target: str, body: bytes) -> None:
        _, plan, *parts = target.partition("?")[0].split("/")
        path = "/" + "/".join(parts)
        self._gate.seen.setdefault(plan, {}).setdefault(self._number, []).append(path)
        if path in self._app:
            self._json(_as_planned(self._app[path], plan))
        elif path.endswith("/queue/join"):
            self._json({"event_id": EVENT_ID})
        elif path.endswith("/queue/data"):
            await self._stream(plan, "gradio")
        elif path == "/api/chat":
            await self._stream(plan, "ollama")
        elif path == "/v1/chat/completions":
            await self._stream(plan, "openai")
        elif target == "/control/release":
            self._gate.release()
            self._json(None)
        elif target == "/control/seen":
            self._json(self._gate.seen)
        else:
            self._head(404, "text/plain", "Content-Length: 0")

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self._head(200, "application/json", f"Content-Length: {len(body)}")
        self._transport.write(body)

    def _head(self, status: int, content_type: str, more: str) -> None:
        lines = f"HTTP/1.1 {status} Said", f"Content-Type: {content_type}", more, "", ""
        self._transport.write("\r\n".join(lines).encode())

    async def _stream(self, plan: str, dialect: str) -> None:
        kind, count, more = plan.split("-")
        spoken = _frames(dialect, int(more) if kind == "fast" else 0)
        self._head(200, spoken.content_type, "Transfer-Encoding: chunked")
        match kind:
            case "fast":
                await self._write(_body(dialect, int(count), int(more)))
            case "whole":
                for part in _whole_parts(int(count)):
                    await self._write(part)
            case "paced":
                await self._paced(spoken, int(count), 1 / int(more))
            case "held":
                await self._held(spoken, int(count))

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), _SLICE):
            await self._can_write.wait()
            self._transport.write(view[start : start + _SLICE])

    async def _paced(self, spoken: Frames, count: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        written: list[str] = []

        def step(due: float) -> None:  # by timers, which are cheaper than a task that sleeps
            if len(written) == count or self._transport.is_closing():
                ended.set_result(None)
                return
            written.append(f"{time.monotonic_ns()} ")
            self._transport.write(spoken.token(written[-1]))
            loop.call_at(due + seconds, step, due + seconds)

        self._transport.write(spoken.head)
        step(loop.time() + (self._number % 97) / 97 * seconds)  # not all in step
        await ended
        self._transport.write(spoken.tail("".join(written)) + b"0\r\n\r\n")

    async def _held(self, spoken: Frames, count: int) -> None:
        pieces = frames.tokens(count)
        half = count // 2
        self._transport.write(spoken.head + b"".join(map(spoken.token, pieces[:half])))
        await self._gate.opened.wait()
        rest = b"".join(map(spoken.token, pieces[half:]))
        self._transport.write(rest + spoken.tail("".join(pieces)) + b"0\r\n\r\n")


def _as_planned(said: dict[str, Any], plan: str) -> dict[str, Any]:
    return {**said, "protocol": "sse_v1"} if plan.startswith("whole") else said


@functools.cache
def _frames(dialect: str, history: int) -> Frames:
    match dialect:
        case "ollama":
            return frames.ollama()
        case "openai":
            return frames.openai()
    return frames.gradio(history)


@functools.lru_cache(maxsize=8)
def _body(dialect: str, count: int, history: int) -> bytes:
    return _frames(dialect, history).body(frames.tokens(count))


@functools.lru_cache(maxsize=4)
def _whole_parts(count: int) -> list[bytes]:
    return [*frames.whole_values(frames.tokens(count)), b"0\r\n\r\n"]


if __name__ == "__main__":
    main()
