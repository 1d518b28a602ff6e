"""Components in a chat's reply that are neither text nor files, on a real Gradio app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import ComponentReceived, Space, TextDelta
from tests import gradio_app

# A plot's value is data; the others are the components that no page shows in a chat.
BESIDE = [
    {"kind": "textbox", "label": "Status", "value": "Ready"},
    {"kind": "code", "label": "Code", "value": "x = 1"},
]
NAMED = [{"kind": "checkbox", "label": "Sure?", "value": True}, {"kind": "plot", "label": "Sales"}]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def bot(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def components() -> list[Any]:
    return [gr.Checkbox(value=True, label="Sure?"), gr.Plot(label="Sales")]


def build(file: str = __file__) -> gr.Blocks:
    def alone(message: str, chat: list[Any]) -> list[Any]:
        return [*chat, user(message), *map(bot, components())]

    def between(message: str, chat: list[Any]) -> Iterator[list[Any]]:
        yield [*chat, user(message), bot("Here")]
        yield [*chat, user(message), bot("Here it is:"), *map(bot, components())]
        yield [*chat, user(message), bot("Here it is:"), *map(bot, components()), bot("Do")]
        yield [*chat, user(message), bot("Here it is:"), *map(bot, components()), bot("Done.")]

    def beside(message: str, chat: list[Any]) -> Iterator[tuple[Any, ...]]:
        yield "", [*chat, user(message), bot("Do")], "Busy", gr.skip(), None
        shown = gr.Code("x = 1", visible=True)
        yield "", [*chat, user(message), bot("Done.")], "Ready", shown, file

    with gr.Blocks(analytics_enabled=False) as app:
        box, chat = gr.Textbox(label="Message"), gr.Chatbot()
        box.submit(alone, [box, chat], chat, api_name="alone")
        gr.Button().click(between, [box, chat], chat, api_name="between")
        shown = [gr.Textbox(label="Status"), gr.Code(label="Code", visible=False), gr.File()]
        gr.Button().click(beside, [box, chat], [box, chat, *shown], api_name="beside")
    return app


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with gradio_app.running(build) as url:
        yield url


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        pytest.param("alone", "", id="nothing-but-components"),
        pytest.param("between", "Here it is:\n\nDone.", id="between-texts"),
    ],
)
def test_a_reply_names_the_components_in_it(space: str, endpoint: str, text: str) -> None:
    client = Space(space, endpoint=endpoint)
    chat, llm = (
        ChatQwenSpace(space=space, endpoint=endpoint),
        QwenSpace(space=space, endpoint=endpoint),
    )

    done, events = client.complete("Hi"), list(client.stream("Hi"))
    message, chunks = chat.invoke("Hi"), list(chat.stream("Hi"))
    completion = llm.complete("Hi")

    assert done.text == message.text == completion.text == text
    assert "".join(each.delta for each in events if isinstance(each, TextDelta)) == text
    assert "".join(chunk.text for chunk in chunks) == text
    assert [each.summary for each in done.components] == NAMED
    assert [each.component for each in events if isinstance(each, ComponentReceived)] == [
        *done.components
    ]
    assert message.response_metadata["components"] == NAMED
    assert chunks[-1].response_metadata["components"] == NAMED
    assert completion.raw is not None
    assert completion.raw["components"] == NAMED


def test_components_count_as_an_answer_where_tools_are_bound(space: str) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    message = ChatQwenSpace(space=space, endpoint="alone").bind_tools([add]).invoke("Hi")

    assert "asked_again" not in message.response_metadata
    assert message.response_metadata["components"] == NAMED


def test_files_and_components_beside_the_chat_are_told_of_too(space: str) -> None:
    client, chat = Space(space, endpoint="beside"), ChatQwenSpace(space=space, endpoint="beside")

    done, events = client.complete("Hi"), list(client.stream("Hi"))
    message = chat.invoke("Hi")

    assert done.text == message.text == "Done."
    assert [each.summary for each in done.components] == BESIDE
    assert message.response_metadata["components"] == BESIDE
    assert [each.name for each in done.files] == [Path(__file__).name]
    assert client.download(done.files[0]) == Path(__file__).read_bytes()
    assert len([each for each in events if isinstance(each, ComponentReceived)]) == 2
