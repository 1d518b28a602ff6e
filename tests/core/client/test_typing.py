"""Pages on which the change of the prompt's box fills another input of the chat."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gradio as gr
import pytest

from qwen_space import SpaceClient
from tests import gradio_app

Fill = Callable[[gr.Textbox], object]


def page(fill: Fill) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as app:
        box, chat = gr.Textbox(label="Message"), gr.Chatbot()
        kept = fill(box)
        box.submit(
            lambda message, kept, chat: (
                "",
                [
                    *chat,
                    {"role": "user", "content": message},
                    {"role": "assistant", "content": f"{message}|{kept}|{len(chat)}"},
                ],
            ),
            [box, kept, chat],
            [box, chat],
        )
    return app


def state(box: gr.Textbox) -> object:
    kept = gr.State("")
    box.change(str.upper, box, kept)
    return kept


def hidden(box: gr.Textbox) -> object:
    kept = gr.Textbox(visible=False)
    box.input(str.upper, box, kept, queue=False)
    return kept


def chained(box: gr.Textbox) -> object:
    kept, first = gr.State(""), gr.State("")
    box.change(str.upper, box, first).then(lambda text: text * 2, first, kept)
    return kept


def counting(box: gr.Textbox) -> object:
    """Show the number of its letters, which no function reads."""
    box.change(len, box, gr.Number())
    return gr.State("unread")


def correcting(box: gr.Textbox) -> object:
    """Give the box itself another text as somebody writes into it."""
    kept = gr.State("own")
    box.change(lambda text: (text.strip(), "typed"), box, [box, kept])
    return kept


@pytest.mark.parametrize(
    ("fill", "kept"),
    [
        pytest.param(state, "HI", id="a-state"),
        pytest.param(hidden, "HI", id="a-hidden-box"),
        pytest.param(chained, "HIHI", id="by-a-later-step"),
        pytest.param(counting, "unread", id="none-that-is-read"),
        pytest.param(correcting, "typed", id="and-the-box"),
    ],
)
async def test_a_prompt_s_change_fills_the_inputs_that_the_page_lets_it_fill(
    fill: Fill, kept: str
) -> None:
    with gradio_app.running(lambda: page(fill)) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == f"Hi|{kept}|0"


async def test_a_function_that_fails_as_the_prompt_is_typed_ends_no_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def check(message: str) -> str:
        raise gr.Error(f"{message} is too short")

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box, told = gr.Textbox(label="Message"), gr.State("nothing")
            box.change(check, box, told)
            box.submit(lambda message, told: f"{message}, {told}", [box, told], gr.Textbox())
        return app

    with gradio_app.running(build) as url, caplog.at_level(logging.WARNING, "qwen_space"):
        async with SpaceClient(url) as client:
            reply = await client.complete("Hi")

    assert reply.text == "Hi, nothing"
    assert "/check, which the page runs as the prompt is typed, failed: " in caplog.text
