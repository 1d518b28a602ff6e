"""Pages that keep the earlier turns beside their chat, in a component that is no `gr.State`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from qwen_space import SpaceClient
from tests import gradio_app

CHAT = [
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two"},
    {"role": "user", "content": "Three"},
]
SPLIT = "User: One\nAssistant: Two\nUser: Three\nAssistant:"


def rows(message: str, text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": message}, {"role": "assistant", "content": text}]


def in_a_component(
    make: Callable[[], Any], read: Callable[[Any], list[Any]], write: Callable[[list[Any]], Any]
) -> Callable[[], gr.Blocks]:
    """A page whose function takes its chat to add to it, and reads the turns elsewhere."""

    def answer(message: str, shown: list[Any], kept: Any) -> tuple[list[Any], Any, str]:
        text = f"{len(read(kept))} kept: {message}"
        return [*shown, *rows(message, text)], write([*read(kept), [message, text]]), ""

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            chat, box, kept = gr.Chatbot(), gr.Textbox(label="Message"), make()
            box.submit(answer, [box, chat, kept], [chat, kept, box])
        return app

    return build


def written_after_the_reply() -> gr.Blocks:
    """A page that writes the chat down only once it is complete."""

    def answer(message: str, shown: list[Any], kept: list[Any] | None) -> list[Any]:
        return [*shown, *rows(message, f"{len(kept or ())} kept: {message}")]

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box, kept = gr.Chatbot(), gr.Textbox(label="Message"), gr.JSON(visible=False)
        box.submit(answer, [box, chat, kept], chat).then(lambda shown: shown, chat, kept)
    return app


def in_a_column_that_is_hidden() -> gr.Blocks:
    def answer(message: str, shown: list[Any], number: float) -> tuple[list[Any], float]:
        return [*shown, *rows(message, f"{number:.0f} kept: {message}")], number + 1

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box = gr.Chatbot(), gr.Textbox(label="Message")
        with gr.Column(visible=False):
            number = gr.Number(0, label="Conversation")
        box.submit(answer, [box, chat, number], [chat, number])
    return app


def loads(text: str | None) -> list[Any]:
    return json.loads(text or "[]")


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(
            in_a_component(lambda: gr.JSON([], visible=False), list, list), id="hidden-json"
        ),
        pytest.param(in_a_component(lambda: gr.JSON([], label="Log"), list, list), id="json"),
        pytest.param(
            in_a_component(lambda: gr.Textbox("[]", visible=False), loads, json.dumps),
            id="hidden-text",
        ),
        pytest.param(
            in_a_component(lambda: gr.Textbox("[]", interactive=False), loads, json.dumps),
            id="locked-text",
        ),
        pytest.param(
            in_a_component(lambda: gr.HTML("[]", visible=False), loads, json.dumps),
            id="hidden-html",
        ),
        pytest.param(
            in_a_component(
                lambda: gr.Dataframe(type="array", headers=["a", "b"], visible="hidden"),
                lambda value: [row for row in value if any(row)],
                list,
            ),
            id="hidden-table",
        ),
        pytest.param(in_a_component(lambda: gr.BrowserState([]), list, list), id="browser"),
        pytest.param(written_after_the_reply, id="after-the-reply"),
        pytest.param(in_a_column_that_is_hidden, id="hidden-column"),
    ],
)
async def test_turns_that_a_component_keeps_go_into_the_prompt(
    build: Callable[[], gr.Blocks],
) -> None:
    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            done = await client.chat(CHAT)
        async with SpaceClient(url, history="native") as client:
            with pytest.warns(UserWarning, match="history='native'.*no input for a history"):
                warned = await client.chat(CHAT)

    assert done.text == warned.text == f"0 kept: {SPLIT}"
