"""Pictures and files through LangChain, with real Gradio apps that describe them."""

from __future__ import annotations

import base64
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_qwen_space import ChatQwenSpace
from tests.media_app import PNG, MediaApp, describe

CODED = base64.b64encode(PNG).decode()
BLOCKS = [
    pytest.param({"type": "image", "base64": CODED, "mime_type": "image/png"}, id="standard"),
    pytest.param(
        {"type": "image", "source_type": "base64", "data": CODED, "mime_type": "image/png"},
        id="older",
    ),
    pytest.param(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CODED}"}}, id="openai"
    ),
    pytest.param(
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": CODED},
        },
        id="anthropic",
    ),
]


@pytest.mark.parametrize("block", BLOCKS)
async def test_a_picture_reaches_the_app_in_every_form(
    media_app: MediaApp, block: dict[str, Any]
) -> None:
    model = ChatQwenSpace(space=media_app("image"))
    question = HumanMessage([{"type": "text", "text": "Look"}, block])

    for reply in (model.invoke([question]), await model.ainvoke([question])):
        assert reply.text.splitlines() == ["You said: Look", describe("image.png", PNG)]


def test_a_tools_picture_reaches_an_app_that_takes_it(media_app: MediaApp) -> None:
    block = {"type": "image", "base64": CODED, "mime_type": "image/png"}
    call = {"name": "draw", "args": {}, "id": "1"}
    chat = [
        HumanMessage("Draw."),
        AIMessage("", tool_calls=[call]),
        ToolMessage([block], tool_call_id="1"),
    ]

    assert describe("image.png", PNG) in ChatQwenSpace(space=media_app("image")).invoke(chat).text


async def test_files_of_a_reply_are_blocks_in_every_way(media_app: MediaApp) -> None:
    model = ChatQwenSpace(space=media_app("reply"))

    def content(message: BaseMessage) -> Any:
        text, file = message.content
        return text, {**file, "url": file["url"].rpartition("/")[2]}  # type: ignore[dict-item]

    whole = [model.invoke("Hi"), await model.ainvoke("Hi")]
    folded = [
        reduce(add, model.stream("Hi")),
        reduce(add, [chunk async for chunk in model.astream("Hi")]),
    ]

    for message in (*whole, *folded):
        assert message.text == "See:"
        assert content(message) == (
            "See:",
            {
                "type": "image",
                "url": "red.png",
                "mime_type": "image/png",
                "extras": {"filename": "red.png"},
            },
        )
        assert [block["type"] for block in message.content_blocks] == ["text", "image"]


def test_a_reply_with_a_file_can_be_answered(media_app: MediaApp) -> None:
    model = ChatQwenSpace(space=media_app("none"), history="split")
    reply = ChatQwenSpace(space=media_app("reply")).invoke("Hi")

    answer = model.invoke([HumanMessage("Hi"), reply, HumanMessage("And?")])

    assert "Assistant: See:\n[image: red.png]\nUser: And?" in answer.text
