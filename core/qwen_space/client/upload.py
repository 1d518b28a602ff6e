"""Uploads the media of a chat to the app, as its page does: POST `/upload` with a form of files.

Source: `upload_file` in `gradio/routes.py`, which answers with the list of their paths.
"""

from __future__ import annotations

import asyncio
import contextlib
import reprlib
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from qwen_space.chat.media import Media
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Content, Transport
from qwen_space.client.retry import is_transient, retrying
from qwen_space.errors import (
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    StreamInterruptedError,
    UploadError,
)
from qwen_space.events import Uploading
from qwen_space.gradio.wire.files import file_data

__all__ = ["Upload"]

_PIECE = 256 * 2**10  # bytes that are read and sent at once
_TICK = 0.1  # seconds between two events


class Upload:
    """Uploads media, and tells how far that is.

    Files are read while they are sent, so that none is in memory as a whole. A media with a URL
    is not fetched: the app does that.

    Args:
        transport: Sends the requests.
        prefix: The prefix of the app's paths.
        media: The media, each once.
        deadline: The time limits.

    Attributes:
        files: The `FileData` of each media, when all are uploaded.
    """

    def __init__(
        self, transport: Transport, prefix: str, media: Sequence[Media], deadline: Deadline
    ) -> None:
        self.files: dict[Media, Any] = {}
        self._transport = transport
        self._url = f"{transport.config.url}{prefix}/upload"
        self._media = media
        self._deadline = deadline
        self._sent = 0
        self._done = 0
        self._fault: UploadError | None = None  # of a file, while it was sent

    async def events(self) -> AsyncGenerator[Uploading, None]:
        """Upload all media, and yield events; the last has all bytes as sent.

        Raises:
            UploadError: There are too many, one is too large or cannot be read, or the app refuses.
            QwenSpaceError: The Space cannot be reached.
        """
        sizes = await self._check()
        total = sum(sizes.values())
        task = asyncio.ensure_future(self._upload(sizes))
        try:
            while not task.done():
                if total:
                    yield Uploading(min(self._sent, total), total)
                await asyncio.wait({task}, timeout=_TICK)
            task.result()
            if total:
                yield Uploading(total, total)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(task, return_exceptions=True)

    async def _check(self) -> Mapping[Media, int]:
        """Return the sizes of the media in bytes; refuse those that are over a limit."""
        most = self._transport.config.max_files
        if len(self._media) > most:
            raise UploadError(
                self._media[most].filename,
                f"the chat has {len(self._media)} files, and max_files is {most}",
                "Leave some out, or raise max_files.",
            )
        own = [each for each in self._media if each.url is None]
        has_path = any(each.path is not None for each in own)
        sizes = await asyncio.to_thread(_sizes, own) if has_path else _sizes(own)
        limit = self._transport.config.max_file_size
        for each, size in sizes.items():
            if size > limit:
                raise UploadError(
                    each.filename,
                    f"it has {size} bytes, and max_file_size is {limit}",
                    "Give a smaller file, or raise max_file_size.",
                )
        return sizes

    async def _upload(self, sizes: Mapping[Media, int]) -> None:
        for each in self._media:
            if each.url is not None:
                self.files[each] = file_data(each, each.url)
                continue
            size = sizes[each]
            path = await self._upload_one(each, size)
            self._done += size
            self.files[each] = file_data(each, path, size)

    async def _upload_one(self, media: Media, size: int) -> str:
        """Upload a file and return its path; again if that failed, as nothing runs by it."""
        retries = self._transport.config.max_retries
        try:
            answer = await retrying(
                lambda: self._post(media, size), is_transient, retries, self._deadline
            )
        except SpaceStatusError as exc:
            raise _refusal(media, exc) from exc
        except StreamInterruptedError as exc:
            raise UploadError(
                media.filename,
                f"the connection was cut after {self._sent - self._done} of {size} bytes, as "
                "servers do with a file that is too large for them",
            ) from exc
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], str):
            raise ProtocolError(f"{self._url} answered without a path: {reprlib.repr(answer)}")
        return answer[0]

    async def _post(self, media: Media, size: int) -> Any:
        async with _opened(media) as file:
            form = self._form(media, file, size)
            try:
                return await self._transport.post(self._url, self._deadline, form)
            except QwenSpaceError:
                if self._fault is not None:
                    raise self._fault from None
                raise

    def _form(self, media: Media, file: BufferedReader | None, size: int) -> Content:
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="files"; filename="{media.filename}"\r\n'
            f"Content-Type: {media.content_type}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()

        async def body() -> AsyncGenerator[bytes | memoryview, None]:
            self._sent = self._done
            yield head
            try:
                async for piece in _pieces(media, file, size):
                    self._sent += len(piece)
                    yield piece
            except UploadError as exc:
                self._fault = exc  # aiohttp makes another error of it
                raise
            yield tail

        kind = f"multipart/form-data; boundary={boundary}"
        return Content(kind, len(head) + size + len(tail), body)


def _refusal(media: Media, exc: SpaceStatusError) -> UploadError:
    if exc.status == 413:
        return UploadError(media.filename, "it is larger than the app takes (HTTP 413)")
    if exc.status in {403, 404, 405}:
        return UploadError(
            media.filename,
            f"the app's /upload is closed (HTTP {exc.status})",
            "Give the file as a URL that the app can fetch, or leave it out.",
        )
    return UploadError(media.filename, f"the app answered HTTP {exc.status}: {exc.body[:200]}")


def _sizes(media: Sequence[Media]) -> dict[Media, int]:
    return {each: _size(each) for each in media}


def _size(media: Media) -> int:
    if media.path is None:
        return len(media.data or b"")
    try:
        if not media.path.is_file():
            raise UploadError(media.filename, f"there is no file at {str(media.path)!r}")
        return media.path.stat().st_size
    except OSError as exc:
        raise UploadError(media.filename, f"it cannot be read ({exc.strerror})") from exc


async def _pieces(
    media: Media, file: BufferedReader | None, size: int
) -> AsyncGenerator[bytes | memoryview, None]:
    """Yield the bytes of a media, of which a file may have more or fewer meanwhile."""
    if file is None:
        for piece in _slices(memoryview(media.data or b"")):
            yield piece
        return
    await asyncio.to_thread(file.seek, 0)  # a login may come between two tries
    left = size
    while left:
        read = await asyncio.to_thread(file.read, min(left, _PIECE))
        if not read:
            raise UploadError(media.filename, "it became shorter while it was sent")
        left -= len(read)
        yield read


@contextlib.asynccontextmanager
async def _opened(media: Media) -> AsyncGenerator[BufferedReader | None, None]:
    """Open a media's file, if it has one, and close it.

    The form cannot: it is a generator, which aiohttp drops unfinished where a request breaks off.
    """
    if media.path is None:
        yield None
        return
    try:
        file = await _open(media.path)
    except OSError as exc:
        raise UploadError(media.filename, f"it cannot be read ({exc.strerror})") from exc
    try:
        yield file
    finally:
        # Shielded, as a cancelled task takes its work back while no thread has begun it.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, file.close))


async def _open(path: Path) -> BufferedReader:
    """Open a file in a thread; it is closed again if the caller does not wait for it."""
    opening = asyncio.get_running_loop().run_in_executor(None, path.open, "rb")
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[BufferedReader]) -> None:
    with contextlib.suppress(OSError):  # it was not opened
        opening.result().close()


def _slices(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
