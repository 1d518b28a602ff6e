"""An agent's page that streams each step as it is written, and then shows it in another way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Completed, Rewritten, Space
from tests import gradio_app

STEP = "Thought: I \\<look\\>."
FOOT = '<span style="font-size: 12px;">**Step {}** | Input tokens: 1,024 | Duration: 0.3s</span> '
FINAL = "**Final answer:**\n42\n"


def bot(text: str, title: str | None = None) -> gr.ChatMessage:
    done: Any = {"status": "done"}
    return gr.ChatMessage(text, metadata={**done, "title": title} if title else done)


def shown(number: int, step: str | None) -> list[gr.ChatMessage]:
    """Return the messages of a step that is done."""
    written = [] if step is None else [bot(step)]
    tool = bot("look()", title="Used a tool")
    return [*written, tool, bot(FOOT.format(number)), bot("-----")]


def build() -> gr.Blocks:
    def answer(message: str, _: Any) -> Iterator[list[gr.ChatMessage]]:
        done: list[gr.ChatMessage] = []
        for number in (1, 2):
            for end in (2, 9, len(STEP)):
                yield [*done, bot(STEP[:end])]
            for each in shown(number, STEP if message == "keep" else None):
                done.append(each)
                yield done
        yield [*done, bot(FINAL)]

    return gr.ChatInterface(answer, analytics_enabled=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gradio_app.running(build) as url:
        yield url


@pytest.mark.parametrize("prompt", ["keep", "take back"])
def test_the_steps_are_thoughts_and_the_final_answer_the_reply(url: str, prompt: str) -> None:
    events = [*Space(url).stream(prompt)]
    done, model = events[-1], ChatQwenSpace(space=url)

    assert not [event for event in events if isinstance(event, Rewritten)]
    assert isinstance(done, Completed)
    assert ("Thought: I" in done.thinking, "look()" in done.thinking) == (prompt == "keep", True)
    assert "".join(chunk.text for chunk in model.stream(prompt)) == "42\n"
    assert model.invoke(prompt).text == "42\n"
    assert QwenSpace(space=url).complete(prompt).text == "42\n"
