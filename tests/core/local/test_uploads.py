"""The room that the files of all visitors take."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from qwen_space import Media, SpaceClient, UploadError
from qwen_space.local import Limits, LocalSpace, ScriptedEngine

# Room for two files of 30,000 bytes, and not for three.
LIMITS = Limits(upload_bytes=50_000, stored_bytes=100_000)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def space(folder: Path) -> Iterator[LocalSpace]:
    with LocalSpace(ScriptedEngine(["Hi"], takes=["image"]), limits=LIMITS) as running:
        yield running


@pytest.fixture
async def http(space: LocalSpace) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(space.url) as session:
        yield session


async def upload(http: aiohttp.ClientSession, name: str) -> tuple[int, Path]:
    form = aiohttp.FormData()
    form.add_field("files", secrets.token_bytes(30_000), filename=name)
    async with http.post("/gradio_api/upload", data=form) as answer:
        said = await answer.json()
        return answer.status, Path(said[0] if answer.ok else said["detail"])


def age(path: Path) -> None:
    os.utime(path, (0, 1e9))


def age_all(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        age(path)


def stored(folder: Path) -> set[str]:
    return {each.name for each in folder.rglob("*") if each.is_file()}


async def test_files_that_nobody_uses_make_room(http: aiohttp.ClientSession, folder: Path) -> None:
    _, first = await upload(http, "first.png")
    _, second = await upload(http, "second.png")
    status, said = await upload(http, "third.png")
    assert status == 507
    assert "no room for further files" in str(said)
    assert stored(folder) == {"first.png", "second.png"}

    age(second)
    assert (await upload(http, "third.png"))[0] == 200
    assert stored(folder) == {"first.png", "third.png"}
    assert first.exists()


async def test_a_full_disk_is_said(
    http: aiohttp.ClientSession,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 50_000))
        status, said = await upload(http, "first.png")

    assert (status, str(said)) == (
        507,
        "This Space's disk is full. Ask without the file, and tell its operator.",
    )
    assert "no room for an upload" in caplog.text
    assert stored(folder) == set()
    assert (await upload(http, "first.png"))[0] == 200


async def test_a_file_of_a_chat_that_goes_on_is_in_use(
    space: LocalSpace, http: aiohttp.ClientSession, folder: Path
) -> None:
    async with SpaceClient(space.url) as client:
        picture = Media("image", data=secrets.token_bytes(30_000), name="mine.png")
        turn = [{"role": "user", "content": [picture, "One?"]}]
        await client.chat(turn)
        await upload(http, "other.png")
        age_all(folder)
        chat = [*turn, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Two?"}]
        await client.chat(chat)

    assert (await upload(http, "third.png"))[0] == 200
    assert stored(folder) == {"mine.png", "third.png"}


async def test_a_full_space_is_an_error_of_ours(
    space: LocalSpace, http: aiohttp.ClientSession
) -> None:
    for name in ("first.png", "second.png"):
        await upload(http, name)
    async with SpaceClient(space.url, max_retries=0) as client:
        picture = Media("image", data=secrets.token_bytes(30_000), name="mine.png")
        with pytest.raises(UploadError, match="no room for further files"):
            await client.complete("Look", files=[picture])


async def test_uploads_under_way_count_and_one_that_is_cut_leaves_nothing(
    space: LocalSpace, http: aiohttp.ClientSession, folder: Path
) -> None:
    host = space.url.partition("//")[2]
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 45000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="cut.png"\r\n\r\n'
    )
    name, _, port = host.partition(":")
    writers = []
    for _ in range(2):
        _, writer = await asyncio.open_connection(name, int(port))
        writer.write(head.encode() + b"0" * 20_000)
        await writer.drain()
        writers.append(writer)
    while (await upload(http, "refused.png"))[0] != 507:
        age_all(folder)

    for writer in writers:
        writer.transport.abort()
    while (await upload(http, "later.png"))[0] != 200:
        pass

    assert stored(folder) <= {"refused.png", "later.png"}
