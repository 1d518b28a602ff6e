"""Components that a page does not draw as it loads, in each release that differs."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.page.layout import Layout

COMPONENTS: dict[int, dict[str, Any]] = {
    1: {"type": "textbox", "props": {}},
    10: {"type": "column", "props": {"visible": False}},
    11: {"type": "textbox", "props": {}},
    20: {"type": "accordion", "props": {"open": False}},
    21: {"type": "number", "props": {}},
    30: {"type": "tabs", "props": {}},
    31: {"type": "tabitem", "props": {"visible": False}},
    32: {"type": "tabitem", "props": {}},
    33: {"type": "textbox", "props": {}},
    34: {"type": "tabitem", "props": {}},
    35: {"type": "textbox", "props": {}},
    36: {"type": "code", "props": {}},
    40: {"type": "radio", "props": {"visible": "hidden"}},
}
TREE = {
    1: {},
    10: {11: {}},
    20: {21: {}},
    30: {31: {}, 32: {33: {}}, 34: {35: {}, 36: {}}},
    40: {},
}


def tree(nodes: dict[int, Any]) -> list[dict[str, Any]]:
    return [{"id": number, "children": tree(within)} for number, within in nodes.items()]


INPUTS = {1, 11, 21, 33, 35, 36, 40}


@pytest.mark.parametrize(
    ("release", "undrawn"),
    [
        ((4, 0), set()),
        ((5, 35), set()),
        ((5, 36), {11}),
        ((5, 45), {11}),
        ((5, 46), {11, 36}),  # the page shows another textbox
        ((5, 50), {11, 36}),
        ((6, 0), {11}),
        ((6, 1), {11, 21, 35, 36}),
        ((6, 31), {11, 21, 35, 36}),
    ],
)
def test_a_component_that_is_not_in_view_may_not_be_drawn(
    release: tuple[int, int], undrawn: set[int]
) -> None:
    layout = Layout({"children": tree(TREE)}, COMPONENTS, release)

    assert layout.undrawn & INPUTS == undrawn
    assert layout.in_closed_parts & INPUTS == {21, 35, 36}  # the first visible tab is open
    assert layout.hidden & INPUTS == {11, 40}


def test_a_tab_may_draw_all_that_is_in_it() -> None:
    eager = {**COMPONENTS, 34: {"type": "tabitem", "props": {"render_children": True}}}

    assert Layout({"children": tree(TREE)}, eager, (5, 50)).undrawn & INPUTS == {11}


def test_the_tabs_around_a_part_are_named_and_no_menu_that_has_a_select_event_too() -> None:
    components = {**COMPONENTS, 50: {"type": "antdxsuggestion"}, 51: {"type": "textbox"}}
    nested = tree({30: {32: {50: {51: {}}}, 34: {35: {}}}})

    assert Layout({"children": nested}, components, (6, 31)).tabs_around({51}) == [30, 32]
