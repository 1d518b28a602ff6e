"""JSON in place of an answer in words: asked for, found in the reply, and cut out of a stream."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

from qwen_space.chat.structured import find_json, instruction
from qwen_space.chat_model.schema import OutputSchema
from qwen_space.tools.values import with_schema_types

__all__ = ["JSONCutter", "ResponseFormat"]

_JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


class ResponseFormat:
    """A format of replies, as OpenAI's `response_format` names it.

    Args:
        schema: The schema of the reply, as `OutputSchema` takes it; None for any object.

    Attributes:
        instruction: The sentence that asks for it.
        has_schema: Whether the JSON has to fit a schema.

    Raises:
        ValueError: The JSON schema is none.
    """

    def __init__(self, schema: Any = None) -> None:
        self.has_schema = bool(schema)
        self._schema = OutputSchema(schema or None)
        self.instruction = instruction(self._schema.json_schema if schema else None)

    @classmethod
    def from_argument(cls, given: Any) -> ResponseFormat | None:
        """Return the format that a call's `response_format` names; None where any text will do.

        Args:
            given: `{"type": "text"}`, `{"type": "json_object"}`, or `{"type": "json_schema",
                "json_schema": {"schema": {...}}}`; or the schema itself, as `OutputSchema` takes
                it; or None.

        Raises:
            ValueError: The type is unknown, or the schema is none.
        """
        if given is None:
            return None
        if not isinstance(given, Mapping) or _is_json_schema(given):
            return cls(given)
        match given["type"]:
            case "text":
                return None
            case "json_object":
                return cls()
            case "json_schema" if isinstance(given.get("json_schema"), Mapping):
                named = given["json_schema"]
                return cls(named.get("schema", named))
        raise ValueError(
            f"response_format={given!r:.200} is unknown: its type is 'text', 'json_object' or "
            "'json_schema', the last one with a 'json_schema'."
        )

    def read(self, reply: str, *, check: bool = True) -> str:
        """Return the JSON in a reply, as `json.loads` takes it.

        Args:
            reply: The reply.
            check: Whether JSON that does not fit the schema is an error.

        Raises:
            ValueError: There is none, or it does not fit the schema.
        """
        found = find_json(reply, self._schema.fits)
        value = found.value
        if check:
            value = with_schema_types(value, self._schema.json_schema)
            self._schema.load(value)
        if value is found.value:
            with contextlib.suppress(ValueError):  # line breaks within its strings
                json.loads(found.text)
                return found.text
        return json.dumps(value, ensure_ascii=False)


def _is_json_schema(given: Mapping[str, Any]) -> bool:
    kind = given.get("type", "object")
    return isinstance(kind, list) or kind in _JSON_TYPES


class JSONCutter:
    """Lets the JSON of a reply through while it is written, without the words around it.

    JSON begins where a line does. A reply with other JSON there is put right
    when it is complete.
    """

    def __init__(self) -> None:
        self._line = ""  # of the words before it, the last line
        self._depth = 0
        self._in_string = False
        self._is_escaped = False  # the next character
        self._is_over = False

    def feed(self, delta: str) -> str:
        """Take the next piece of the reply; return its part of the JSON."""
        if self._is_over:
            return ""
        if self._depth:
            return self._within(delta)
        text = self._line + delta
        opening = _OPENING.search(text)
        if opening is None:
            self._line = text[text.rfind("\n") + 1 :]
            return ""
        return self._within(text[opening.end() - 1 :])

    def _within(self, text: str) -> str:
        for mark in _MARK.finditer(text, 1 if self._is_escaped else 0):
            self._step(mark[0])
            if not self._depth:
                self._is_over = True
                return text[: mark.end()]
        self._is_escaped = self._in_string and _ends_escaping(text, escaped=self._is_escaped)
        return text

    def _step(self, mark: str) -> None:
        if mark == '"':
            self._in_string = not self._in_string
        elif not self._in_string and mark in "{[":
            self._depth += 1
        elif not self._in_string and mark in "}]":
            self._depth -= 1


def _ends_escaping(text: str, *, escaped: bool) -> bool:
    """Whether the character after a text is escaped."""
    count = len(text) - len(text.rstrip("\\"))
    return (count - (escaped and count == len(text))) % 2 == 1


_OPENING = re.compile(r"^[ \t]*[{\[]", re.MULTILINE)
_MARK = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
