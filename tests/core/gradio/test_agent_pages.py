"""Agents whose pages show their steps, and tell no answer from them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.gradio_app import running


def bot(text: str, title: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "metadata": {"title": title} if title else {}}


def build() -> Any:
    """Make a page of an agent that looks twice, and answers where the prompt asks it to."""
    import gradio as gr

    def work(message: str, chat: list[Any]) -> Iterator[list[Any]]:
        chat = [*chat, {"role": "user", "content": message}]
        steps = [bot("**Step 1**"), bot("I look."), bot("18 °C", "Used tool weather")]
        for row in [*steps, bot("**Step 2**"), *([bot("It is mild.")] if "?" in message else [])]:
            chat = [*chat, row]
            yield chat

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box = gr.Chatbot(), gr.Textbox(label="Message")
        box.submit(work, [box, chat], chat)
    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(build) as url:
        yield url


STEPS = "**Step 1**\n\nI look.\n\n18 °C\n\n**Step 2**"


def said(message: Any) -> tuple[str, str]:
    """Return the thoughts and the text of a message, or of a chunk, of LangChain's."""
    kinds = {"reasoning": "", "text": ""}
    for block in message.content_blocks:
        kinds[block["type"]] += block[block["type"]]
    return kinds["reasoning"], kinds["text"]


@pytest.mark.parametrize(("prompt", "answer"), [("How is it?", "It is mild."), ("Look.", "")])
async def test_langchain_gets_steps_and_answer_once(url: str, prompt: str, answer: str) -> None:
    model = ChatQwenSpace(space=url)

    chunks = functools.reduce(operator.add, model.stream(prompt))
    later = functools.reduce(operator.add, [each async for each in model.astream(prompt)])

    assert said(model.invoke(prompt)) == said(chunks) == said(later) == (STEPS, answer)


@pytest.mark.parametrize(("prompt", "answer"), [("How is it?", "It is mild."), ("Look.", "")])
async def test_llama_index_gets_steps_and_answer_once(url: str, prompt: str, answer: str) -> None:
    model, chat = QwenSpace(space=url), [ChatMessage(prompt)]

    whole = model.chat(chat).message.content
    pieces = [each.delta or "" for each in model.stream_chat(chat)]
    later = [each.delta or "" async for each in await model.astream_chat(chat)]

    assert (whole or "") == "".join(pieces) == "".join(later) == answer
