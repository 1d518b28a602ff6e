"""Apps that say something beside the chat, and give no reply in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import Event, JobError, Media, Rewritten, SpaceClient, TextDelta
from tests import gradio_app

TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Earlier."},
    {"role": "user", "content": "More?"},
]
FIRST = "Please upload a document first"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def build() -> gr.Blocks:
    """Make an app with an endpoint for each place where it says its words."""

    def warn(_message: str, chat: list[Any]) -> list[Any]:
        gr.Warning(FIRST)
        return chat

    def inform(message: str, chat: list[Any]) -> list[Any]:
        gr.Info(FIRST)
        return [*chat, user(message)]

    def show(message: str, chat: list[Any]) -> tuple[list[Any], str]:
        return [*chat, user(message), bot("")], f"<b>{FIRST}</b>"

    def show_early(message: str, chat: list[Any]) -> Iterator[Any]:
        yield [*chat, user(message)], FIRST
        yield [*chat, user(message)], gr.skip()

    def fail(_message: str, _chat: list[Any]) -> list[Any]:
        gr.Warning(FIRST)
        raise AssertionError

    def say_nothing(message: str, chat: list[Any]) -> tuple[list[Any], str, str]:
        return [*chat, user(message), bot("")], "Ready", "You are Qwen."

    def take_time(message: str, chat: list[Any]) -> Iterator[Any]:
        gr.Info("This takes a while")
        yield chat, "Busy"
        yield [*chat, user(message), bot("An")], "Busy"
        yield [*chat, user(message), bot("An answer.")], "Done"

    with gr.Blocks(analytics_enabled=False) as app:
        box, chat = gr.Textbox(label="Message", placeholder="Ask anything"), gr.Chatbot()
        greeting = gr.Chatbot([bot("Welcome!")])
        status = gr.Textbox("Ready", label="Status")
        system = gr.Textbox(label="System prompt")
        page, notes = gr.HTML(), gr.Markdown()
        for answer, shown in (
            (warn, [chat]),
            (inform, [chat]),
            (show, [chat, page]),
            (show_early, [chat, notes]),
            (fail, [chat]),
            (say_nothing, [chat, status, system]),
            (take_time, [chat, status]),
        ):
            name = answer.__name__
            gr.Button(name).click(answer, [box, chat], shown, api_name=name)
        gr.Button().click(warn, [box, greeting], greeting, api_name="greet")
        first = gr.Button().click(warn, [box, chat], chat, api_name="check")
        first.then(lambda chat: chat, chat, chat, api_name="checked")
        begun = gr.Button().click(inform, [box, chat], chat, api_name="begin")
        begun.then(lambda chat: [*chat, bot("An answer.")], chat, chat, api_name="end")
    return app


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with gradio_app.running(build) as url:
        yield url


async def ask(url: str, endpoint: str, turns: list[Any] = TURNS) -> list[Event]:
    async with (
        SpaceClient(url, endpoint=endpoint) as client,
        client.stream_chat(turns) as events,
    ):
        return [event async for event in events]


@pytest.mark.parametrize("turns", [TURNS[-1:], TURNS], ids=["first-turn", "second-turn"])
@pytest.mark.parametrize(
    "endpoint", ["warn", "inform", "show", "show_early", "greet", "check", "checked"]
)
async def test_the_words_of_an_app_that_does_not_reply_are_the_error(
    space: str, endpoint: str, turns: list[Any]
) -> None:
    with pytest.raises(JobError, match=FIRST) as caught:
        await ask(space, endpoint, turns)

    assert "gave no reply" in str(caught.value)
    assert caught.value.text == ""


async def test_the_words_of_an_app_that_fails_without_a_reason_are_the_error(space: str) -> None:
    with pytest.raises(JobError, match=f"no reason, but said before: {FIRST}") as caught:
        await ask(space, "fail")

    assert not caught.value.may_have_run


async def test_a_reply_may_be_empty(space: str) -> None:
    events = await ask(space, "say_nothing")

    assert events[-1].text == ""


async def test_a_step_may_say_something_before_the_reply(space: str) -> None:
    events = await ask(space, "end")

    assert events[-1].text == "An answer."


async def test_a_chat_that_is_shown_as_it_was_is_no_reply_yet(space: str) -> None:
    events = await ask(space, "take_time")

    assert [each.delta for each in events if isinstance(each, TextDelta)] == ["An", " answer."]
    assert not [each for each in events if isinstance(each, Rewritten)]
    assert events[-1].text == "An answer."


async def test_a_locked_box_says_why_there_is_no_reply() -> None:
    """As the pages of CogVLM2 and MiniGPT-4, which answer once a file is there."""
    first = "Please upload your video first"

    def answer(message: str, video: str | None, chat: list[Any]) -> list[Any]:
        is_answered = video is not None and message != "Again"
        return [*chat, user(message), *([bot("A film.")] if is_answered else [])]

    def locked() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box = gr.Textbox(placeholder=first, interactive=False)
            video, chat = gr.File(label="Video"), gr.Chatbot()
            box.submit(answer, [box, video, chat], chat)
        return app

    film = Media("file", data=b"film", mime_type="text/plain", name="film.txt")
    with gradio_app.running(locked) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=f"It gave no reply: its page locks .*{first}"):
                await client.complete("Hi")
            assert (await client.complete("Hi", files=[film])).text == "A film."
            assert (await client.complete("Again", files=[film])).text == ""
