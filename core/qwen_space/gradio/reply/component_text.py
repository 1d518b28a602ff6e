"""A component that stands in a chat in place of a message: its text, or its name.

Gradio's server takes any component as a message, as `ComponentMessage` in
`gradio/components/chatbot.py`:

    {"component": "textarea", "value": "hi", "props": {"name": "textbox", "label": "L", ...}, ...}

Its page draws pictures, sounds, films, galleries, 3D models, files, tables, plots and HTML there,
and nothing for the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from qwen_space.chat.media import media_kind
from qwen_space.chat.media_types import guess_type
from qwen_space.events import ReplyComponent

__all__ = ["component_text", "to_named_file", "to_named_object", "to_reply_component"]

_MOST_ROWS = 1_000
_LONGEST_LABEL = 1_000  # characters
_OBJECT = re.compile(r"<gradio[\w.]{0,200}\.(\w{1,100}) object at 0x[0-9a-fA-F]{1,32}>")
_FIGURE = re.compile(r"Figure\(\d{1,6}x\d{1,6}\)")  # of matplotlib
_PATH = re.compile(r"(?:[/\\]|[A-Z]:)[^\n]{1,4096}|[^\s<>:]{1,255}")
_NO_TEXTS = frozenset({"button", "state", "browserstate", "timer"})


def component_text(kind: str, value: Any) -> str | None:
    """Return the text that a component shows; None for one that shows none, such as a plot.

    A `gr.Dataframe` is a table in Markdown, a `gr.JSON` its JSON, a `gr.Label` its label with the
    confidences.

    Args:
        kind: The component's type.
        value: Its value.
    """
    if kind in _NO_TEXTS or value is None:
        return None
    if isinstance(value, str):
        return value
    make = _TEXTS.get(kind)
    return None if make is None else make(value)


def to_reply_component(content: Mapping[str, Any]) -> ReplyComponent:
    """Return the name of a component: its type, and its label, title or caption."""
    props, value = content.get("props"), content.get("value")
    kind = _kind(content)
    props = props if isinstance(props, dict) else {}
    labels = (props.get("label"), props.get("title"), value if kind == "button" else None)
    label = next((each for each in labels if isinstance(each, str) and each), None)
    return ReplyComponent(kind, label and label[:_LONGEST_LABEL], value)


def to_named_object(text: str) -> ReplyComponent | None:
    """Return the name of a component that `/chat` of a `gr.ChatInterface` gave in Python's words.

    `<gradio.components.Video object at 0x7f1c>` and `Figure(640x480)` are all that it sends; the
    page's own function sends the component.
    """
    if text.startswith("Figure(") and _FIGURE.fullmatch(text):
        return ReplyComponent("plot")
    found = _OBJECT.fullmatch(text) if text.startswith("<gradio") else None
    return None if found is None else ReplyComponent(found[1].lower())


def to_named_file(value: str) -> ReplyComponent | None:
    """Return the name of a picture, sound or film that is all that `/chat` gave, as its path.

    Gradio takes a component for an update there, and sends what it was made with: of `gr.Image`,
    the path of a file that the server does not hand out.
    """
    kind = media_kind(guess_type(value)) if _PATH.fullmatch(value) else "file"
    return None if kind == "file" else ReplyComponent(kind, None, value)


def _kind(content: Mapping[str, Any]) -> str:
    """Return the type of a component: that of `gr.Textbox` for a `gr.TextArea`."""
    props = content.get("props")
    name = props.get("name") if isinstance(props, dict) else None
    kind = name if isinstance(name, str) and name else content.get("component")
    return str(kind)[:_LONGEST_LABEL]


def _number(value: Any) -> str | None:
    return str(value) if isinstance(value, (int, float)) else None


def _json(value: Any) -> str:
    """Return a value in the form of `json.dumps`, which takes six times as long for many fields."""
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    except OverflowError:  # an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False)


def _choices(value: Any) -> str | None:
    """Return the choices of a group of check boxes, or of a menu that takes several."""
    return ", ".join(map(str, value)) or None if isinstance(value, list) else None


def _paths(value: Any) -> str | None:
    """Return the paths of a file explorer, each of which is a list of names."""
    paths = value if isinstance(value, list) else []
    return "\n".join("/".join(map(str, each)) for each in paths if isinstance(each, list)) or None


def _label(value: Any) -> str | None:
    """Return a label and, as the page, a line with the confidence of each one."""
    if not isinstance(value, dict) or not (label := value.get("label")):
        return None
    each_one = value.get("confidences")
    lines = [
        f"- {each.get('label')}: {each['confidence']:.0%}"
        for each in (each_one if isinstance(each_one, list) else ())
        if isinstance(each, dict) and isinstance(each.get("confidence"), (int, float))
    ]
    return "\n".join([str(label), *(["", *lines] if lines else [])])


def _highlighted(value: Any) -> str | None:
    """Return a text with the label of each part in brackets behind it, where it has a label."""
    parts = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    marks = ((each.get("token"), each.get("class_or_confidence")) for each in parts)
    texts = (f"{text} [{mark}]" if isinstance(mark, str) else f"{text}" for text, mark in marks)
    return "".join(texts) or None


def _lines(value: Any) -> str | None:
    """Return the lines of a dialogue."""
    lines = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return "\n".join(f"{each.get('speaker')}: {each.get('text')}" for each in lines) or None


def _annotations(value: Any) -> str | None:
    """Return the labels of the parts of a picture, which the page lists below it."""
    found = value.get("annotations") if isinstance(value, dict) else None
    parts = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return ", ".join(str(each.get("label")) for each in parts) or None


def _message(value: Any) -> str | None:
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) and text else None


def _table(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    headers, rows = value.get("headers"), value.get("data")
    if not isinstance(headers, list) or not isinstance(rows, list):
        return None
    shown = [each for each in rows[:_MOST_ROWS] if isinstance(each, list)]
    more = [f"({len(rows) - _MOST_ROWS} more rows)"] if len(rows) > _MOST_ROWS else []
    return "\n".join([_row(headers), _row(["---"] * len(headers)), *map(_row, shown), *more])


def _row(cells: list[Any]) -> str:
    texts = (" ".join(("" if each is None else str(each)).split()) for each in cells)
    return f"| {' | '.join(each.replace('|', '&#124;') for each in texts)} |"


# How a component's value that is no string becomes its text.
_TEXTS: Mapping[str, Callable[[Any], str | None]] = {
    "annotatedimage": _annotations,
    "checkboxgroup": _choices,
    "dataframe": _table,
    "dialogue": _lines,
    "dropdown": _choices,
    "fileexplorer": _paths,
    "highlightedtext": _highlighted,
    "json": _json,
    "label": _label,
    "multimodaltextbox": _message,
    "number": _number,
    "paramviewer": _json,
    "slider": _number,
}
