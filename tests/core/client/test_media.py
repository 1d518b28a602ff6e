"""Pictures and files of a chat, with real Gradio apps that describe the files that they got."""

from __future__ import annotations

import asyncio
import itertools
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    Event,
    FileReceived,
    Media,
    ProtocolError,
    ReplyFile,
    Space,
    SpaceClient,
    UploadError,
    Uploading,
)
from tests.gradio_app import running
from tests.media_app import PNG, SILENCE, MediaApp, build, describe
from tests.scripted_server import CONFIG, ScriptedServer, status

IMAGE = Media("image", data=PNG, mime_type="image/png", name="red.png")
SECOND = Media("image", data=PNG + b"\0", mime_type="image/png", name="two.png")
AUDIO = Media("audio", data=SILENCE, mime_type="audio/wav", name="beep.wav")
VIDEO = Media("video", data=b"\0\0\0\x18ftypmp42" + b"\0" * 40, name="v.mp4")
PDF = Media("file", data=b"%PDF-1.4", mime_type="application/pdf", name="a b.pdf")


def lines(*media: Media) -> list[str]:
    return [describe(each.filename, each.data or b"") for each in media]


TAKEN = [
    pytest.param("chat_interface", [IMAGE, PDF], id="chat_interface"),
    pytest.param("image", [IMAGE], id="image"),
    pytest.param("audio", [AUDIO], id="audio"),
    pytest.param("video", [VIDEO], id="video"),
    pytest.param("file", [PDF], id="file"),
    pytest.param("file", [IMAGE], id="file-of-two-types"),
    pytest.param("files", [PDF, IMAGE], id="files"),
    pytest.param("gallery", [IMAGE, SECOND], id="gallery"),
    pytest.param("editor", [IMAGE], id="editor"),
    pytest.param("step", [IMAGE, VIDEO], id="upload-step"),
    pytest.param("later_step", [IMAGE], id="upload-in-a-later-step"),
    pytest.param("button", [IMAGE], id="button-that-hands-it-over"),
    pytest.param("history", [IMAGE, SECOND], id="multimodal"),
]


@pytest.mark.parametrize(("kind", "media"), TAKEN)
async def test_files_reach_the_app_byte_for_byte(
    media_app: MediaApp, kind: str, media: list[Media]
) -> None:
    async with SpaceClient(media_app(kind)) as client:
        done = await client.complete("Look", files=media)

    assert sorted(done.text.splitlines()[-len(media) :]) == sorted(lines(*media))
    assert "You said: Look" in done.text


async def test_of_several_spaces_one_that_takes_the_picture_is_asked(media_app: MediaApp) -> None:
    async with (
        ScriptedServer(config=status(200, CONFIG)) as text_only,
        SpaceClient([text_only.url, media_app("image")]) as client,
    ):
        done = await client.complete("Look", files=[IMAGE])
        words_alone = await client.complete("Hi")

    assert lines(IMAGE)[0] in done.text
    assert "cannot be sent" in done.failures[0].reason
    assert text_only.url == words_alone.space == done.failures[0].space
    assert len(text_only.joins) == 1


def test_a_blocking_caller_gives_a_path(media_app: MediaApp, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)

    done = Space(media_app("image")).complete("Look", files=[path])

    assert done.text.splitlines()[-1] == describe("red.png", PNG)


async def test_progress_is_told_before_the_queue(media_app: MediaApp) -> None:
    async with (
        SpaceClient(media_app("files")) as client,
        client.stream("Hi", files=[PDF, IMAGE]) as got,
    ):
        events = [event async for event in got]

    uploading = [event for event in events if isinstance(event, Uploading)]
    total = len(PNG) + len(PDF.data or b"")
    assert events[: len(uploading)] == uploading
    assert uploading[-1] == Uploading(total, total)
    assert all(one.sent <= other.sent for one, other in itertools.pairwise(uploading))


@pytest.mark.parametrize(
    ("kind", "media", "says"),
    [
        pytest.param("none", [IMAGE], "'image' cannot be sent: the app takes text only", id="none"),
        pytest.param(
            "image", [PDF], "'file' cannot be sent: the app takes 'Picture'", id="another-kind"
        ),
        pytest.param("file", [AUDIO], r"takes 'File' \(.pdf, image\) beside text", id="file-types"),
        pytest.param(
            "image", [IMAGE, SECOND], "'picture' of /answer takes one only", id="two-in-one"
        ),
        pytest.param("step", [AUDIO], "'audio' cannot be sent", id="upload-step"),
    ],
)
async def test_a_file_that_the_app_does_not_take_is_refused_first(
    media_app: MediaApp, kind: str, media: list[Media], says: str
) -> None:
    seen: list[Event] = []

    async def read() -> None:
        async with (
            SpaceClient(media_app(kind)) as client,
            client.stream("Look", files=media) as events,
        ):
            async for event in events:
                seen.append(event)  # noqa: PERF401 - a comprehension would lose them

    with pytest.raises(ValueError, match=f"(?i){says}"):
        await read()

    assert seen == []


async def test_a_role_can_be_given(media_app: MediaApp) -> None:
    async with SpaceClient(media_app("image"), roles={"Picture": None}) as client:
        with pytest.raises(ValueError, match="text only"):
            await client.complete("Look", files=[IMAGE])
    async with SpaceClient(media_app("image"), roles={"Picture": "image"}) as client:
        assert lines(IMAGE)[0] in (await client.complete("Look", files=[IMAGE])).text


CHAT = [
    {"role": "user", "content": [IMAGE, "One?"]},
    {"role": "assistant", "content": "1."},
    {"role": "user", "content": [SECOND, "Two?"]},
]


async def test_earlier_files_stay_with_their_turns(media_app: MediaApp) -> None:
    async with SpaceClient(media_app("history"), history="auto") as client:
        done = await client.chat(CHAT)

    assert done.text.splitlines() == ["uua", "You said: Two?", *lines(IMAGE, SECOND)]


async def test_an_earlier_file_stays_in_the_box_beside_the_prompt(media_app: MediaApp) -> None:
    chat = [*CHAT[:2], {"role": "user", "content": "Two?"}]
    async with SpaceClient(media_app("image"), history="native") as client:
        same = await client.chat(chat)
        another = await client.chat(CHAT)

    assert same.text.splitlines() == ["You said: Two?", *lines(IMAGE)]
    assert another.text.splitlines() == ["You said: Two?", *lines(SECOND)]


async def test_a_later_file_of_a_split_chat_takes_the_only_place(media_app: MediaApp) -> None:
    async with SpaceClient(media_app("image"), history="split") as client:
        with pytest.warns(UserWarning, match=r"takes no more files, so 1 of earlier turns"):
            done = await client.chat(CHAT)

    said = "You said: User: [image: left out, as only a later one is sent]"
    assert done.text.startswith(said)
    assert done.text.splitlines()[-1:] == lines(SECOND)


@pytest.mark.parametrize("history", ["auto", "native", "split"])
async def test_an_earlier_file_that_the_app_does_not_take_is_refused_too(
    media_app: MediaApp, history: Any
) -> None:
    chat = [*CHAT[:2], {"role": "user", "content": "Two?"}]
    async with SpaceClient(media_app("none"), history=history) as client:
        with pytest.raises(ValueError, match="'image' cannot be sent"):
            await client.chat(chat)


async def test_a_split_chat_brings_all_its_files(media_app: MediaApp) -> None:
    async with SpaceClient(media_app("chat_interface")) as client:
        done = await client.chat(CHAT)

    assert done.text.splitlines() == [
        "You said: User: [image: red.png]",
        "One?",
        "Assistant: 1.",
        "User: [image: two.png]",
        "Two?",
        "Assistant:",
        *lines(IMAGE, SECOND),
    ]


async def test_a_tools_picture_is_a_line_where_the_app_takes_none(media_app: MediaApp) -> None:
    chat = [{"role": "user", "content": "Draw."}, {"role": "tool", "content": ["Done:", IMAGE]}]
    async with SpaceClient(media_app("none")) as client:
        done = await client.chat(chat)

    assert "Done:\n[image: left out, as only text can be read here]" in done.text


@pytest.mark.parametrize(
    ("app", "history"),
    [("none", "auto"), ("none", "split"), ("chat_interface", "auto"), ("history", "native")],
)
async def test_a_picture_of_the_replys_is_a_line_of_it(
    media_app: MediaApp, app: str, history: Any
) -> None:
    reply = {"role": "assistant", "content": ["Here:", IMAGE, "Nice?"]}
    chat = [{"role": "user", "content": "Draw."}, reply, {"role": "user", "content": "Yes."}]
    async with SpaceClient(media_app(app), history=history) as client:
        done = await client.chat(chat)

    assert "Yes." in done.text
    assert not any(line in done.text for line in lines(IMAGE))
    if history == "split":
        assert "Assistant: Here:\n[image: red.png]\nNice?" in done.text


async def test_the_limits_can_be_set(media_app: MediaApp, tmp_path: Path) -> None:
    url = media_app("files")
    async with SpaceClient(url, max_files=1) as client:
        with pytest.raises(UploadError, match="the chat has 2 files, and max_files is 1"):
            await client.complete("Look", files=[IMAGE, PDF])
    async with SpaceClient(url, max_file_size=9) as client:
        with pytest.raises(UploadError, match=r"'red.png' was not uploaded: it has 69 bytes"):
            await client.complete("Look", files=[IMAGE])
        with pytest.raises(UploadError, match="there is no file at"):
            await client.complete("Look", files=[tmp_path / "no.png"])


async def test_a_login_and_a_prefix_are_no_matter() -> None:
    with running(lambda: build("reply"), "/app", ("ada", "secret")) as url:
        async with SpaceClient(url, auth=("ada", "secret")) as client:
            done = await client.complete("Hi")
            assert await client.download(done.files[0]) == PNG
        with pytest.raises(AuthenticationError):
            await SpaceClient(url).complete("Hi", files=[IMAGE])
    with running(lambda: build("image"), "/app", ("ada", "secret")) as url:
        async with SpaceClient(url, auth=("ada", "secret")) as client:
            done = await client.complete("Hi", files=[IMAGE])

    assert lines(IMAGE)[0] in done.text


async def test_a_large_file_is_never_in_memory_as_a_whole(
    media_app: MediaApp, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    size = 100 * 2**20
    with path.open("wb") as file:
        file.truncate(size)
    async with SpaceClient(media_app("files")) as client:
        await client.endpoint()
        tracemalloc.start()
        # The app itself reads the file into memory, in the same process, when it is there.
        stream = client.stream("Look", files=[path])
        async with stream as events:
            seen = [await anext(events)]
            while seen[-1] != Uploading(size, size):
                seen.append(await anext(events))
            _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < size / 4


async def test_leaving_stops_the_upload(media_app: MediaApp, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    async with SpaceClient(media_app("files")) as client:
        async with client.stream("Look", files=[path]) as events:
            first = await anext(events)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        mine = [task for task in others if "upload" in repr(task.get_coro())]

    assert isinstance(first, Uploading)
    assert mine == []


async def test_a_reply_brings_its_files(media_app: MediaApp) -> None:
    async with SpaceClient(media_app("reply")) as client:
        async with client.stream("Hi") as got:
            events = [event async for event in got]
        [received] = [event.file for event in events if isinstance(event, FileReceived)]
        assert await client.download(received) == PNG
        with pytest.raises(ProtocolError, match="more than 68 bytes"):
            await client.download(received, max_size=68)

    done = events[-1]
    assert (done.text, done.files) == ("See:", (received,))  # type: ignore[union-attr]
    assert (received.kind, received.mime_type, received.name) == ("image", "image/png", "red.png")
    assert Space(media_app("reply")).download(received) == PNG


async def test_a_token_goes_to_no_other_host(media_app: MediaApp) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options: dict[str, Any] = {"hf_token": "hf_x", "headers": {"X-Secret": "s"}}
    async with server, SpaceClient(media_app("reply"), **options) as client:
        got = await client.download(ReplyFile(f"http://127.0.0.1:{port}/a.png"))

    assert got == b"hi"
    assert b"hf_x" not in heard[0]
    assert b"X-Secret" not in heard[0]


async def test_an_upload_that_is_cut_is_tried_again_and_then_an_error(media_app: MediaApp) -> None:
    tried = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            tried.append(head)
            writer.transport.abort()
            return
        config = json.dumps(await SpaceClient(media_app("image")).app_config()).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + config)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    large = Media("image", data=bytes(2**20), name="large.png")
    async with server, SpaceClient(url, max_retries=1) as client:
        with pytest.raises(UploadError, match=r"'large.png' was not uploaded: the connection was"):
            await client.complete("Look", files=[large])

    assert len(tried) == 2


@pytest.mark.parametrize(
    ("name", "data", "sent"),
    [
        ("Makefile", b"all:", True),
        ("main.rs", "// \u00e4".encode(), True),
        ("run.sh", b"echo", True),
        ("data.bin", b"a\0b", False),
        ("data", b"\xff", False),
        ("paper.pdf", b"%PDF-1.4", False),
    ],
)
async def test_a_file_is_text_if_its_bytes_are_where_its_name_does_not_tell(
    media_app: MediaApp, tmp_path: Path, name: str, data: bytes, *, sent: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    async with SpaceClient(media_app("none")) as client:
        if sent:
            done = await client.complete("Hi", files=[path])
            assert done.text == f"You said: {name}:\n{data.decode()}\nHi"
        else:
            with pytest.raises(ValueError, match="'file' cannot be sent"):
                await client.complete("Hi", files=[path])


async def test_a_text_file_is_text_where_the_app_takes_no_files(
    media_app: MediaApp, tmp_path: Path
) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Ä\n", "utf-8")
    async with SpaceClient(media_app("none")) as client:
        done = await client.complete("Sum it up.", files=[path])
        with pytest.raises(ValueError, match="'file' cannot be sent"):
            await client.complete("Hi", files=[tmp_path / "missing.txt"])
    async with SpaceClient(media_app("files")) as client:
        taken = await client.complete("Sum it up.", files=[path])

    assert done.text == "You said: notes.md:\n# Ä\n\nSum it up."
    assert taken.text.splitlines()[-1].startswith("notes.md 5 ")
