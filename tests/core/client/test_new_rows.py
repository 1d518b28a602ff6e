"""Apps that add rows to a chat without the message that was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import SpaceClient
from tests import gradio_app

Rows = list[dict[str, Any]]
GREETING = {"role": "assistant", "content": "Hello! What can I do for you?"}
CHAT = [
    {"role": "user", "content": "I am Ann"},
    {"role": "assistant", "content": "Hello Ann"},
    {"role": "user", "content": "Who am I?"},
]


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def refuse(_message: str, history: Rows) -> Rows:
    return [*history, said("Load a file first.")]


def trim(message: str, history: Rows) -> Rows:
    """Keep the last row of those before, as an app with a short memory does."""
    steps = map(said, ("One.", "Two.", "Three."))
    return [*history[-1:], {"role": "user", "content": message}, *steps]


def rewrite(message: str, history: Rows) -> Rows:
    """Change the rows before, too."""
    rows = [{**row, "content": "..."} for row in history]
    return [*rows, {"role": "user", "content": message}, said("One."), said("Two.")]


def app(reply: Callable[[str, Rows], Rows], greeting: Rows) -> gr.Blocks:
    def answer(message: str, history: Rows) -> Iterator[Rows]:
        yield reply(message, history)

    with gr.Blocks(analytics_enabled=False) as blocks:
        box, chat = gr.Textbox(label="Message"), gr.Chatbot(greeting)
        box.submit(answer, [box, chat], chat)
    return blocks


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param(refuse, "Load a file first.", id="no-row-of-the-message"),
        pytest.param(trim, "One.\n\nTwo.\n\nThree.", id="fewer-rows-before"),
        pytest.param(rewrite, "One.\n\nTwo.", id="other-rows-before"),
    ],
)
@pytest.mark.parametrize("chat", [CHAT[2:], CHAT], ids=["alone", "after-turns"])
@pytest.mark.parametrize("greeting", [[], [GREETING]], ids=["empty", "greeting"])
async def test_the_reply_is_in_the_rows_that_the_app_has_added(
    reply: Callable[[str, Rows], Rows], text: str, chat: Rows, greeting: Rows
) -> None:
    with gradio_app.running(lambda: app(reply, greeting)) as url:
        async with SpaceClient(url) as client:
            assert (await client.chat(chat)).text == text
