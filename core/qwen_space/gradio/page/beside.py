"""The components beside a chat that its function fills, such as a plot or the sources.

`gr.ChatInterface(additional_outputs=[...])` has such, and any page with more outputs than its chat.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

import msgspec

from qwen_space.events import ReplyComponent
from qwen_space.gradio.page.app import CHATS, AppComponent
from qwen_space.gradio.wire.files import captioned, find_files

__all__ = ["Beside", "find_beside", "read_beside"]

# They show nothing, or show no value.
_NOT_SHOWN = CHATS | {
    *("state", "browserstate", "timer", "navbar", "dataset", "unknown"),
    *("button", "uploadbutton", "duplicatebutton"),
    *("row", "column", "accordion", "tab", "tabitem", "tabs", "group", "sidebar", "walkthrough"),
}
_PLOTS = frozenset({"plot", "lineplot", "barplot", "scatterplot", "nativeplot"})
_OBJECT = re.compile(r"<[\w.]{1,200} .{0,200}at 0x[0-9a-fA-F]{1,32}>")


class Beside(msgspec.Struct, frozen=True):
    """An output of a function that it fills beside its reply.

    Attributes:
        position: Its position among the outputs.
        kind: Its type.
        label: Its label, or None.
        first: The value that the page has at first.
        is_hidden: Whether the page does not show it at first.
    """

    position: int
    kind: str
    label: str | None = None
    first: Any = None
    is_hidden: bool = False


def find_beside(
    outputs: Sequence[AppComponent],
    inputs: Iterable[AppComponent],
    reply: int | None,
    hidden: Container[Any],
) -> tuple[Beside, ...]:
    """Return the outputs that a function fills beside its reply.

    Args:
        outputs: The outputs of the function.
        inputs: The inputs of all steps: a box among them is the visitor's.
        reply: The position of the reply; None where there is none.
        hidden: The numbers of the components that the page does not show at first.
    """
    taken = {each.id for each in inputs}
    return tuple(
        Beside(position, each.kind, each.label, each.value, each.id in hidden)
        for position, each in enumerate(outputs)
        if reply not in (None, position) and each.id not in taken and each.kind not in _NOT_SHOWN
    )


def read_beside(
    beside: Iterable[Beside], data: Sequence[Any]
) -> tuple[list[Any], list[ReplyComponent]]:
    """Return the `FileData` of the files in the components beside a reply, and the other ones.

    A component that is empty, as it was at first, or still hidden is passed over.

    Args:
        beside: The components.
        data: The values of all outputs.
    """
    files: list[Any] = []
    components: list[ReplyComponent] = []
    for each in beside:
        value = _shown(data[each.position], each) if each.position < len(data) else None
        if value is None or value in ("", [], {}) or value == each.first:
            continue
        found = find_files({"component": each.kind, "value": value})
        if named := [captioned(file, each.label) for file in found]:
            files += named
        else:
            kept = None if _is_lost(value, each.kind) else value
            components.append(ReplyComponent(each.kind, each.label, kept))
    return files, components


def _shown(given: Any, beside: Beside) -> Any:
    """Return the value that a component gets; None where an update gives none, or it is hidden."""
    is_update = isinstance(given, dict) and given.get("__type__") == "update"
    is_visible = given.get("visible") is True if is_update else False
    if beside.is_hidden and not is_visible:
        return None
    return given.get("value") if is_update else given


def _is_lost(value: Any, kind: str) -> bool:
    """Whether `/chat` of a `gr.ChatInterface` gave Python's own words for an object."""
    return isinstance(value, str) and (kind in _PLOTS or _OBJECT.fullmatch(value) is not None)
