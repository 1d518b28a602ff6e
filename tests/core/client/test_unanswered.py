"""Chats in which the app puts its own words into the user's place, and nothing into its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import JobError, SpaceClient
from tests import gradio_app

Show = Callable[[str], str]


def app(show: Show, *, adds: bool = True) -> Callable[[], gr.Blocks]:
    def reply(message: str, history: list[Any]) -> Iterator[list[Any]]:
        yield [*history, {"role": "user", "content": show(message)}] if adds else history

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, chat = gr.Textbox(label="Message"), gr.Chatbot()
            box.submit(reply, [box, chat], chat)
        return blocks

    return build


CHAT = [
    {"role": "user", "content": "I am Ann"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Who?"},
]


@pytest.mark.parametrize("chat", [CHAT[2:], CHAT], ids=["alone", "after-turns"])
async def test_words_in_the_place_of_the_message_are_the_reason(chat: list[Any]) -> None:
    with gradio_app.running(app(lambda _: "Please load a <b>document</b> first.")) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"Please load a .*document.* first\."):
                await client.chat(chat)


@pytest.mark.parametrize(
    ("show", "adds"),
    [
        pytest.param(str, True, id="the-message"),
        pytest.param(lambda message: f"**You:** {message}", True, id="with-a-name"),
        pytest.param(lambda message: message.replace("?", "&#63;"), True, id="escaped"),
        pytest.param(str, False, id="no-new-row"),
    ],
)
async def test_the_message_itself_is_none(show: Show, *, adds: bool) -> None:
    with gradio_app.running(app(show, adds=adds)) as url:
        async with SpaceClient(url) as client:
            assert (await client.chat(CHAT)).text == ""
