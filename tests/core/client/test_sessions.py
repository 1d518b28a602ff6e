"""Apps that keep something for each session, which their page makes as it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gradio as gr
import pytest

from qwen_space import JobError, Space, SpaceClient
from tests import gradio_app


@dataclass
class Backend:
    """Makes a memory for each session that opens its page, and counts the questions."""

    asked: int = 0
    memories: dict[str | None, list[str]] = field(default_factory=dict)

    def open(self, request: gr.Request) -> None:
        self.memories[request.session_hash] = []

    def greet(self, request: gr.Request) -> list[dict[str, str]]:
        self.open(request)
        return [{"role": "assistant", "content": "Hello"}]

    def reply(self, message: str, request: gr.Request) -> Iterator[list[dict[str, str]]]:
        self.asked += 1
        if message == "Refuse":
            raise gr.Error("No model.")
        turn = {"role": "user", "content": message}
        if message == "Break":
            yield [turn, {"role": "assistant", "content": "So"}]
        memory = self.memories[request.session_hash]
        memory.append(message)
        yield [turn, {"role": "assistant", "content": f"{message}: {len(memory)}"}]

    def take(self, message: str, request: gr.Request) -> str:
        return f"{message}{len(self.memories[request.session_hash])}"


def page(backend: Backend, *, greets: bool = False, steps: bool = False) -> Callable[[], gr.Blocks]:
    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box, chat, asked = gr.Textbox(label="Message"), gr.Chatbot(), gr.State("")
            app.load(backend.greet if greets else backend.open, None, chat if greets else None)
            if steps:
                box.submit(backend.take, box, asked).then(backend.reply, asked, chat)
            else:
                box.submit(backend.reply, box, chat)
        return app

    return build


ADVICE = "Perhaps its page has to be loaded in each session"


@pytest.mark.parametrize("steps", [False, True], ids=["one-step", "first-of-two-steps"])
async def test_an_app_that_misses_its_session_says_so_and_has_each_opened_from_then_on(
    steps: bool,
) -> None:
    backend = Backend()

    with gradio_app.running(page(backend, greets=True, steps=steps)) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=ADVICE):
                await client.complete("Hi")
            replies = [(await client.complete("Hi")).text for _ in range(2)]

    assert replies == (["Hi0: 1"] if steps else ["Hi: 1"]) * 2
    assert backend.asked == (2 if steps else 3)  # no prompt is sent twice


async def test_a_session_that_the_first_call_opens_is_opened_by_the_third() -> None:
    backend = Backend()

    with gradio_app.running(page(backend)) as url:
        async with SpaceClient(url) as client:
            first = await client.complete("Hi")
            with pytest.raises(JobError, match=ADVICE):
                await client.complete("Hi")
            third = await client.complete("Hi")

    assert (first.text, third.text) == ("Hi: 1", "Hi: 1")


@pytest.mark.parametrize("prompt", ["Refuse", "Break"])
async def test_an_app_that_gives_a_reason_or_a_text_has_its_session(prompt: str) -> None:
    backend = Backend()

    with gradio_app.running(page(backend)) as url:
        async with SpaceClient(url) as client:
            await client.complete("Hi")
            for _ in range(2):
                with pytest.raises(JobError) as caught:
                    await client.complete(prompt)

    assert caught.value.advice == ""
    assert len(backend.memories) == 1


async def test_an_app_that_replied_without_its_page_misses_no_session_when_it_fails() -> None:
    loaded = []

    def reply(message: str) -> str:
        if message == "Break":
            raise MemoryError
        return f"You said {message}"

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box, choices, answer = gr.Textbox(), gr.Dropdown(), gr.Textbox(label="Answer")
            app.load(lambda: loaded.append(1), None, choices)
            box.submit(reply, box, answer)
        return app

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            await client.complete("Hi")
            with pytest.raises(JobError) as caught:
                await client.complete("Break")
            last = await client.complete("Hi")

    assert (caught.value.advice, last.text, loaded) == ("", "You said Hi", [])


async def test_an_app_that_fails_in_an_opened_session_too_is_not_said_to_miss_one_again() -> None:
    def reply(message: str) -> str:
        raise KeyError(message)

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box, choices, answer = gr.Textbox(), gr.Dropdown(), gr.Textbox(label="Answer")
            app.load(lambda: None, None, choices)
            box.submit(reply, box, answer)
        return app

    errors = []
    with gradio_app.running(build) as url:
        space = Space(url)
        for _ in range(4):
            with pytest.raises(JobError) as caught:
                await space.acomplete("Hi")
            errors.append(str(caught.value))

    assert [ADVICE.removeprefix("Perhaps ") in each for each in errors] == [True, *[False] * 3]
