"""Pages that run a function as a file is chosen for an input of the chat's own function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from qwen_space import Media, SpaceClient
from qwen_space.chat.messages import to_turns
from tests import gradio_app
from tests.media_app import PNG

IMAGE = Media("image", data=PNG, name="a.png")
SECOND = Media("image", data=PNG, name="b.png")


@pytest.mark.parametrize("place", ["state", "server"])
async def test_a_file_of_the_chat_s_own_starts_its_upload_too(place: str) -> None:
    known: list[str] = []

    def build() -> gr.Blocks:
        def index(path: str) -> str:
            known.append(Path(path).name)
            return f"indexed {known[-1]}"

        with gr.Blocks(analytics_enabled=False) as blocks:
            box, answer = gr.Textbox(label="Message"), gr.Textbox(label="Answer")
            picture = gr.Image(type="filepath")
            kept = gr.State("nothing") if place == "state" else gr.Textbox(label="Status")
            picture.upload(index, picture, kept)
            inputs = [box, picture, *([kept] if place == "state" else [])]
            box.submit(lambda message, *_: f"{message} {known} {_[1:]}", inputs, answer)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            asked = await client.complete("Look", files=[IMAGE])
            plain = await client.complete("Hi")
            with pytest.raises(ValueError, match="takes one"):
                await client.complete("Look", files=[IMAGE, SECOND])

    kept = ("('indexed a.png',)", "('nothing',)") if place == "state" else ("()", "()")
    assert asked.text == f"Look ['a.png'] {kept[0]}"
    assert plain.text == f"Hi ['a.png'] {kept[1]}"


@pytest.mark.parametrize("shown", [[], [{"role": "assistant", "content": "Nice!"}]])
async def test_an_upload_takes_neither_the_prompt_nor_the_turns_of_a_call(shown: list[Any]) -> None:
    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            chat, box, picture = gr.Chatbot(), gr.Textbox(label="Message"), gr.Image()
            picture.upload(lambda _: (shown, "A cat."), picture, [chat, box])

            def answer(message: str, turns: list[Any], _: Any) -> tuple[str, list[Any]]:
                turns.append({"role": "user", "content": message})
                said = f"{message} after {len(turns) - 1}"
                return "", [*turns, {"role": "assistant", "content": said}]

            box.submit(answer, [box, chat, picture], [box, chat])
        return blocks

    said = ("user", "Hi"), ("assistant", "Ho"), ("user", ["Look", IMAGE])
    turns = to_turns({"role": role, "content": content} for role, content in said)
    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            asked = await client.chat(turns)

    assert asked.text == f"Look after {2 + len(shown)}"
