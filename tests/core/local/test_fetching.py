"""Files that a visitor gives as addresses."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp.web
import pytest
import safehttpx

from qwen_space import JobError, Media, SpaceClient
from qwen_space.local import Limits, LocalSpace, ScriptedEngine, describe_message
from qwen_space.local.fetching import _store
from tests.media_app import PNG


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(describe_message, takes=["image"])
    with LocalSpace(engine, limits=Limits(upload_bytes=50_000)) as running:
        yield running


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Serve files on loopback; yield the port."""

    async def picture(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=PNG, content_type="image/png")

    async def large(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=bytes(50_001), content_type="image/png")

    async def moved(request: aiohttp.web.Request) -> aiohttp.web.Response:
        raise aiohttp.web.HTTPFound(request.match_info["to"])

    app = aiohttp.web.Application()
    app.router.add_get("/picture", picture)
    app.router.add_get("/large.png", large)
    app.router.add_get("/moved/{to}", moved)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, port: int) -> str:
    """The address of the files under a public name, without a slash at the end."""

    async def validate(_host: str) -> str:
        return "127.0.0.1"

    monkeypatch.setattr(safehttpx, "async_validate_url", validate)
    return f"http://public.example:{port}"


async def describe(space: LocalSpace, url: str) -> str:
    async with SpaceClient(space.url, max_retries=0) as client:
        return (await client.complete("Look", files=[Media("image", url=url)])).text


@pytest.mark.parametrize("path", ["/picture", "/moved/%2Fpicture"])
async def test_a_picture_without_an_ending_is_one_by_its_type(
    space: LocalSpace, elsewhere: str, path: str
) -> None:
    said = await describe(space, elsewhere + path)

    assert hashlib.sha256(PNG).hexdigest() in said
    assert said.startswith("image ")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/large.png", "larger than 0.05 MB"),
        ("/missing.png", "cannot be fetched"),
        ("/moved/%2Fmissing.png", "cannot be fetched"),
        ("/moved/again", "without an end"),
        ("/moved/file:%2F%2F%2Fetc%2Fpasswd", "cannot be fetched"),
    ],
)
async def test_an_address_that_cannot_be_fetched_is_said(
    space: LocalSpace, elsewhere: str, path: str, said: str
) -> None:
    with pytest.raises(JobError, match=said):
        await describe(space, elsewhere + path)


def test_a_file_whose_address_two_give_at_once_is_read_whole(tmp_path: Path) -> None:
    path = _store(tmp_path / "folder", "a.png", PNG)

    with path.open("rb") as file:
        assert _store(tmp_path / "folder", "a.png", PNG[:10]) == path
        assert file.read() == PNG

    assert [*tmp_path.rglob("*.*")] == [path]


async def test_addresses_of_the_own_network_are_not_fetched(space: LocalSpace, port: int) -> None:
    with pytest.raises(JobError, match="cannot be fetched"):
        await describe(space, f"http://127.0.0.1:{port}/picture")


async def test_a_space_without_eyes_fetches_nothing(elsewhere: str) -> None:
    file = {"path": f"{elsewhere}/large.png", "meta": {"_type": "gradio.FileData"}}
    history = [{"role": "user", "content": [{"type": "file", "file": file}]}]
    with LocalSpace(ScriptedEngine(["Hi"])) as blind:
        async with aiohttp.ClientSession(blind.url) as http:
            data = {"data": ["Hi", history, "", None, None, None, None]}
            async with http.post("/gradio_api/call/chat", json=data) as answer:
                job = (await answer.json())["event_id"]
            async with http.get(f"/gradio_api/call/chat/{job}") as answer:
                assert "takes no files" in await answer.text()
