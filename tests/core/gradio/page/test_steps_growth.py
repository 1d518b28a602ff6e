"""Each search in a page is linear, and has a limit."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from qwen_space.errors import QwenSpaceError
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.layout import Layout
from tests.growth import assert_linear
from tests.page_config import LOAD, app, step


def branches(count: int) -> Any:
    """A chain in which each step is followed by two of the same, and both of them go on."""
    more = [step("chat", "chat", trigger_after=at // 2) for at in range(count)]
    return app(step("box chat", "chat"), *more)


def idle(count: int) -> Any:
    return app(
        step("box chat", "chat"), *(step("heat", "heat", trigger_after=at) for at in range(count))
    )


def starts(count: int) -> Any:
    return app(*(step("box chat turns", "chat turns") for _ in range(count)))


def setters(count: int) -> Any:
    return app(
        *(step("box chat turns", "chat") for _ in range(count)),
        *(step("other", "turns", targets=[["button", "click"]]) for _ in range(count)),
    )


def loads(count: int) -> Any:
    return app(step("box chat heat", "chat"), *(step("", "heat", **LOAD) for _ in range(count)))


def changes(count: int) -> Any:
    parts = [f"part{at}" for at in range(count)]
    all_parts = " ".join(parts)
    config = app(
        step(f"box chat {all_parts}", "chat"),
        step("", all_parts, **LOAD),
        *(step(all_parts, all_parts, targets=[[part, "change"]]) for part in parts[:20]),
    )
    config["components"] += [{"id": part, "type": "html", "props": {}} for part in parts]
    return config


def choices(count: int) -> Any:
    config = app(step("box chat radio", "chat"))
    radio = {"id": "radio", "type": "radio", "props": {"choices": ["1" * 100 * count]}}
    config["components"].append(radio)
    return config


def labels(count: int) -> Any:
    config = app(step("box chat long", "chat"))
    props = {"label": "max " * 50 * count, "minimum": 0, "maximum": 999}
    config["components"].append({"id": "long", "type": "slider", "props": props})
    return config


def selects(count: int) -> Any:
    return app(
        step("box chat", "chat"),
        *(step("", "heat", targets=[[f"tab{at}", "select"]]) for at in range(count)),
        *(step("", "heat", **LOAD) for _ in range(count)),
    )


def search(config: Any) -> None:
    with contextlib.suppress(QwenSpaceError):
        assert len(find_endpoint(config).before) <= 40


@pytest.mark.parametrize(
    "make", [branches, idle, starts, setters, loads, changes, choices, labels, selects]
)
def test_a_page_four_times_as_long_takes_about_four_times(make: Callable[[int], Any]) -> None:
    assert_linear(make, search, 250, largest=1_000)


def test_a_number_that_two_functions_have_is_the_first_ones() -> None:
    twice = app(step("box chat", "chat"), step("box chat", "chat", id=0, trigger_after=0))

    assert find_endpoint(twice).fn_index == 0


def test_parts_deep_within_the_page_take_memory_once() -> None:
    node: dict[str, Any] = {"id": 0, "children": [{"id": "leaf"} for _ in range(10_000)]}
    for depth in range(1, 400):
        node = {"id": depth, "children": [node]}
    layout = Layout(node, {depth: {"type": "tabitem"} for depth in range(400)}, (5, 0))

    tracemalloc.start()
    try:
        found = layout.tabs_around({"leaf"})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(found) == 400
    assert most < 3 * 2**20  # with a tuple for each leaf it is 32 MB
