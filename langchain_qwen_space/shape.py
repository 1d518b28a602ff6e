"""What an object has to be, and what there is of it while it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json import parse_json_markdown, parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass, is_pydantic_v1_subclass

from langchain_qwen_space.readable import readable

__all__ = ["Partial", "Shape"]

_MISSING = object()


class Shape:
    """What an object has to be.

    Args:
        schema: A pydantic class of either version, a TypedDict, or a JSON schema. Objects of
            classes are checked in full; of others it is checked that they are objects, and have
            the keys that are required. None is any object.

    Attributes:
        schema: The schema, so that langchain-core can read it.
        json_schema: The schema as a JSON schema.

    Raises:
        ValueError: It is the schema of something else than an object.
    """

    def __init__(self, schema: Mapping[str, Any] | type | None) -> None:
        self.schema: Any = readable({} if schema is None else schema)
        self._class: Any = None
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            self._class = schema
            self._load = (
                schema.parse_obj  # type: ignore[attr-defined]
                if is_pydantic_v1_subclass(schema)
                else schema.model_validate  # type: ignore[attr-defined]
            )
        self.json_schema: dict[str, Any] = convert_to_json_schema(self.schema)

    @property
    def type(self) -> Any:
        """The class of the objects."""
        return dict[str, Any] if self._class is None else self._class

    def load(self, value: Any) -> Any:
        """Return the object of a JSON value.

        Raises:
            ValueError: It is none.
        """
        if self._class is not None:
            return self._load(value)
        if not isinstance(value, dict):
            raise ValueError(f"It is no object: {value!r:.200}")
        if missing := [key for key in self.json_schema.get("required", ()) if key not in value]:
            raise ValueError(f"It lacks {', '.join(map(repr, missing))}, which is required.")
        return value

    def fits(self, value: Any) -> bool:
        """Whether a JSON value is such an object."""
        try:
            self.load(value)
        except ValueError:
            return False
        return True

    def partial(self, value: Any) -> Any:
        """Return what there is to show of an object that is still being written."""
        if self._class is None:
            return value
        try:
            return self._load(value)
        except ValueError:
            return _MISSING


class Partial:
    """An object while it is written."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._text = ""
        self._arguments = ""
        self._last: Any = _MISSING
        self._shown: Any = _MISSING

    def news(self, chunk: AIMessageChunk) -> Iterator[Any]:
        """Yield the object if a chunk has changed it."""
        self._text += chunk.text
        self._arguments += "".join(each["args"] or "" for each in chunk.tool_call_chunks)
        value = self._value()
        if value is _MISSING or value == self._last:
            return
        self._last = value
        if (shown := self._shape.partial(value)) is not _MISSING:
            self._shown = shown
            yield shown

    def has_shown(self, value: Any) -> bool:
        """Whether a value is the object as it was yielded last."""
        return self._shown is not _MISSING and bool(self._shown == value)

    def _value(self) -> Any:
        try:
            if self._arguments:
                return parse_partial_json(self._arguments)
            value = parse_json_markdown(self._text) if "{" in self._text else _MISSING
        except ValueError:
            return _MISSING
        return _MISSING if value is None else value
