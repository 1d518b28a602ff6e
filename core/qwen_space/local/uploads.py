"""Keeps the files of all visitors within a limit, so that a stranger cannot fill the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from qwen_space.local.access import path_names, stated_length
from qwen_space.local.errors import EngineError
from qwen_space.local.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Room", "Uploads", "mark_used"]

_IN_USE = 600  # seconds since its last use for which a file is not removed for another's sake
_OVERHEAD = 8192  # bytes that an empty file and its folder take
_CHUNK = 65_536

logger = logging.getLogger("qwen_space.local")

_DISK_FULL = "This Space's disk is full. Ask without the file, and tell its operator."
_FULL = (
    "This Space has no room for further files. Try again in ten minutes, or ask without the file. "
    "Its operator sets the room with --upload-room."
)


class Room:
    """The room for visitors' files.

    Files that nobody has used for ten minutes make room, the longest unused first.

    Args:
        files: Returns the paths of the files that the app has stored.
        limits: The most bytes of one, and of all that are stored.

    Attributes:
        limits: The limits that were given.
    """

    def __init__(self, files: Callable[[], Iterable[str]], limits: Limits) -> None:
        self.limits = limits
        self._files = files
        self._coming = 0  # bytes of the files under way
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Hold the room for `size` bytes until the file is stored.

        Raises:
            EngineError: There is no room for them; the message is fit for the visitor.
        """
        async with self._lock:
            left = self.limits.stored_bytes - self._coming - size
            if left < 0 or not await asyncio.to_thread(_shrink, self._files(), left):
                raise EngineError(_FULL)
            if await asyncio.to_thread(_free_bytes) < 2 * (self._coming + size):
                logger.warning("The disk has no room for an upload of %d bytes.", size)
                raise EngineError(_DISK_FULL)
            self._coming += size
        try:
            yield
        finally:
            self._coming -= size


class Uploads:
    """ASGI middleware that refuses uploads for which there is no room.

    An upload is passed on once all of it has come: Gradio keeps the parts of one that is cut, under
    names that it tells nobody.

    Args:
        app: The app behind it.
        room: The room for files.
    """

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer an upload without room for it with 507."""
        if scope["type"] != "http" or path_names(scope)[:1] != ["upload"]:
            await self._app(scope, receive, send)
            return
        size = stated_length(Headers(scope=scope)) or self._room.limits.upload_bytes
        try:
            async with self._room.reserve(size):
                with tempfile.TemporaryFile() as body:
                    if await _has_come(body, receive):
                        await self._app(scope, _replay(body, receive), send)
        except EngineError as exc:
            await JSONResponse({"detail": exc.message}, 507)(scope, receive, send)


def mark_used(path: Path) -> None:
    """Note that a file was used now, so that it is kept for longer."""
    os.utime(path)


def _shrink(paths: Iterable[str], room: int) -> bool:
    """Remove the longest unused files until the rest is no more than `room` bytes, if it can be."""
    files = sorted((used, size, path) for path in paths for used, size in _stat(path))
    excess = sum(size for _, size, _ in files) - room
    last = time.time() - _IN_USE
    unused = [(size, path) for used, size, path in files if used < last]
    if excess > sum(size for size, _ in unused):
        return False
    for size, path in unused:
        if excess <= 0:
            break
        Path(path).unlink(missing_ok=True)
        excess -= size
    return True


def _free_bytes() -> int:
    """Return the free bytes of the disk that takes uploads: each is there twice for a moment."""
    folders = {tempfile.gettempdir(), os.environ.get("GRADIO_TEMP_DIR", tempfile.gettempdir())}
    return min(shutil.disk_usage(each).free for each in folders if Path(each).exists())


def _stat(path: str) -> list[tuple[float, int]]:
    """Return the time of a file's last use and its bytes; nothing if it is gone."""
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [(found.st_mtime, found.st_size + _OVERHEAD)]


async def _has_come(body: IO[bytes], receive: Receive) -> bool:
    """Write a request's body into a file; tell whether all of it came."""
    while (message := await receive())["type"] == "http.request":
        await asyncio.to_thread(body.write, message.get("body", b""))
        if not message.get("more_body", False):
            await asyncio.to_thread(body.seek, 0)
            return True
    return False


def _replay(body: IO[bytes], receive: Receive) -> Receive:
    """Return a `receive` that gives the body of a file, and then the client's further messages."""
    has_ended = False

    async def replay() -> Message:
        nonlocal has_ended
        if has_ended:
            return await receive()
        chunk = await asyncio.to_thread(body.read, _CHUNK)
        has_ended = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return replay
