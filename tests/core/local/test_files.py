"""Files through a local Space to its engine, to the letter."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import JobError, Media, Space, SpaceClient, UploadError
from qwen_space.local import (
    Limits,
    LocalSpace,
    OpenAIEngine,
    ScriptedEngine,
    describe_message,
)
from qwen_space.local.engines.openai import _SEES
from tests.media_app import PNG, SILENCE

IMAGE = Media("image", data=PNG, mime_type="image/png", name="red.png")
AUDIO = Media("audio", data=SILENCE, name="beep.wav")
NOTES = Media("file", data="ä\n".encode(), mime_type="text/markdown", name="notes.md")


def line(kind: str, data: bytes, size: str = "") -> str:
    return f"{kind} {len(data)} bytes {hashlib.sha256(data).hexdigest()}{size}"


@pytest.fixture(scope="module")
def seeing() -> Iterator[LocalSpace]:
    with LocalSpace(ScriptedEngine(describe_message, takes=["image", "audio"])) as space:
        yield space


async def test_the_engine_gets_the_bytes(seeing: LocalSpace) -> None:
    async with SpaceClient(seeing.url) as client:
        done = await client.complete("Look", files=[IMAGE, AUDIO, NOTES])

    assert done.text.splitlines() == [
        line("image", PNG, " 1x1"),
        line("audio", SILENCE),
        "notes.md:",
        "ä",
        "",
        "",
        "Look",
    ]


async def test_a_temperature_reaches_the_engine_of_a_model_that_sees() -> None:
    engine = ScriptedEngine(["Hi"], takes=["image"])
    with LocalSpace(engine) as space:
        async with SpaceClient(space.url) as client:
            await client.complete("Hi", sampling={"temperature": 0.5})
            await client.complete("Look", files=[IMAGE], sampling={"temperature": 0.5})

    assert [each.temperature for each in engine.samplings] == [0.5, 0.5]


async def test_earlier_files_stay_with_their_turns(seeing: LocalSpace) -> None:
    chat = [
        {"role": "user", "content": [IMAGE, "One?"]},
        {"role": "assistant", "content": "1."},
        {"role": "user", "content": "Two?"},
    ]
    engine: Any = seeing.engine
    async with SpaceClient(seeing.url, history="auto") as client:
        await client.chat(chat)

    _, first, *rest = engine.requests[-1]
    data = base64.b64encode(PNG).decode()
    assert first["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "text", "text": "One?"},
    ]
    assert [message["content"] for message in rest] == ["1.", "Two?"]


def test_both_frameworks_send_a_picture(seeing: LocalSpace) -> None:
    from langchain_core.messages import HumanMessage
    from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock

    block = {"type": "image", "base64": base64.b64encode(PNG).decode(), "mime_type": "image/png"}
    asked = HumanMessage([{"type": "text", "text": "Look"}, block])
    blocks = [ImageBlock(image=PNG, image_mimetype="image/png"), TextBlock(text="Look")]

    said = ChatQwenSpace(space=seeing.url).invoke([asked]).text
    told = QwenSpace(space=seeing.url).chat([ChatMessage(blocks)]).message.content

    assert said == told == f"{line('image', PNG, ' 1x1')}\nLook"


async def test_without_files_the_public_function_answers(seeing: LocalSpace) -> None:
    async with SpaceClient(seeing.url) as client:
        await client.complete("Hi")
        assert (await client.endpoint()).api_name == "model_chat_1"


async def test_a_file_that_the_engine_cannot_read_is_an_error(seeing: LocalSpace) -> None:
    noise = Media("file", data=b"\xff\xfe\x00", name="a.txt")
    async with SpaceClient(seeing.url) as client:
        with pytest.raises(JobError, match=r"cannot read a.txt: .*: audio, image, text"):
            await client.complete("Look", files=[noise])


async def test_a_space_without_eyes_takes_no_upload() -> None:
    with LocalSpace(ScriptedEngine(["Hi"])) as space:
        async with SpaceClient(space.url) as client:
            with pytest.raises(ValueError, match="the app takes text only"):
                await client.complete("Look", files=[IMAGE])


async def test_an_upload_has_a_limit() -> None:
    limits = Limits(upload_bytes=50)
    with LocalSpace(ScriptedEngine(["Hi"], takes=["image"]), limits=limits) as space:
        async with SpaceClient(space.url, max_retries=0) as client:
            with pytest.raises(UploadError, match=r"larger than|too large for them"):
                await client.complete("Look", files=[IMAGE])


def test_the_files_of_a_space_can_go_with_it() -> None:
    data = PNG + secrets.token_bytes(8)

    def kept() -> list[Path]:
        folder = Path(gradio.utils.get_upload_folder())
        return [each for each in folder.glob("*/mine.png") if each.read_bytes() == data]

    limits = Limits(file_seconds=3600)
    with LocalSpace(ScriptedEngine(["Hi"], takes=["image"]), limits=limits) as space:
        picture = Media("image", data=data, name="mine.png")
        assert Space(space.url).complete("Look", files=[picture]).text == "Hi"
        assert len(kept()) == 1
    assert kept() == []


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", True),
        ("qwen2.5vl:7b", True),
        ("qwen3-vl:8b", True),
        ("llava:13b", True),
        ("llama3.2-vision", True),
        ("Qwen2.5-72B-Instruct", False),
        ("evolve-7b", False),
    ],
)
def test_a_models_name_tells_whether_it_sees(name: str, sees: bool) -> None:
    assert bool(_SEES.search(name)) is sees


def test_the_operator_can_name_the_media_that_a_server_takes() -> None:
    assert OpenAIEngine("http://127.0.0.1:9", "m", takes=["audio"]).takes == {"audio"}
