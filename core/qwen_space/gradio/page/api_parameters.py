"""The parameters of functions without a page, as `gr.api` and `gr.Server` have them.

Gradio makes a component of the kind "api" of each, with the JSON schema of its type, the ordinal
number as its label, and the parameter's default as its value. A page in JavaScript calls them.

Source: `api` in `gradio/events.py`, `gradio/components/api_component.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "API",
    "api_output_kind",
    "is_of_pairs",
    "may_hold_messages",
    "may_hold_turns",
    "read_parameter",
]

API = "api"
"""The kind of those whose type is that of no component of a chat's page."""

_KINDS: Mapping[Any, tuple[str, Any]] = {
    "string": ("textbox", ""),
    "number": ("number", 0),
    "integer": ("number", 0),
    "boolean": ("checkbox", False),
    "array": (API, []),
}
_FILE = "gradio.FileData"


def read_parameter(props: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the kind of component that takes such a parameter, and the value without a caller's.

    Args:
        props: The arguments of the component that Gradio has made of it.
    """
    schema, is_optional = _schema(props)
    if _is_file(schema):
        return "file", props.get("value")
    kind, empty = _KINDS.get(schema.get("type"), (API, None))
    value = props.get("value")
    return kind, empty if value is None and not is_optional else value


def api_output_kind(props: Mapping[str, Any]) -> str:
    """Return the kind of component that shows such a value: a text, a file, or any other."""
    schema, _ = _schema(props)
    if _is_file(schema):
        return "file"
    # A generator's type is not told: it may give a text as well as an object.
    return {"string": "textbox", "object": "json", None: "json"}.get(schema.get("type"), API)


def is_of_pairs(props: Mapping[str, Any]) -> bool:
    """Whether a list of turns has pairs of texts, and no messages."""
    return _items(props).get("type") == "array"


def may_hold_turns(props: Mapping[str, Any]) -> bool:
    """Whether a list can be one of turns, and not of texts, such as file names."""
    schema, _ = _schema(props)
    return schema.get("type") == "array" and _items(props).get("type") in {"array", "object", None}


def may_hold_messages(props: Mapping[str, Any]) -> bool:
    """Whether a list can be one of messages, the last of which is the prompt."""
    return may_hold_turns(props) and not is_of_pairs(props)


def _items(props: Mapping[str, Any]) -> Mapping[str, Any]:
    items = _schema(props)[0].get("items")
    return items if isinstance(items, dict) else {}


def _schema(props: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return the JSON schema of a type, and whether None is one of its values, too."""
    schema = props.get("_api_info")
    schema = schema if isinstance(schema, dict) else {}
    parts = schema.get("oneOf", schema.get("anyOf"))
    if not isinstance(parts, list):
        return schema, False
    others = [each for each in parts if isinstance(each, dict) and each.get("type") != "null"]
    return (others[0] if len(others) == 1 else {}), len(others) < len(parts)


def _is_file(schema: Mapping[str, Any]) -> bool:
    own: Any = schema
    for key in ("properties", "meta", "properties", "_type", "const"):
        own = own.get(key) if isinstance(own, dict) else None
    return bool(own == _FILE)
