"""Pages that run a function as a tab is opened, which the tab of the chat is."""

from __future__ import annotations

import gradio as gr
import pytest

from qwen_space import SpaceClient
from tests import gradio_app


@pytest.mark.parametrize("place", ["first", "second", "around"])
async def test_a_function_that_opens_the_tab_of_the_chat_is_run(place: str) -> None:
    ready: list[str] = []

    def build() -> gr.Blocks:
        def start(name: str) -> tuple[str, str]:
            ready.append(name)
            return "Ready", f"opened {name}"

        def reply(message: str, key: str) -> str:
            return f"{message}|{key}|{bool(ready)}"

        with gr.Blocks(analytics_enabled=False) as blocks:
            key, status = gr.State(""), gr.Markdown()
            with gr.Tabs():
                if place != "first":
                    with gr.Tab("Other") as other:
                        gr.Markdown("Nothing")
                        other.select(lambda: ("", "opened other"), None, [status, key])
                with gr.Tab("Chat") as tab:
                    if place == "around":
                        with gr.Tabs(), gr.Tab("Inner"), gr.Group():
                            box = gr.Textbox(label="Message")
                    else:
                        box = gr.Textbox(label="Message")
                    answer = gr.Textbox(label="Answer")
            box.submit(reply, [box, key], answer)
            tab.select(lambda: start("chat"), None, [status, key])
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "Hi|opened chat|True"


async def test_one_that_only_starts_a_backend_is_run_too() -> None:
    ready: list[None] = []

    def build() -> gr.Blocks:
        def start() -> str:
            ready.append(None)
            return "Ready"

        with gr.Blocks(analytics_enabled=False) as blocks:
            with gr.Tab("About"):
                gr.Markdown("Nothing")
            with gr.Tab("Chat") as tab:
                status, box = gr.Markdown("Preparing"), gr.Textbox(label="Message")
                answer = gr.Textbox(label="Answer")
            box.submit(lambda message: f"{message}|{len(ready)}", box, answer)
            tab.select(start, None, status)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "Hi|1"
