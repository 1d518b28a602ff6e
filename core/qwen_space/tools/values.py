"""Values of a JSON object by its schema: as the schema takes them, where the model did not."""

from __future__ import annotations

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
    """Return an object with its values as a schema takes them; the same one if nothing changes.

    Small models write an object, a list or a number as a string, and null for a value that they
    leave out. Neither has two meanings where the schema takes no string, and no null.

    Args:
        value: The object. Any other value stays as it is.
        schema: The JSON schema of the object.
    """
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, Mapping):
        return value
    required = schema.get("required") or ()
    found = {}
    for key, each in value.items():
        types = allowed_types(properties.get(key), schema)
        if each is None and types and "null" not in types and key not in required:
            continue
        is_text = isinstance(each, str) and types and "string" not in types
        found[key] = to_value(each, types) if is_text else each
    return value if _is_same(found, value) else found


def _is_same(found: dict[str, Any], value: dict[str, Any]) -> bool:
    return len(found) == len(value) and all(found[key] is value[key] for key in found)


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
