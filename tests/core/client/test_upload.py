"""The upload of media; the apps' side is in test_media.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from qwen_space.chat.media import Media
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.upload import Upload
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
