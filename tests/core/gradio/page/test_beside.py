"""Components that a function fills beside its chat."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space import ReplyComponent
from qwen_space.gradio.page.app import AppComponent
from qwen_space.gradio.page.beside import Beside, find_beside, read_beside

FILE = {"path": "/tmp/a.png", "url": None, "meta": {"_type": "gradio.FileData"}}
PLOT = {"type": "plotly", "plot": "{}"}


def update(**props: Any) -> dict[str, Any]:
    return {"__type__": "update", **props}


def test_inputs_chats_and_states_are_not_beside_the_reply() -> None:
    kinds = ["chatbot", "textbox", "state", "button", "chatbot", "plot", "json"]
    chat, box, state, button, other, plot, hidden = [
        AppComponent(number, kind, {"label": kind}) for number, kind in enumerate(kinds)
    ]
    outputs = [box, chat, state, button, other, plot, hidden]

    assert find_beside(outputs, [box, chat], 1, {6}) == (
        Beside(5, "plot", "plot"),
        Beside(6, "json", "json", is_hidden=True),
    )
    assert find_beside(outputs, [box], None, ()) == ()


@pytest.mark.parametrize(
    ("beside", "value", "files", "components"),
    [
        pytest.param(
            Beside(0, "plot", "Sales"), PLOT, [], [ReplyComponent("plot", "Sales", PLOT)], id="plot"
        ),
        pytest.param(
            Beside(0, "image", "Cat"), FILE, [{**FILE, "caption": "Cat"}], [], id="picture"
        ),
        pytest.param(
            Beside(0, "code"),
            update(value="x = 1"),
            [],
            [ReplyComponent("code", None, "x = 1")],
            id="update",
        ),
        pytest.param(Beside(0, "code"), update(), [], [], id="update-without-a-value"),
        pytest.param(Beside(0, "markdown", first="Ready"), "Ready", [], [], id="as-at-first"),
        pytest.param(Beside(0, "gallery"), [], [], [], id="empty"),
        pytest.param(Beside(0, "json", is_hidden=True), {"a": 1}, [], [], id="hidden"),
        pytest.param(
            Beside(0, "json", is_hidden=True),
            update(value=5, visible=True),
            [],
            [ReplyComponent("json", None, 5)],
            id="shown-now",
        ),
        pytest.param(
            Beside(0, "plot"), "Figure(640x480)", [], [ReplyComponent("plot")], id="lost-figure"
        ),
        pytest.param(
            Beside(0, "image"),
            "<PIL.Image.Image image mode=RGB size=1x1 at 0x7F1C>",
            [],
            [ReplyComponent("image")],
            id="lost-picture",
        ),
        pytest.param(Beside(5, "plot"), PLOT, [], [], id="no-such-output"),
    ],
)
def test_a_value_beside_the_reply_is_a_file_or_a_component(
    beside: Beside, value: Any, files: list[Any], components: list[ReplyComponent]
) -> None:
    assert read_beside([beside], [value]) == (files, components)
