"""Texts as the pages of real Gradio apps show them: cursors, escapes, lists, components."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from qwen_space import Completed, Event, Rewritten, SpaceClient, TextDelta
from tests.gradio_app import running

WORDS = ("The ", "answer ", "is ", "42.")
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def texts() -> list[str]:
    """The texts of a reply while it is written."""
    return ["".join(WORDS[: count + 1]).strip() for count in range(len(WORDS))]


def build() -> Any:
    """Make an app with an endpoint for each way to show a text."""
    import gradio as gr

    def with_cursor(message: str, chat: list[Any], cursor: str) -> Iterator[Any]:
        for text in texts():
            yield [*chat, user(message), bot(text + cursor)]
        yield [*chat, user(message), bot(texts()[-1])]

    def escaped(message: str, chat: list[Any], said: str) -> Iterator[Any]:
        for end in range(1, len(said) + 1, 7):
            shown = html.escape(said[:end], quote=False)
            yield [*chat, user(html.escape(message, quote=False)), bot(shown)]
        yield [*chat, user(html.escape(message, quote=False)), bot(html.escape(said, quote=False))]

    def with_component(message: str, chat: list[Any], kind: str) -> Any:
        component = gr.HTML("<b>42</b>") if kind == "html" else gr.Plot()
        return [*chat, user(message), bot("See:"), bot(component)]

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box, own = gr.Chatbot(), gr.Textbox(label="Message"), gr.Textbox(label="Own")
        for name, answer in (
            ("cursor", with_cursor),
            ("escaped", escaped),
            ("component", with_component),
        ):
            gr.Button(name).click(answer, [box, chat, own], chat, api_name=name)
    return app


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def bot(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with running(build) as url:
        yield url


async def ask(url: str, prompt: str, **options: Any) -> list[Event]:
    async with SpaceClient(url, **options) as client, client.stream(prompt) as events:
        return [event async for event in events]


def joined(events: list[Event]) -> str:
    return "".join(each.delta for each in events if isinstance(each, TextDelta))


@pytest.mark.parametrize("cursor", ["▌", "...", " ●", "<span class='cursor'></span>"])
async def test_a_cursor_is_held_back(space: str, cursor: str) -> None:
    events = await ask(space, "Hi", endpoint="cursor", inputs={"Own": cursor})

    assert joined(events) == events[-1].text == "The answer is 42."
    assert not [each for each in events if isinstance(each, Rewritten)]


@pytest.mark.parametrize("prompt", ["Is a < b?", "Hi"])
async def test_code_of_an_app_that_escapes_is_code(space: str, prompt: str) -> None:
    code = "if x < 3 && y > 2: stop()\nprint(1)"

    events = await ask(space, prompt, endpoint="escaped", inputs={"Own": code})

    assert joined(events) == events[-1].text == code
    assert not [each for each in events if isinstance(each, Rewritten)]


def test_calls_of_an_app_that_escapes_are_found(space: str) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return "sunny"

    model = ChatQwenSpace(space=space, endpoint="escaped", inputs={"Own": CALL})

    reply = model.bind_tools([weather]).invoke("Weather in Paris?")

    assert [call["name"] for call in reply.tool_calls] == ["weather"]


@pytest.mark.parametrize(("kind", "text"), [("html", "See:\n\n<b>42</b>"), ("plot", "See:")])
async def test_a_component_is_there_in_its_text(space: str, kind: str, text: str) -> None:
    events = await ask(space, "Hi", endpoint="component", inputs={"Own": kind})

    assert joined(events) == events[-1].text == text


# What a ChatInterface's function may return


def returning(value: Any) -> Any:
    def build() -> Any:
        import gradio as gr

        return gr.ChatInterface(lambda message, history: value, analytics_enabled=False)

    return build


@pytest.mark.parametrize("endpoint", [None, "_submit_fn"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["One.", "Two."], id="texts"),
        pytest.param([{"role": "assistant", "content": "One."}, "Two."], id="message-and-text"),
        pytest.param([{"content": "One."}, {"text": "Two.", "files": []}], id="no-roles"),
    ],
)
async def test_a_list_is_a_reply_of_several_messages(value: Any, endpoint: str | None) -> None:
    with running(returning(value)) as url:
        events = await ask(url, "Hi", endpoint=endpoint)

    assert isinstance(events[-1], Completed)
    assert joined(events) == events[-1].text == "One.\n\nTwo."
