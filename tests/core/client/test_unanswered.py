"""Chats in which the app puts its own words into the user's place, and nothing into its own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from qwen_space import JobError, SpaceClient
from tests import gradio_app

Show = Callable[[str], str]


def app(show: Show, *, adds: bool = True) -> Callable[[], gr.Blocks]:
    def reply(message: str, history: list[Any]) -> Iterator[list[Any]]:
        yield [*history, {"role": "user", "content": show(message)}] if adds else history

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, chat = gr.Textbox(label="Message"), gr.Chatbot()
            box.submit(reply, [box, chat], chat)
        return blocks

    return build


CHAT = [
    {"role": "user", "content": "I am Ann"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Who?"},
]


@pytest.mark.parametrize("chat", [CHAT[2:], CHAT], ids=["alone", "after-turns"])
async def test_words_in_the_place_of_the_message_are_the_reason(chat: list[Any]) -> None:
    with gradio_app.running(app(lambda _: "Please load a <b>document</b> first.")) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"Please load a .*document.* first\."):
                await client.chat(chat)


@pytest.mark.parametrize(
    ("show", "adds"),
    [
        pytest.param(str, True, id="the-message"),
        pytest.param(lambda message: f"**You:** {message}", True, id="with-a-name"),
        pytest.param(lambda message: message.replace("?", "&#63;"), True, id="escaped"),
        pytest.param(str, False, id="no-new-row"),
    ],
)
async def test_the_message_itself_is_none(show: Show, *, adds: bool) -> None:
    with gradio_app.running(app(show, adds=adds)) as url:
        async with SpaceClient(url) as client:
            assert (await client.chat(CHAT)).text == ""


def values(*given: Any) -> Callable[[str], Iterator[Any]]:
    """Return a function that yields these, whatever the message."""

    def reply(_message: str) -> Iterator[Any]:
        yield from given

    return reply


@pytest.mark.parametrize("output", [gr.Textbox, gr.Markdown, gr.HTML, gr.Chatbot])
@pytest.mark.parametrize(
    "given",
    [
        pytest.param((), id="nothing"),
        pytest.param((None,), id="null"),
        pytest.param((gr.update(),), id="an-update"),
        pytest.param((gr.update(), gr.update(visible=True)), id="updates"),
    ],
)
async def test_a_function_that_ends_without_a_value_is_an_error(
    output: type[gr.components.Component], given: tuple[Any, ...]
) -> None:
    is_chat = output is gr.Chatbot
    with gradio_app.running(lambda: gr.Interface(values(*given), "text", output())) as url:
        async with SpaceClient(url) as client:
            if is_chat and given == (None,):  # it is sent as an empty chat
                assert (await client.complete("Hi")).text == ""
                return
            with pytest.raises(JobError, match="It gave no reply: its function ended without"):
                await client.complete("Hi")


async def test_a_chat_function_that_yields_nothing_is_an_error() -> None:
    def reply(_message: str, _history: list[Any]) -> Iterator[str]:
        yield from ()

    with gradio_app.running(lambda: gr.ChatInterface(reply)) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match="It gave no reply: its function ended without"):
                await client.complete("Hi")


@pytest.mark.parametrize("given", [("",), ("", None), (gr.update(value=""),)])
async def test_an_empty_text_is_a_reply(given: tuple[Any, ...]) -> None:
    with gradio_app.running(lambda: gr.Interface(values(*given), "text", "text")) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == ""


def choosing() -> gr.Blocks:
    """A page that replies only once its visitor has chosen somebody to talk to."""

    def reply(persona: str | None, message: str, history: list[Any]) -> Iterator[list[Any]]:
        told = f"{persona}: {message}" if persona else ""
        yield [*history, *([{"role": "assistant", "content": told}] if told else [])]

    with gr.Blocks(analytics_enabled=False) as blocks:
        who = gr.Dropdown(["Joe", "Ann"], label="Choose a persona", value=None)
        box, chat = gr.Textbox(label="Message"), gr.Chatbot()
        box.submit(reply, [who, box, chat], chat)
    return blocks


async def test_a_choice_that_nobody_made_is_named() -> None:
    with gradio_app.running(choosing) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"inputs=\{'Choose a persona': 'Joe'\}"):
                await client.complete("Hi")
            chosen = await client.complete("Hi", inputs={"Choose a persona": "Ann"})

    assert chosen.text == "Ann: Hi"


async def test_a_choice_that_an_app_fails_without_is_named() -> None:
    def reply(message: str, kind: str | None) -> str:
        return f"{kind.strip()}: {message}"  # type: ignore[union-attr]  # None if none is chosen

    def build() -> gr.Blocks:
        boxes = gr.Textbox(label="Message"), gr.Radio(["Path", "Plan"], label="Kind")
        return gr.Interface(reply, [*boxes], "text", analytics_enabled=False)

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"Perhaps nothing is chosen .*\{'Kind': 'Path'\}"):
                await client.complete("Hi")
            chosen = await client.complete("Hi", inputs={"Kind": "Path"})

    assert chosen.text == "Path: Hi"


@pytest.mark.parametrize("ends", ["fails", "shows-no-row", "gives-nothing"])
async def test_a_text_that_an_app_gives_no_reply_without_is_named(ends: str) -> None:
    def reply(message: str, notes: str, key: str, turns: list[Any]) -> Iterator[list[Any]]:
        if key:
            yield [{"role": "assistant", "content": f"{key}: {message}{notes}"}]
        elif ends != "gives-nothing":
            yield turns[9] if ends == "fails" else turns

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            turns, chat, box = gr.State([]), gr.Chatbot(), gr.Textbox(label="Message")
            notes, key = gr.Textbox(label="Notes (optional)"), gr.Textbox(label="API key")
            box.submit(reply, [box, notes, key, turns], chat)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"erhaps it needs .*inputs=\{'API key': \.\.\.\}"):
                await client.complete("Hi")
            given = await client.complete("Hi", inputs={"API key": "a"})

    assert given.text == "a: Hi"


async def test_a_text_that_the_page_does_not_draw_is_named_where_the_app_fails_without() -> None:
    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, out = gr.Textbox(label="Question"), gr.Textbox(label="Answer")
            with gr.Accordion("More", open=False):
                style = gr.Textbox(label="Style")
            box.submit(lambda *texts: " ".join(map(str.strip, texts)), [box, style], out)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"Perhaps it needs .*inputs=\{'Style': \.\.\.\}"):
                await client.complete("Hi")
            assert (await client.complete("Hi", inputs={"Style": "you"})).text == "Hi you"


async def test_a_choice_that_a_step_before_the_reply_fails_without_is_named() -> None:
    def check(_message: str, kind: str | None) -> None:
        kind.strip()  # type: ignore[union-attr]  # None if none is chosen, which fails

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            kind = gr.Radio(["Path", "Plan"], label="Kind")
            box, out = gr.Textbox(label="Message"), gr.Textbox(label="Reply")
            checked = box.submit(check, [box, kind])
            checked.success(lambda message: f"{message}!", box, out)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"Perhaps nothing is chosen .*\{'Kind': 'Path'\}"):
                await client.complete("Hi")
            assert (await client.complete("Hi", inputs={"Kind": "Path"})).text == "Hi!"


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param(lambda: gr.Radio([("None", 0), ("Short", 1)], value=0), id="of-zero"),
        pytest.param(lambda: gr.CheckboxGroup(["Web"], value=[]), id="of-nothing-among-several"),
        pytest.param(lambda: gr.Dropdown([("None", None), ("A", "a")], value=None), id="of-none"),
    ],
)
async def test_an_empty_reply_beside_a_choice_that_is_made_is_empty(
    choice: Callable[[], gr.components.Component],
) -> None:
    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            style, box, chat = choice(), gr.Textbox(label="Message"), gr.Chatbot()
            box.submit(lambda _message, history, _style: history, [box, chat, style], chat)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == ""


def polling() -> gr.Blocks:
    """A page whose function only starts the work, of which a timer shows how far it is."""

    def start(message: str, history: list[Any]) -> tuple[str, list[Any]]:
        turn = {"role": "user", "content": message}
        return "", [*history, turn, {"role": "assistant", "content": ""}]

    with gr.Blocks(analytics_enabled=False) as blocks:
        box, chat, timer = gr.Textbox(label="Message"), gr.Chatbot(), gr.Timer(1)
        box.submit(start, [box, chat], [box, chat])
        timer.tick(lambda history: history, chat, chat)
    return blocks


async def test_a_reply_that_a_timer_fills_in_is_an_error() -> None:
    with gradio_app.running(polling) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"no reply: its page fills the reply in by a timer"):
                await client.complete("Hi")


async def test_a_file_that_an_app_fails_without_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF-1.4")

    def answer(document: str | None, question: str) -> str:
        if question == "Fail":
            raise gr.Error("No model.")
        return document[-4:]  # type: ignore[index]  # None without one, which fails

    def build() -> gr.Blocks:
        upload = gr.File(label="Upload a PDF", type="filepath")
        boxes = gr.Textbox(label="Question"), gr.Textbox(label="Answer")
        return gr.Interface(answer, [upload, boxes[0]], boxes[1], analytics_enabled=False)

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match="it needs a file in 'Upload a PDF'") as missing:
                await client.complete("Hi")
            with pytest.raises(JobError) as other:
                await client.complete("Fail")
            done = await client.complete("Hi", files=[file])

    assert str(pickle.loads(pickle.dumps(missing.value))) == str(missing.value)
    assert str(other.value) == "The app failed: No model."
    assert done.text == ".pdf"


async def test_a_recording_in_place_of_the_prompt_is_no_file_that_an_app_misses() -> None:
    def hear(recording: str | None, chat: list[Any]) -> tuple[list[Any], str]:
        return chat, recording or ""

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, chat = gr.Textbox(label="Message"), gr.Chatbot()
            voice = gr.Audio(sources=["microphone"], type="filepath", label="Voice")
            voice.change(hear, [voice, chat], [chat, box])
            box.submit(lambda _message, chat: chat[9], [box, chat], chat)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert "Voice" in {each.name for each in (await client.endpoint()).media_inputs}
            with pytest.raises(JobError) as failed:
                await client.complete("Hi")

    assert "Voice" not in str(failed.value)


async def test_a_file_beside_the_prompt_whose_step_empties_the_box_may_be_missed() -> None:
    def add(message: str, _file: str | None, chat: list[Any]) -> tuple[str, list[Any]]:
        return "", [*chat, {"role": "user", "content": message}]

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, chat, file = gr.Textbox(label="Message"), gr.Chatbot(), gr.File(label="PDF")
            box.submit(add, [box, file, chat], [box, chat]).then(lambda chat: chat[9], chat, chat)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match="it needs a file in 'PDF'"):
                await client.complete("Hi")


@pytest.mark.parametrize("adds", [True, False])
async def test_a_chat_without_a_reply_tells_which_file_may_be_missing(*, adds: bool) -> None:
    def reply(message: str, picture: str | None, history: list[Any]) -> list[Any]:
        asked = {"role": "user", "content": message}
        return [*history, asked] if adds else history

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as blocks:
            box, picture, chat = gr.Textbox(label="Message"), gr.Image(label="Scene"), gr.Chatbot()
            box.submit(reply, [box, picture, chat], chat)
        return blocks

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            for chat in CHAT[2:], CHAT:
                with pytest.raises(JobError, match=r"no reply.* a file in 'Scene'"):
                    await client.chat(chat)
