"""Values of a JSON object by its schema: as the schema takes them, where the model did not."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from qwen_space.chat.json_text import JSONTextError, read_json

__all__ = ["allowed_types", "is_a", "to_value", "with_schema_types"]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}
_CHOICES = ("anyOf", "oneOf", "allOf")
_DEEPEST = 8  # schemas within each other


def with_schema_types(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return an object or a list with its values as a schema takes them, or the same one.

    Small models write an object, a list or a number as a string, and null for a value that they
    leave out. Neither has two meanings where the schema takes no string, and no null. Objects and
    lists within the object are read too.

    Args:
        value: The object, or a list. Any other value stays as it is.
        schema: Its JSON schema.
    """
    if isinstance(value, dict):
        return _read_object(value, schema, schema, _DEEPEST)
    return _read(value, schema, schema, _DEEPEST) if isinstance(value, list) else value


def _read(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    """Return a value within an object as its schema takes it."""
    types = allowed_types(schema, root)
    if isinstance(value, str) and types and "string" not in types:
        value = to_value(value, types)
    if not depth or not isinstance(value, (dict, list)):
        return value
    # Of several schemas for such a value, nothing says which one is meant.
    keys = ("properties", "additionalProperties") if isinstance(value, dict) else ("items",)
    forms = _list_forms(schema, root)
    own = [each for each in forms if any(isinstance(each.get(key), Mapping) for key in keys)]
    if len(own) != 1:
        return value
    if isinstance(value, dict):
        return _read_object(value, own[0], root, depth - 1)
    found = [_read(each, own[0]["items"], root, depth - 1) for each in value]
    return value if all(map(operator.is_, found, value)) else found


def _read_object(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    properties, further = schema.get("properties"), schema.get("additionalProperties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required") or ()
    found = {}
    for key, each in value.items():
        own = properties.get(key, further)
        types = allowed_types(own, root)
        is_left_out = each is None and key in properties and key not in required
        if not is_left_out or not types or "null" in types:
            found[key] = _read(each, own, root, depth)
    is_same = len(found) == len(value) and all(found[key] is value[key] for key in found)
    return value if is_same else found


def _list_forms(schema: Any, root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a schema and its choices, with their references followed."""
    whole = _follow(schema, root)
    choices = [_follow(each, root) for key in _CHOICES for each in whole.get(key) or ()]
    return [whole, *choices]


def _follow(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            break
        if not isinstance(place := schema.get("$ref"), str):
            return schema
        schema = _find(place, root)
    return {}


def to_value(text: str, types: set[str]) -> Any:
    """Return the JSON value of one of the types that a text holds, or else the text."""
    word = text.strip()
    try:
        # Qwen3-Coder writes Python's words too, as its own parser takes them.
        value = read_json({"True": "true", "False": "false", "None": "null"}.get(word, word))
    except JSONTextError:
        return text  # the tool's own check names its fault
    return value if any(is_a(value, each) for each in types) else text


def allowed_types(
    schema: Any,
    root: Mapping[str, Any],
    depth: int = _DEEPEST,
    known: dict[str, set[str]] | None = None,
) -> set[str]:
    """Return the JSON types that a schema allows; none where it does not say.

    Args:
        schema: The schema.
        root: The schema that its references begin at.
        depth: How many schemas within it, and references, are followed.
        known: The types by the references that were followed so far.
    """
    if not isinstance(schema, Mapping) or not depth:
        return set()
    known = {} if known is None else known
    if isinstance(place := schema.get("$ref"), str):
        if place not in known:
            known[place] = set()  # of a circle
            known[place] = allowed_types(_find(place, root), root, depth - 1, known)
        return known[place]
    named = schema.get("type")
    types = {named} if isinstance(named, str) else set(named or ())
    options = [each for key in _CHOICES for each in schema.get(key) or ()]
    allowed = [allowed_types(each, root, depth - 1, known) for each in options]
    # Beside a type, options may be about other things, such as a list's length.
    return types.union(*allowed) & _TYPES.keys() if types or all(allowed) else set()


def _find(place: str, root: Mapping[str, Any]) -> Any:
    """Return the schema that a reference names; None for one of another document."""
    start, *keys = place.split("/")
    found: Any = None if start != "#" else root
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def is_a(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
