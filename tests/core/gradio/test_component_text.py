"""Components in a chat, as text."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.component_text import component_text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        pytest.param("code", "x = 1", "x = 1", id="text"),
        pytest.param("json", [1, None], "[1, null]", id="json"),
        pytest.param("json", None, None, id="no-json"),
        pytest.param("label", {"label": "cat", "confidences": None}, "cat", id="label"),
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


def test_a_long_table_says_how_many_rows_are_left_out() -> None:
    table = component_text("dataframe", {"headers": ["n"], "data": [[n] for n in range(1_002)]})

    assert table is not None
    assert table.endswith("| 999 |\n(2 more rows)")
