"""A server that acts by a test's script: for faults that Gradio would not make on request.

It knows of HTTP and of the queue's three paths just enough to be taken for the public Qwen2.5
Space. Its answer is a coroutine for each path; the default is a Space without `/config`
that replies "Hello there.".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = [
    "CONFIG",
    "EVENT_ID",
    "Answer",
    "Exchange",
    "ScriptedServer",
    "append",
    "close_listener",
    "completed",
    "estimation",
    "failed",
    "generating",
    "replying",
    "starts",
    "status",
    "streaming",
]

EVENT_ID = "e" * 32

# A small chat app, as its `/config` tells of it.
CONFIG = {
    "version": "4.44.1",
    "protocol": "sse_v3",
    "components": [
        {"id": 1, "type": "textbox", "props": {"label": "Message"}},
        {"id": 2, "type": "chatbot", "props": {"type": "tuples"}},
    ],
    "dependencies": [
        {
            "id": 7,
            "api_name": "chat",
            "targets": [[9, "click"]],
            "inputs": [1, 2],
            "outputs": [1, 2],
            "types": {"generator": True},
        }
    ],
}


@dataclass
class Exchange:
    """One request, and the way to answer it.

    Attributes:
        method: "GET", "POST", ...
        target: The path with its query.
        headers: With names in lower case.
        body: As it came.
        dropped: Set when the client has closed the connection.
        server: The server that it reached.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter = field(repr=False)
    dropped: asyncio.Event = field(repr=False)
    server: ScriptedServer = field(repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def session_hash(self) -> str | None:
        if self.method == "POST":
            value = json.loads(self.body)["session_hash"]
            assert isinstance(value, str)
            return value
        return next(iter(parse_qs(urlsplit(self.target).query).get("session_hash", [])), None)

    async def answer(
        self, status: int, body: Any = "", headers: dict[str, str] | None = None
    ) -> None:
        """Answer at once; a string is HTML, anything else is sent as JSON."""
        is_text = isinstance(body, str)
        content = (body if is_text else json.dumps(body)).encode()
        lines = {
            "Content-Type": "text/html" if is_text else "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        await self._send_head(status, lines)
        await self.send_raw(content)

    async def begin_stream(self) -> None:
        await self._send_head(
            200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        )

    async def send(self, item: dict[str, Any] | bytes) -> None:
        """Send a message, or bytes as they are, in a chunk of its own."""
        data = item if isinstance(item, bytes) else b"data: %s\n\n" % json.dumps(item).encode()
        await self.send_raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send_raw(b"0\r\n\r\n")

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    def cut(self) -> None:
        """Close the connection, whatever was promised."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        # To linger for no time is to drop bytes on their way, and to say so.
        lingering = struct.pack("ii", 1, 0)
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        self.writer.transport.abort()

    async def _send_head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        await self.send_raw("\r\n".join(lines).encode())


Answer = Callable[[Exchange], Awaitable[None]]


class ScriptedServer:
    """Answers on loopback by script, within `async with`.

    Attributes:
        url: Where it answers.
        config: The answer to `/config`.
        join: The answer to `/queue/join`.
        data: The answer to `/queue/data`.
        others: The answers to further paths.
        exchanges: All requests, in order.
        connections: How many are open.
    """

    def __init__(
        self,
        *,
        config: Answer | None = None,
        join: Answer | None = None,
        data: Answer | None = None,
        others: dict[str, Answer] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.config = config or status(404, {"detail": "Not Found"})
        self.join = join or status(200, {"event_id": EVENT_ID})
        self.data = data or replying("Hello", " ", "there", ".")
        self.others = others or {}
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._tls = tls
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, path: str) -> list[Exchange]:
        """Return the requests for a path, in order."""
        return [each for each in self.exchanges if each.path == path]

    @property
    def joins(self) -> list[Exchange]:
        return self.of("/queue/join")

    @property
    def streams(self) -> list[Exchange]:
        return self.of("/queue/data")

    async def until(self, condition: Callable[[ScriptedServer], bool]) -> None:
        """Wait until a condition holds; it is looked at with each request and each close."""

        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: condition(self))

        await asyncio.wait_for(wait(), 10)

    async def __aenter__(self) -> ScriptedServer:  # noqa: PYI034 - Self is of Python 3.11
        self._held = socket.socket()
        port = 0
        if sys.platform != "win32":  # where an address is for one socket
            # Beside the server, so that nobody else gets its port where it stops listening.
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind(("127.0.0.1", 0))
            port = self._held.getsockname()[1]
        await self.listen(port)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def listen(self, port: int) -> None:
        """Take connections at a port; 0 is any that is free."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._accept), "127.0.0.1", port, ssl=self._tls
        )

    async def stop_listening(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        await close_listener(self._server)

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop_listening()
        self._held.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.transport.get_protocol()
        assert isinstance(connection, _Connection)
        self.connections += 1
        serving = asyncio.ensure_future(self._serve(reader, writer, connection.gone))
        # Not by the task itself, which may be cancelled before it begins.
        serving.add_done_callback(lambda _: writer.close())
        for task in (serving, asyncio.ensure_future(self._watch(connection.gone))):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _watch(self, gone: asyncio.Event) -> None:
        await gone.wait()
        self.connections -= 1
        await self._tell()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event
    ) -> None:
        answers = {
            "/config": self.config,
            "/queue/join": self.join,
            "/queue/data": self.data,
            **self.others,
        }
        # The client is free to go at any time.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing() and (head := await _request(reader)):
                exchange = Exchange(*head, writer, gone, self)
                self.exchanges.append(exchange)
                await self._tell()
                await answers.get(exchange.path, status(404, {"detail": "Not Found"}))(exchange)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def close_listener(server: asyncio.Server) -> None:
    """Stop listening; the connections that the loop has accepted reach their protocols first.

    A selector loop accepts a connection in one turn, makes its transport in the next and tells
    the protocol in the one after. A server that closes in between makes the transport fail, and
    nobody closes it.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        with contextlib.suppress(NotImplementedError):  # Windows: both happen in one turn
            loop.remove_reader(listener.fileno())
    for _ in range(2):
        await asyncio.sleep(0)
    server.close()


class _Connection(asyncio.StreamReaderProtocol):
    """A connection that tells when the client has gone, in the middle of an answer too."""

    def __init__(
        self, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
    ) -> None:
        super().__init__(asyncio.StreamReader(), accept)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


async def _request(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    """Read a request's method, target, headers and body; None when there is no other."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, target, headers, body


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


# Answers


def status(code: int, body: Any = "", headers: dict[str, str] | None = None) -> Answer:
    """Answer with a status: a string is HTML, anything else is JSON."""

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(code, body, headers)

    return answer


def streaming(*items: dict[str, Any] | bytes, then: str = "end") -> Answer:
    """Send messages, or bytes as they are.

    Args:
        items: The messages and bytes.
        then: "end" the body, "cut" the connection, or "hang" until the client goes.
    """

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for item in items:
            await exchange.send(item)
        if then == "end":
            await exchange.end_stream()
        elif then == "cut":
            exchange.cut()
        else:
            await exchange.dropped.wait()

    return answer


def replying(*pieces: str) -> Answer:
    """Stream a whole reply, as the public Space does."""
    text = "".join(pieces)
    return streaming(
        estimation(),
        starts(),
        *(generating(pieces[0]) if not i else append(piece) for i, piece in enumerate(pieces)),
        completed(text),
        {"msg": "close_stream", "event_id": None},
    )


# Messages, in the shapes of the public Space


def _message(msg: str, **rest: Any) -> dict[str, Any]:
    return {"msg": msg, "event_id": EVENT_ID, **rest}


def _chat(text: str) -> list[Any]:
    return ["", [[{"text": "user", "files": None}, {"text": text, "files": None}]], "system"]


def estimation(rank: int = 0) -> dict[str, Any]:
    return _message("estimation", rank=rank, queue_size=rank + 1, rank_eta=None)


def starts() -> dict[str, Any]:
    return _message("process_starts", eta=None)


def generating(text: str) -> dict[str, Any]:
    output = {"data": _chat(text), "is_generating": True}
    return _message("process_generating", output=output, success=True)


def append(piece: str) -> dict[str, Any]:
    output = {"data": [[], [["append", [0, 1, "text"], piece]], []], "is_generating": True}
    return _message("process_generating", output=output, success=True)


def completed(text: str) -> dict[str, Any]:
    output = {"data": _chat(text), "is_generating": False}
    return _message("process_completed", output=output, success=True)


def failed(error: str | None) -> dict[str, Any]:
    return _message("process_completed", output={"error": error}, success=False)
