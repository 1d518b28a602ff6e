"""Apps that keep something for each session, which their page makes as it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gradio as gr
import pytest

from qwen_space import JobError, SpaceClient
from tests import gradio_app


@dataclass
class Backend:
    """Makes a memory for each session that opens its page, and counts the questions."""

    asked: int = 0
    fails: bool = False
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
        if self.fails:
            raise KeyError(message)
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


@pytest.mark.parametrize("greets", [False, True], ids=["in-silence", "with-a-greeting"])
async def test_a_session_that_was_not_opened_is_opened_and_asked_once_more(greets: bool) -> None:
    backend = Backend()

    with gradio_app.running(page(backend, greets=greets)) as url:
        async with SpaceClient(url) as client:
            replies = [(await client.complete("Hi")).text for _ in range(3)]

    assert replies == ["Hi: 1"] * 3
    assert backend.asked == 4  # one of them twice: from then on each session is opened first


async def test_so_is_one_whose_first_step_fails() -> None:
    backend = Backend()

    with gradio_app.running(page(backend, steps=True)) as url:
        async with SpaceClient(url) as client:
            replies = [(await client.complete("Hi")).text for _ in range(3)]

    assert replies == ["Hi0: 1"] * 3
    assert backend.asked == 3


async def test_an_app_that_fails_in_an_opened_session_too_is_asked_once_from_then_on() -> None:
    backend = Backend(fails=True)

    with gradio_app.running(page(backend)) as url:
        async with SpaceClient(url) as client:
            for _ in range(3):
                with pytest.raises(JobError):
                    await client.complete("Hi")

    assert (backend.asked, len(backend.memories)) == (4, 2)


@pytest.mark.parametrize("prompt", ["Refuse", "Break"])
async def test_an_app_that_gives_a_reason_or_a_text_is_not_asked_once_more(prompt: str) -> None:
    backend = Backend()

    with gradio_app.running(page(backend)) as url:
        async with SpaceClient(url) as client:
            await client.complete("Hi")
            for _ in range(2):
                with pytest.raises(JobError):
                    await client.complete(prompt)

    assert backend.asked == 3
