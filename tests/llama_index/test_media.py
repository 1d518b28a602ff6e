"""Pictures and files through LlamaIndex, with real Gradio apps that describe them."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    TextBlock,
)

from llama_index_qwen_space import QwenSpace
from tests.media_app import PNG, MediaApp, describe

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO name=.*gradio")


async def test_a_picture_reaches_the_app_in_every_form(media_app: MediaApp, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    llm = QwenSpace(space=media_app("image"))

    for block in (ImageBlock(image=PNG, image_mimetype="image/png"), ImageBlock(path=path)):
        message = ChatMessage([TextBlock(text="Look"), block])
        replies = [llm.chat([message]), await llm.achat([message])]
        *_, last = llm.stream_chat([message])
        for reply in (*replies, last):
            told = str(reply.message.content).splitlines()
            assert told == ["You said: Look", describe("image.png", PNG)]


def test_a_document_reaches_the_app_under_its_title(media_app: MediaApp) -> None:
    block = DocumentBlock(data=b"%PDF-1.4", title="a.pdf", document_mimetype="application/pdf")

    reply = QwenSpace(space=media_app("file")).chat([ChatMessage([TextBlock(text="Read"), block])])

    assert describe("a.pdf", b"%PDF-1.4") in str(reply.message.content)


async def test_files_of_a_reply_are_blocks_in_every_way(media_app: MediaApp) -> None:
    llm, chat = QwenSpace(space=media_app("reply")), [ChatMessage("Hi")]
    *_, streamed = llm.stream_chat(chat)
    *_, astreamed = [each async for each in await llm.astream_chat(chat)]

    for reply in (llm.chat(chat), await llm.achat(chat), streamed, astreamed):
        text, image = reply.message.blocks
        assert text == TextBlock(text="See:")
        assert isinstance(image, ImageBlock)
        assert str(image.url).endswith("/red.png")
        assert image.image_mimetype == "image/png"
