"""A faulty server's acts, written down: bytes, and acts that bytes cannot express."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.scripted_server import Answer, Exchange

__all__ = [
    "CUT",
    "END",
    "HANG",
    "RESET",
    "STOP_LISTENING",
    "Endless",
    "Item",
    "Pause",
    "Raw",
    "Script",
    "chunk",
    "http",
    "message",
    "playing",
    "sse",
]


class Step(enum.Enum):
    """The acts of a server beside sending bytes."""

    CUT = "close the connection"
    RESET = "break the connection with a TCP reset"
    HANG = "do nothing until the client goes"
    STOP_LISTENING = "refuse any further connection"


CUT, RESET, HANG, STOP_LISTENING = Step


@dataclass(frozen=True)
class Endless:
    """Send the same bytes until the client goes.

    Attributes:
        data: The bytes.
        pause: Seconds between them.
    """

    data: bytes
    pause: float = 0.0


@dataclass(frozen=True)
class Pause:
    """Let some seconds pass, so that the next bytes are a packet of their own."""

    seconds: float = 0.05


@dataclass(frozen=True)
class Raw:
    """Send bytes as they are, where they would be a chunk of a body."""

    data: bytes


Script = Sequence[bytes | Step | Endless | Pause | asyncio.Event]
Item = dict[str, Any] | bytes | Step | Endless | Pause | asyncio.Event | Raw


def playing(*scripts: Script) -> Answer:
    """Answer with the first script, the next request with the next; the last one stays."""
    rest = list(scripts)

    async def answer(exchange: Exchange) -> None:
        for step in rest.pop(0) if len(rest) > 1 else rest[0]:
            await _take(step, exchange)

    return answer


async def _take(step: bytes | Step | Endless | Pause | asyncio.Event, exchange: Exchange) -> None:
    match step:
        case bytes():
            await exchange.send_raw(step)
        case Endless():
            while not exchange.dropped.is_set():
                await exchange.send_raw(step.data)
                await asyncio.sleep(step.pause)
        case Pause():
            await asyncio.sleep(step.seconds)
        case asyncio.Event():
            await step.wait()
        case Step.CUT:
            exchange.cut()
        case Step.RESET:
            exchange.reset()
        case Step.HANG:
            await exchange.dropped.wait()
        case Step.STOP_LISTENING:
            await exchange.server.stop_listening()


# HTTP


def http(status: int, body: Any = "", **headers: str | None) -> bytes:
    """Return a whole answer: bytes are a stream of events, a string is HTML, the rest is JSON.

    Args:
        status: The status.
        body: The body.
        headers: In place of the usual ones, with underscores for hyphens; None leaves one out.
    """
    kind = {bytes: "text/event-stream", str: "text/html"}.get(type(body), "application/json")
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    usual = {"Content_Type": kind, "Content_Length": str(len(body))}
    return _head(f"HTTP/1.1 {status} Scripted", {**usual, **headers}) + body


def chunk(data: bytes) -> bytes:
    """Return bytes as a chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


END = Raw(b"0\r\n\r\n")  # of a chunked body


def _head(first: str, headers: dict[str, str | None]) -> bytes:
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None
    ]
    return "\r\n".join([first, *lines, "", ""]).encode()


# Streams of events


def message(item: dict[str, Any]) -> bytes:
    """Return a message of the queue as an event."""
    return b"data: %s\n\n" % json.dumps(item).encode()


def sse(*items: Item, **headers: str | None) -> Script:
    """Answer with a stream of events, in which each item is a chunk of its own.

    Args:
        items: Messages, bytes as they are, and steps. The body ends with `END` only.
        headers: As for `http`.
    """
    usual = {"Content_Type": "text/event-stream; charset=utf-8", "Transfer_Encoding": "chunked"}
    return [_head("HTTP/1.1 200 Scripted", {**usual, **headers}), *map(_chunk, items)]


def _chunk(item: Item) -> bytes | Step | Endless | Pause | asyncio.Event:
    match item:
        case dict():
            return chunk(message(item))
        case bytes():
            return chunk(item)
        case Raw():
            return item.data
        case Endless():
            return Endless(chunk(item.data), item.pause)
        case Step() | Pause() | asyncio.Event():
            return item
