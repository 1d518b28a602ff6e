"""Pages with several `gr.ChatInterface`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import EndpointError, SpaceClient
from tests import gradio_app

Build = Callable[[], Any]


def answering(name: str) -> Callable[[str, list[Any]], Iterator[str]]:
    def answer(message: str, history: list[Any]) -> Iterator[str]:
        yield f"{name}: {message}"

    return answer


def interface(name: str, **options: Any) -> gr.ChatInterface:
    return gr.ChatInterface(answering(name), analytics_enabled=False, **options)


def side_by_side() -> None:
    with gr.Row():
        for name in ("one", "two"):
            with gr.Column():
                interface(name)


def with_one_box() -> None:
    box = gr.Textbox()
    interface("one", textbox=box, api_name="ask_one")
    interface("two", textbox=box, api_name="ask_two")


def one_closed() -> None:
    with gr.Accordion("Another", open=False):
        interface("two", api_name="ask_two")
    interface("one", api_name="ask_one")


def two_kinds() -> None:
    interface("one", api_name="ask_one")
    interface("two", api_name="ask_two")


def page(build: Callable[[], None]) -> Build:
    def make() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            build()
        return app

    return make


@pytest.mark.parametrize("build", [side_by_side, with_one_box, one_closed])
async def test_one_of_several_is_asked_where_the_page_tells_which(
    build: Callable[[], None],
) -> None:
    with gradio_app.running(page(build)) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "one: Hi"


async def test_two_with_functions_of_other_names_are_both_told() -> None:
    with gradio_app.running(page(two_kinds)) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(EndpointError, match=r"/ask_one .*/ask_two .* Name one"):
                await client.complete("Hi")
        async with SpaceClient(url, endpoint="ask_two") as client:
            assert (await client.complete("Hi")).text == "two: Hi"
