"""The upload of media; the apps' side is in test_media.py."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from qwen_space.chat.media import Media
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.upload import Upload, _opened
from qwen_space.config import SpaceConfig, Timeouts
from qwen_space.errors import ProtocolError, UploadError
from tests.scripted_server import Answer, ScriptedServer, status

LINKED = Media("image", url="http://pictures.example/cat.png")
BYTES = Media("file", data=b"%PDF-1.4", name="a.pdf")


async def upload(*media: Media, answer: Answer | None = None) -> tuple[dict[Media, Any], int]:
    """Upload media; return their `FileData`, and how many requests that took."""
    others = {"/upload": answer or status(200, ["/tmp/a.pdf"])}
    async with ScriptedServer(others=others) as server:
        timeouts = Timeouts()
        transport = Transport(SpaceConfig(space=server.url, timeouts=timeouts, max_retries=0))
        uploading = Upload(transport, "", media, Deadline(timeouts))
        try:
            async for _ in uploading.events():
                pass
        finally:
            await transport.close()
        return uploading.files, len(server.of("/upload"))


async def test_an_address_is_handed_on_and_not_uploaded() -> None:
    files, requests = await upload(LINKED, BYTES)

    assert [files[each]["path"] for each in (LINKED, BYTES)] == [LINKED.url, "/tmp/a.pdf"]
    assert [files[each]["url"] for each in (LINKED, BYTES)] == [LINKED.url, None]
    assert requests == 1


async def test_addresses_alone_need_no_request() -> None:
    assert (await upload(LINKED))[1] == 0


@pytest.mark.parametrize("answered", [{}, [], [1]])
async def test_an_answer_without_a_path_is_an_error(answered: Any) -> None:
    with pytest.raises(ProtocolError, match="/upload answered without a path"):
        await upload(BYTES, answer=status(200, answered))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (413, r"larger than the app takes \(HTTP 413\)"),
        (404, r"/upload is closed \(HTTP 404\)\. Give the file as a URL"),
        (418, "the app answered HTTP 418: no coffee"),
    ],
)
async def test_a_refused_file_is_named(code: int, says: str) -> None:
    with pytest.raises(UploadError, match=f"'a.pdf' was not uploaded: .*{says}"):
        await upload(BYTES, answer=status(code, {"detail": "no coffee"}))


async def test_a_file_that_is_gone_when_it_is_sent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")

    async def check(self: Upload) -> dict[Media, int]:
        await asyncio.to_thread(path.unlink)
        return dict.fromkeys(self._media, 1)

    monkeypatch.setattr(Upload, "_check", check)

    with pytest.raises(UploadError, match=r"'a.txt' was not uploaded: it cannot be read"):
        await asyncio.wait_for(upload(Media.from_path(path)), 10)


class SlowPath(type(Path())):  # type: ignore[misc]
    """A path whose file is opened when its gate is open."""

    reached = threading.Event()
    gate = threading.Event()
    opened: ClassVar[list[Any]] = []

    def open(self, *args: Any, **named: Any) -> Any:
        self.reached.set()
        assert self.gate.wait(20)
        self.opened.append(super().open(*args, **named))
        return self.opened[-1]


@pytest.fixture
def slow_path(tmp_path: Path) -> SlowPath:
    (tmp_path / "a.bin").write_bytes(b"123")
    SlowPath.opened.clear()
    SlowPath.reached.clear()
    SlowPath.gate.clear()
    return SlowPath(tmp_path / "a.bin")


class Workers(ThreadPoolExecutor):
    """A pool whose event is set as it is given work."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.submitted = threading.Event()

    def submit(self, *args: Any, **named: Any) -> Any:
        self.submitted.set()
        return super().submit(*args, **named)


async def cancelled(work: Coroutine[Any, Any, Any], begun: threading.Event) -> None:
    """Cancel work that waits for a thread, once it has begun."""
    task = asyncio.ensure_future(work)
    with ThreadPoolExecutor(1) as pool:
        assert await asyncio.get_running_loop().run_in_executor(pool, begun.wait, 20)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_file_that_opens_after_the_upload_was_left_is_closed(slow_path: SlowPath) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    opened = _opened(Media("file", path=slow_path))

    await cancelled(opened.__aenter__(), slow_path.reached)
    slow_path.gate.set()
    await loop.run_in_executor(None, int)  # the one thread has opened the file before

    assert slow_path.opened[0].closed


async def test_a_file_is_closed_by_a_cancelled_task_whose_thread_is_late(
    slow_path: SlowPath,
) -> None:
    loop, late, workers = asyncio.get_running_loop(), threading.Event(), Workers(1)
    loop.set_default_executor(workers)
    slow_path.gate.set()
    opened = _opened(Media("file", path=slow_path))
    await opened.__aenter__()

    busy = loop.run_in_executor(None, late.wait, 20)
    workers.submitted.clear()
    await cancelled(opened.__aexit__(None, None, None), workers.submitted)
    late.set()
    await busy
    await loop.run_in_executor(None, int)

    assert slow_path.opened[0].closed


@pytest.mark.every_loop
async def test_a_file_is_closed_with_an_upload_that_is_left_while_it_is_sent(
    slow_path: SlowPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its error, and so the frames with the request, may be kept."""
    slow_path.gate.set()
    slow_path.write_bytes(bytes(30_000_000))
    taken, left = asyncio.Event(), asyncio.Event()

    async def take_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(2**16):
                taken.set()
                await asyncio.sleep(0.001)
        writer.close()
        left.set()

    server = await asyncio.start_server(take_slowly, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = Transport(SpaceConfig(space=address))
    upload = Upload(transport, "", [Media("file", path=slow_path)], Deadline(Timeouts()))
    task = asyncio.ensure_future(anext(each async for each in upload.events() if each.sent < 0))
    await taken.wait()

    task.cancel()
    await asyncio.wait([task])
    await transport.close()
    await left.wait()
    server.close()

    assert task.cancelled()
    assert slow_path.opened[-1].closed
