"""Components in a chat, as text."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space import ReplyComponent
from qwen_space.gradio.reply.component_text import component_text, to_reply_component


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        pytest.param("code", "x = 1", "x = 1", id="text"),
        pytest.param("json", [1, None], "[1, null]", id="json"),
        pytest.param("json", None, None, id="no-json"),
        pytest.param("label", {"label": "cat", "confidences": None}, "cat", id="label"),
        pytest.param(
            "label",
            {
                "label": "cat",
                "confidences": [
                    {"label": "cat", "confidence": 0.904},
                    {"label": "dog", "confidence": 0.096},
                ],
            },
            "cat\n\n- cat: 90%\n- dog: 10%",
            id="label-with-confidences",
        ),
        pytest.param("label", {}, None, id="no-label"),
        pytest.param("number", 42, "42", id="number"),
        pytest.param("slider", 0.5, "0.5", id="slider"),
        pytest.param("checkboxgroup", ["a", "b"], "a, b", id="choices"),
        pytest.param("dropdown", [], None, id="no-choice"),
        pytest.param(
            "highlightedtext",
            [
                {"token": "Bob", "class_or_confidence": "PER"},
                {"token": " ran", "class_or_confidence": None},
            ],
            "Bob [PER] ran",
            id="highlighted-text",
        ),
        pytest.param(
            "annotatedimage",
            {"image": {}, "annotations": [{"image": {}, "label": "cat"}, {"label": "dog"}]},
            "cat, dog",
            id="annotations",
        ),
        pytest.param("fileexplorer", [["a", "b.txt"], ["c"]], "a/b.txt\nc", id="paths"),
        pytest.param("dialogue", [{"speaker": "A", "text": "Hi."}], "A: Hi.", id="dialogue"),
        pytest.param("multimodaltextbox", {"text": "hi", "files": []}, "hi", id="multimodal"),
        pytest.param("button", "Run", None, id="button"),
        pytest.param("state", "hidden", None, id="state"),
        pytest.param(
            "dataframe",
            {"headers": ["a"], "data": [["x\ny"], "no row", [2.5]], "metadata": None},
            "| a |\n| --- |\n| x y |\n| 2.5 |",
            id="table",
        ),
        pytest.param("dataframe", {"headers": "a", "data": []}, None, id="no-table"),
        pytest.param("plot", {"type": "matplotlib", "plot": "data:..."}, None, id="plot"),
        pytest.param("checkbox", True, None, id="checkbox"),
    ],
)
def test_a_component_s_text_is_the_one_that_it_shows(kind: str, value: Any, text: Any) -> None:
    assert component_text(kind, value) == text


@pytest.mark.parametrize("value", [5, [5], {"a": 5}, {"label": 5, "confidences": 5}, [[5]], True])
def test_a_value_of_another_shape_is_no_error(value: Any) -> None:
    kinds = "annotatedimage checkboxgroup dataframe dialogue fileexplorer highlightedtext label"

    for kind in [*kinds.split(), "multimodaltextbox", "number", "json", "unheard-of"]:
        assert isinstance(component_text(kind, value), (str, type(None)))


@pytest.mark.parametrize(
    ("content", "component"),
    [
        pytest.param(
            {"component": "lineplot", "value": 5, "props": {"label": None, "title": "T"}},
            ReplyComponent("lineplot", "T", 5),
            id="title",
        ),
        pytest.param(
            {"component": "clearbutton", "value": "Clear", "props": {"name": "button"}},
            ReplyComponent("button", "Clear", "Clear"),
            id="words-on-a-button",
        ),
        pytest.param({"component": "plot", "props": 5}, ReplyComponent("plot"), id="nothing"),
    ],
)
def test_a_component_has_a_kind_and_a_label(content: Any, component: ReplyComponent) -> None:
    assert to_reply_component(content) == component


def test_a_component_s_summary_has_no_long_value() -> None:
    assert ReplyComponent("plot", "Sales", {"plot": "{}"}).summary == {
        "kind": "plot",
        "label": "Sales",
    }
    assert ReplyComponent("checkbox", None, False).summary == {"kind": "checkbox", "value": False}


def test_a_long_table_says_how_many_rows_are_left_out() -> None:
    table = component_text("dataframe", {"headers": ["n"], "data": [[n] for n in range(1_002)]})

    assert table is not None
    assert table.endswith("| 999 |\n(2 more rows)")
