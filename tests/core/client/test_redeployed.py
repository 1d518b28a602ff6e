"""An app that is deployed anew at its address, with another function under the old number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import pytest

from qwen_space import SpaceClient
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.client import lookup
from qwen_space.config import SpaceConfig
from tests import gradio_app
from tests.scripted_server import CONFIG, ScriptedServer, status


def deploy(name: str, misled: list[str], *, answers_first: bool) -> Callable[[], gr.Blocks]:
    """Return an app whose two functions stand in one order or in the other."""

    def answer(message: str) -> Iterator[str]:
        yield f"{name}: {message}"

    def shout(message: str, _chat: Any) -> str:
        misled.append(message)
        return message

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            box, out, other = gr.Textbox(), gr.Chatbot(), gr.Number()
            functions: list[Callable[[], Any]] = [
                lambda: box.submit(
                    lambda message: [{"role": "assistant", "content": next(answer(message))}],
                    box,
                    out,
                ),
                lambda: other.change(shout, [box, other], other),
            ]
            for add in functions if answers_first else reversed(functions):
                add()
        return app

    return build


@pytest.fixture
def misled() -> list[str]:
    """The prompts that the wrong function got."""
    return []


async def test_a_client_that_lives_on_looks_the_function_up_anew(misled: list[str]) -> None:
    with gradio_app.running(deploy("old", misled, answers_first=True)) as url:
        client = SpaceClient(url)
        first = await client.complete("Hi")
    port = urlsplit(url).port or 0

    with gradio_app.running(deploy("new", misled, answers_first=False), port=port):
        second = await client.complete("Hi")
        await client.close()

    assert (first.text, second.text) == ("old: Hi", "new: Hi")
    assert misled == []


def test_a_blocking_space_looks_the_function_up_anew_in_each_loop(misled: list[str]) -> None:
    chat = [Turn("user", "Hi")]
    with gradio_app.running(deploy("old", misled, answers_first=True)) as url:
        space = Space.from_config(SpaceConfig(space=url))
        first = space.chat(chat)
    port = urlsplit(url).port or 0

    with gradio_app.running(deploy("new", misled, answers_first=False), port=port):
        second = space.chat(chat)

    assert (first.text, second.text) == ("old: Hi", "new: Hi")
    assert misled == []


async def test_the_app_id_is_asked_for_only_after_all_connections_closed(
    space: Any,
) -> None:
    async with SpaceClient(space.url) as client:
        for _ in range(3):
            await client.complete("Hi")
        asked = [path for path in space.paths if path.endswith("/app_id")]
        await client.close()
        await client.complete("Hi")

    assert asked == []
    assert [path for path in space.paths if path.endswith("/app_id")] == ["/gradio_api/app_id"]


async def test_a_failed_request_for_the_app_id_is_not_repeated_by_each_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    monkeypatch.setattr(lookup, "time", SimpleNamespace(monotonic=lambda: clock))
    config = status(200, {**CONFIG, "app_id": 1})
    async with ScriptedServer(config=config) as server, SpaceClient(server.url) as client:
        await client.complete("Hi")
        clock += 3600
        for _ in range(3):
            await client.complete("Hi")

    assert [each.path for each in server.exchanges].count("/app_id") == 1
