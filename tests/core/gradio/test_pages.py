"""Texts as the pages of real Gradio apps show them: cursors, escapes, lists, components."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from qwen_space import Completed, ComponentReceived, Event, Rewritten, SpaceClient, TextDelta
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

    def backslashed(message: str, chat: list[Any], said: str) -> Iterator[Any]:
        for end in range(1, len(said) + 7, 7):
            yield [*chat, user(backslash(message)), bot(backslash(said[:end]))]

    def with_component(message: str, chat: list[Any], kind: str) -> Any:
        component = {
            "html": lambda: gr.HTML("<b>42</b>"),
            "plot": gr.Plot,
            "table": lambda: gr.Dataframe([[1, "a | b"], [2, None]], headers=["n", "name"]),
            "json": lambda: gr.JSON({"a": ["é"]}),
            "label": lambda: gr.Label({"cat": 0.9, "dog": 0.1}),
            "image": gr.Image,
            "gallery": gr.Gallery,
        }[kind]()
        return [*chat, user(message), bot("See:"), bot(component)]

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box, own = gr.Chatbot(), gr.Textbox(label="Message"), gr.Textbox(label="Own")
        for name, answer in (
            ("cursor", with_cursor),
            ("escaped", escaped),
            ("backslashed", backslashed),
            ("component", with_component),
        ):
            gr.Button(name).click(answer, [box, chat, own], chat, api_name=name)
    return app


def backslash(text: str) -> str:
    """Escape angle brackets as h2oGPT does, outside of code between fences."""
    parts = text.split("```")
    parts[::2] = [re.sub("[<>]", r"\\\g<0>", part) for part in parts[::2]]
    return "```".join(parts)


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


@pytest.mark.parametrize("prompt", ["Is a < b?", "Hi"])
async def test_signs_that_an_app_escapes_with_backslashes_are_signs(
    space: str, prompt: str
) -> None:
    said = "if x < 3 and y > 2:\n```sh\ngrep '\\<word\\>' < file\n```\nor a \\* b <i>so</i>"

    events = await ask(space, prompt, endpoint="backslashed", inputs={"Own": said})

    assert joined(events) == events[-1].text == said
    assert not [each for each in events if isinstance(each, Rewritten)]


@pytest.mark.parametrize("endpoint", ["escaped", "backslashed"])
def test_calls_of_an_app_that_escapes_are_found(space: str, endpoint: str) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return "sunny"

    model = ChatQwenSpace(space=space, endpoint=endpoint, inputs={"Own": CALL})

    reply = model.bind_tools([weather]).invoke("Weather in Paris?")

    assert [call["name"] for call in reply.tool_calls] == ["weather"]


TABLE = "| n | name |\n| --- | --- |\n| 1 | a &#124; b |\n| 2 |  |"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("html", "See:\n\n<b>42</b>"),
        ("plot", "See:"),
        ("table", f"See:\n\n{TABLE}"),
        ("json", 'See:\n\n{"a": ["é"]}'),
        ("label", "See:\n\ncat\n\n- cat: 90%\n- dog: 10%"),
        ("image", "See:"),
        ("gallery", "See:"),
    ],
)
async def test_a_component_is_there_in_its_text(space: str, kind: str, text: str) -> None:
    events = await ask(space, "Hi", endpoint="component", inputs={"Own": kind})

    assert joined(events) == events[-1].text == text


# Values that a ChatInterface's function may return


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


async def test_the_path_that_chat_gives_for_a_picture_is_no_text() -> None:
    def build() -> Any:
        import gradio as gr

        return gr.ChatInterface(lambda *_: gr.Image("/tmp/red.png"), analytics_enabled=False)

    with running(build) as url:
        done = (await ask(url, "Hi"))[-1]

    assert isinstance(done, Completed)
    assert (done.text, [each.kind for each in done.components]) == ("", ["image"])


async def test_a_file_s_name_that_an_update_gives_to_a_text_is_words() -> None:
    def build() -> Any:
        import gradio as gr

        def answer(_: str) -> Iterator[Any]:
            yield gr.update(value="logo.png")
            yield gr.update(value="logo.png is the file.")

        with gr.Blocks(analytics_enabled=False) as app:
            box, reply = gr.Textbox(), gr.Textbox(label="Answer")
            box.submit(answer, box, reply)
        return app

    with running(build) as url:
        *events, done = await ask(url, "Hi")

    assert isinstance(done, Completed)
    assert joined(events) == done.text == "logo.png is the file."
    assert not [each for each in events if isinstance(each, (ComponentReceived, Rewritten))]


@pytest.mark.parametrize("endpoint", [None, "_submit_fn"])
@pytest.mark.parametrize("kind", ["Code", "Markdown", "HTML", "Textbox"])
async def test_an_output_beside_the_chat_is_not_the_reply(kind: str, endpoint: str | None) -> None:
    def build() -> Any:
        import gradio as gr

        with gr.Blocks(analytics_enabled=False) as app:
            beside = getattr(gr, kind)()
            gr.ChatInterface(lambda *_: ("See.", "x = 1"), additional_outputs=[beside])
        return app

    with running(build) as url:
        events = await ask(url, "Hi", endpoint=endpoint)

    assert isinstance(done := events[-1], Completed)
    assert joined(events) == done.text == "See."
    assert [each.value for each in done.components] == ["x = 1"]


# Chats in HTML


def with_html_page(*, keeps_turns: bool = False) -> Any:
    """Make a page that collects its inputs first, and shows the whole chat in one HTML output.

    Args:
        keeps_turns: Whether a JSON that it does not show has the turns, too.
    """
    import gradio as gr

    def collect(message: str, system: str, temperature: float) -> dict[str, Any]:
        return {"message": message, "system": system, "temperature": temperature}

    def answer(message: str, state: dict[str, Any]) -> Iterator[Any]:
        for text in ("<em>Is typing...</em>", *texts()):
            told = text if "<em>" in text else f"{state['temperature']} {state['system']} {text}"
            shown = html_page(message, told)
            yield (shown, {"visible": [[message, told]]}) if keeps_turns else shown

    def complete(text: str) -> Iterator[str]:
        yield text

    with gr.Blocks(analytics_enabled=False) as app:
        state, saved = gr.State({}), gr.State()
        turns = gr.JSON({"visible": []}, visible=False)
        display, box = gr.HTML(), gr.Textbox(placeholder="Send a message")
        system = gr.Textbox(label="Custom system message")
        temperature = gr.Slider(0, 2, 1, label="temperature")
        raw, other = gr.Textbox(label="Raw"), gr.Textbox(label="Output")
        box.submit(collect, [box, system, temperature], state).then(
            lambda text: (text, ""), box, [saved, box]
        ).then(answer, [saved, state], [display, turns] if keeps_turns else display)
        gr.Button("Complete").click(complete, raw, other)
    return app


def html_page(prompt: str, reply: str) -> str:
    bubbles = "".join(
        f'<div class="message"><b>{name}</b><div class="message-body"><p>{text}</p></div></div>'
        for name, text in (("You", html.escape(prompt)), ("AI", reply))
    )
    return f'<style>p {{ color: red }}</style><div class="chat">{bubbles}</div>'


@pytest.mark.parametrize("keeps_turns", [False, True], ids=["html", "html-and-turns"])
async def test_a_chat_in_an_html_output_gives_its_last_message(keeps_turns: bool) -> None:
    with running(lambda: with_html_page(keeps_turns=keeps_turns)) as url:
        events = await ask(url, "Is a < b?", system_prompt="Brief.", inputs={"temperature": 0.5})

    assert joined(events) == events[-1].text == "0.5 Brief. The answer is 42."
    assert not [each for each in events if isinstance(each, Rewritten)]


def with_markdown_made_html() -> Any:
    import gradio as gr

    def answer(message: str, chat: list[Any]) -> Iterator[Any]:
        yield [*chat, user(f"<p>{message}</p>"), bot("Thinking ...")]
        for shown in ("<p>So <b>b</b></p>", "<p>So <b>bold</b></p><pre><code>x = 1</code></pre>"):
            yield [*chat, user(f"<p>{message}</p>"), bot(shown)]

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box = gr.Chatbot(), gr.Textbox()
        box.submit(answer, [box, chat], chat)
    return app


async def test_a_server_that_makes_html_of_markdown_gives_markdown() -> None:
    with running(with_markdown_made_html) as url:
        events = await ask(url, "Hi")

    assert joined(events) == events[-1].text == "So **bold**\n\n```\nx = 1\n```"
    assert not [each for each in events if isinstance(each, Rewritten)]


def with_reasoning_tags() -> Any:
    import gradio as gr

    def answer(message: str, history: list[Any]) -> Iterator[str]:
        yield from ("<r>", "<r>hm", "<r>hm</r>4 <r>so</r>2")

    return gr.ChatInterface(
        answer,
        chatbot=gr.Chatbot(reasoning_tags=[("<x>", "</x>"), ("<r>", "</r>")]),
        analytics_enabled=False,
    )


async def test_the_page_s_own_reasoning_tags_are_the_default() -> None:
    with running(with_reasoning_tags) as url:
        events = await ask(url, "Hi")
        as_it_stands = await ask(url, "Hi", reasoning_tags=None)

    assert isinstance(done := events[-1], Completed)
    assert (done.thinking, done.text) == ("hm\n\nso", "4 2")
    assert as_it_stands[-1].text == "<r>hm</r>4 <r>so</r>2"


# As the `_parse_text` of Qwen's own demos: one line stays as it is


def parse_text(text: str) -> str:
    lines = text.split("\n")
    code = f'<pre><code class="language-py"><br>{html.escape(lines[2])}<br></code></pre>'
    return f"{lines[0]}{code}<br>{lines[4]}"


def build_parsing() -> Any:
    """Make an app that makes HTML of its reply's code and line breaks."""
    import gradio as gr

    reply = "If x < 3:\n```py\nif x < 3: return\n```\nDone."

    def answer(message: str, chat: list[Any]) -> Iterator[Any]:
        shown = "If x < 3:<br>- one<br>- two" if "list" in message else parse_text(reply)
        for end in (4, 12, 30, 50, len(shown)):
            yield [*chat, user(message), bot(shown[:end])]

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box = gr.Chatbot(), gr.Textbox(label="Message")
        box.submit(answer, [box, chat], chat)
    return app


async def test_code_is_code_where_the_prompt_s_own_line_is_left_as_it_was() -> None:
    with running(build_parsing) as url:
        events = await ask(url, "Is 2 < 3?")

    assert events[-1].text == "If x < 3:\n```py\nif x < 3: return\n```\nDone."
    assert joined(events) == events[-1].text


async def test_lines_are_lines_where_the_prompt_s_own_line_is_left_as_it_was() -> None:
    with running(build_parsing) as url:
        events = await ask(url, "A list of 2 < 3?")

    assert events[-1].text == joined(events) == "If x < 3:\n- one\n- two"
