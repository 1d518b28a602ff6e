"""Pictures and files through LlamaIndex, with real Gradio apps that describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
)
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle, TextNode

from llama_index_qwen_space import QwenSpace
from tests.media_app import PNG, MediaApp, describe


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


def test_a_picture_that_can_be_cited_reaches_the_app_under_its_title(media_app: MediaApp) -> None:
    picture = ImageBlock(image=PNG, image_mimetype="image/png")
    block = CitableBlock(title="Figure 1", source="a.pdf", content=[picture])

    reply = QwenSpace(space=media_app("image")).chat([ChatMessage([block])])

    said = ["You said: Figure 1", "a.pdf", describe("image.png", PNG)]
    assert str(reply.message.content).splitlines() == said


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


def test_a_reply_with_a_file_can_be_answered(media_app: MediaApp) -> None:
    llm = QwenSpace(space=media_app("none"), history="split")
    reply = QwenSpace(space=media_app("reply")).chat([ChatMessage("Hi")]).message

    answer = llm.chat([ChatMessage("Hi"), reply, ChatMessage("And?")])

    assert "Assistant: See:\n[image: red.png]\nUser: And?" in str(answer.message.content)


@pytest.mark.parametrize("image", [ImageBlock, ImageNode], ids=["block", "node"])
async def test_a_completion_takes_image_documents(
    media_app: MediaApp, tmp_path: Path, image: type[Any]
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    named = {"image_path": str(path)} if image is ImageNode else {"path": path}
    images, llm = [image(**named)], QwenSpace(space=media_app("image"))

    *_, streamed = llm.stream_complete("Look", image_documents=images)
    pieces = await llm.astream_complete("Look", image_documents=images)
    *_, astreamed = [each async for each in pieces]
    replies = [
        llm.complete("Look", image_documents=images),
        await llm.acomplete("Look", image_documents=images),
        streamed,
        astreamed,
    ]

    for reply in replies:
        assert reply.text.splitlines() == ["You said: Look", describe("image.png", PNG)]


class Found(BaseRetriever):
    """Finds a text and a picture, whatever is asked."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        nodes = [TextNode(text="The tower leans."), ImageNode(image_path=str(self._path))]
        return [NodeWithScore(node=node, score=1.0) for node in nodes]


async def test_a_query_engine_over_pictures_shows_them(media_app: MediaApp, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    llm = QwenSpace(space=media_app("image"))
    engine = RetrieverQueryEngine.from_args(Found(path), llm=llm, multimodal=True)

    for answer in (engine.query("What leans?"), await engine.aquery("What leans?")):
        assert "The tower leans." in str(answer)
        assert describe("image.png", PNG) in str(answer)
