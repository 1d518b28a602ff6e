"""Read a tool call in each form in which Qwen's models write one.

Between `<tool_call>` tags these are:

- `{"name": ..., "arguments": {...}}`, which Qwen's chat template asks for, or a list of them;
- the same with the arguments as a string that holds a JSON object, as in OpenAI's protocol;
- the same in a Markdown fence;
- for a tool that is bound: `parameters` in place of `arguments`, and, where the tool requires no
  argument, arguments that are null, an empty string or missing;
- `<function=name><parameter=x>value</parameter></function>`, Qwen3-Coder's form, whose values have
  the types of the tool's schema.

The values of a bound tool's arguments are read by its schema, see `qwen_space.tools.values`.
Nothing else is mended.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

from qwen_space.chat.json_text import AmbiguousObject, read_json
from qwen_space.tools.calls import parsed_object
from qwen_space.tools.values import allowed_types, is_a, to_value

__all__ = ["FUNCTION", "Arguments", "Schemas", "fits", "read_call", "read_calls"]

FUNCTION = "<function="

Arguments = dict[str, Any]
Schemas = Mapping[str, Mapping[str, Any]]
"""The JSON schema of each bound tool's parameters, by the tool's name."""

_FENCE = re.compile(r"```(?:json)?\s")
_BOUNDS = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}


def read_calls(text: str, schemas: Schemas) -> list[tuple[str, Arguments]]:
    """Return the names and the arguments of the calls that a `<tool_call>` block holds.

    A list of calls counts as a whole, or not at all.

    Raises:
        ValueError: There is no call; the message says why.
    """
    text = _without_fence(text)
    if text.lstrip().startswith(FUNCTION):
        return [_read_function(text.strip(), schemas)]
    value = read_json(text)
    if not isinstance(value, list):
        return [read_call(value, schemas)]
    if not value:
        raise ValueError("it is a list of no calls")
    return [_read_item(number, each, schemas) for number, each in enumerate(value, 1)]


def _without_fence(text: str) -> str:
    bare = text.strip()
    fence = _FENCE.match(bare)
    if fence is None or not bare.endswith("```") or len(bare) < fence.end() + 3:
        return text
    return bare[fence.end() : -3]


def _read_item(number: int, value: Any, schemas: Schemas) -> tuple[str, Arguments]:
    try:
        return read_call(value, schemas)
    except ValueError as exc:
        raise ValueError(f"call {number} of its list: {exc}") from None


def read_call(value: Any, schemas: Schemas) -> tuple[str, Arguments]:
    """Return the name and the arguments of a call that was read as JSON.

    Raises:
        ValueError: It is no call; the message says why.
    """
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    if isinstance(value, AmbiguousObject):
        raise ValueError(f"it has more than one {value.key!r}")
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("it has no name")
    schema = schemas.get(name)
    keys = ("arguments",) if schema is None else ("arguments", "parameters")
    key = next((key for key in keys if key in value), None)
    arguments = None if key is None else value[key]
    is_empty = arguments is None or (isinstance(arguments, str) and not arguments.strip())
    if is_empty and schema is not None and not schema.get("required"):
        arguments = {}
    elif key is None:
        raise ValueError("it has no arguments")
    if isinstance(arguments, str):
        arguments = parsed_object(arguments)
    if not isinstance(arguments, dict):
        raise ValueError("its arguments are no JSON object")
    return name, arguments


def _read_function(text: str, schemas: Schemas) -> tuple[str, Arguments]:
    name, at = _attribute(text, len(FUNCTION))
    if not name:
        raise ValueError("it has no name")
    schema = schemas.get(name) or {}
    properties = schema.get("properties") or {}
    arguments: Arguments = {}
    while not text.startswith("</function>", at := _skip_blanks(text, at)):
        if not text.startswith("<parameter=", at):
            raise ValueError("it has neither <parameter=...> nor </function> where one has to come")
        key, start = _attribute(text, at + len("<parameter="))
        end = text.find("</parameter>", start)
        if end < 0:
            raise ValueError(f"its parameter {key:.50} is not closed")
        if key in arguments:
            raise ValueError(f"it has more than one {key!r}")
        value = text[start:end].removeprefix("\n").removesuffix("\n")
        arguments[key] = _typed(value, properties.get(key), schema)
        at = end + len("</parameter>")
    if text[at + len("</function>") :].strip():
        raise ValueError("it has text after </function>")
    return name, arguments


def _attribute(text: str, start: int) -> tuple[str, int]:
    """Return the text up to the next `>`, and the place behind that."""
    end = text.find(">", start)
    if end < 0:
        raise ValueError("it is cut off")
    return text[start:end].strip(), end + 1


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _typed(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return a parameter's value by its schema: text where that allows text, or nothing else."""
    types = allowed_types(schema, root)
    word = text.strip()
    if not types and isinstance(schema, Mapping) and word.startswith("{"):
        types = {"object"}  # the schema says nothing of it
    if not types or ("string" in types and not ("null" in types and word == "null")):
        return text
    return to_value(text, types)


def fits(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether an object has all the arguments that a tool requires, no others, and their values.

    Checked are types, choices, bounds and nested values; other keywords of JSON schema are not.
    """
    return value.keys() <= (schema.get("properties") or {}).keys() and _agrees(
        value, schema, schema
    )


def _agrees(value: Any, schema: Any, root: Mapping[str, Any]) -> bool:
    if not isinstance(schema, Mapping):
        return True
    types = allowed_types(schema, root)
    if types and not any(is_a(value, each) for each in types):
        return False
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and not any(_agrees(value, each, root) for each in options):
        return False
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    return (choices is None or value in choices) and _is_within(value, schema, root)


def _is_within(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    match value:
        case dict():
            properties = schema.get("properties") or {}
            has_all = set(schema.get("required") or ()) <= value.keys()
            return has_all and all(
                _agrees(each, properties.get(key), root) for key, each in value.items()
            )
        case list():
            return all(_agrees(each, schema.get("items"), root) for each in value)
        case int() | float():
            return all(
                is_right(value, schema[key]) for key, is_right in _BOUNDS.items() if key in schema
            )
    return True
