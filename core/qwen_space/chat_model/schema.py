"""Schemas of the objects that a model is asked for, and the check whether a value fits one."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from qwen_space.tools.values import with_schema_types

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["OutputSchema"]

_MOST_ERRORS = 5  # are told to a model at once


class OutputSchema:
    """A schema of an object: a JSON schema for the model, and a check for its replies.

    Args:
        schema: A class of pydantic's, of version 1 too, any other type that pydantic can check,
            such as a `TypedDict`, or a JSON schema. None is any object.

    Attributes:
        json_schema: The JSON schema.
        is_class: Whether `load` gives objects of a class, which are valid only as a whole.

    Raises:
        ValueError: The JSON schema is none.
    """

    def __init__(self, schema: Any = None) -> None:
        self._schema = schema
        is_model = hasattr(schema, "model_validate") or _is_of_version_1(schema)
        self.is_class = is_model or is_dataclass(schema)
        self.json_schema, self._load = _compile(schema)

    def __reduce__(self) -> tuple[type[OutputSchema], tuple[Any]]:
        return type(self), (self._schema,)

    @property
    def type(self) -> Any:
        """The type of the objects."""
        return self._schema if self.is_class else dict[str, Any]

    def require_object(self) -> None:
        """Refuse a schema of something else than an object.

        Raises:
            ValueError: It is such a schema; the sentence has the remedy.
        """
        if isinstance(self._schema, type) and issubclass(self._schema, enum.Enum):
            raise _no_object(f"The enumeration {self._schema.__name__}")
        kind = self.json_schema.get("type")
        if kind != "object" and "properties" not in self.json_schema:
            raise _no_object(f"A schema of type {kind!r}" if kind else "A schema of no type")

    def load(self, value: Any) -> Any:
        """Return the object of a JSON value: an instance of the class, or a dict.

        One that does not fit is read once more as `qwen_space.tools.values` says.

        Raises:
            ValueError: The value does not fit the schema.
        """
        try:
            return self._load(value)
        except ValueError:
            typed = with_schema_types(value, self.json_schema)
            if typed is value:
                raise
        return self._load(typed)

    def fits(self, value: Any) -> bool:
        """Whether a JSON value fits the schema."""
        try:
            self.load(value)
        except ValueError:
            return False
        return True

    def load_partial(self, value: Any) -> Any:
        """Return the part to show of an object that is still being written.

        Raises:
            ValueError: There is nothing to show yet.
        """
        return self._load(value) if self.is_class else value


def _no_object(subject: str) -> ValueError:
    return ValueError(f"{subject} cannot be asked for: give an object that has it as a property.")


def _is_of_version_1(schema: Any) -> bool:
    """Whether a class is of pydantic's version 1."""
    return hasattr(schema, "parse_obj") and not hasattr(schema, "model_validate")


def _compile(schema: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    if schema is None:
        return {"type": "object"}, _load_object
    if isinstance(schema, Mapping):
        return dict(schema), _validator(schema)
    if _is_of_version_1(schema):
        return schema.schema(), schema.parse_obj
    from pydantic import TypeAdapter

    from qwen_space.chat_model.typed_dicts import annotate

    adapter = TypeAdapter(annotate(schema))
    return _describe(adapter), _loader(adapter, list(getattr(schema, "model_fields", ())))


def _loader(adapter: TypeAdapter[Any], fields: list[str]) -> Callable[[Any], Any]:
    def load(value: Any) -> Any:
        # As JSON, where a date is a string and a tuple a list, however strict a class is.
        found = adapter.validate_json(json.dumps(value))
        if fields and isinstance(value, dict) and value and not found.model_fields_set:
            # The schema for an object, where all fields have defaults.
            raise ValueError(f"It has none of the fields: {', '.join(fields)}")
        return found

    return load


def _describe(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """Return a type's JSON schema without the titles of its fields, which are their names."""
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    described = adapter.json_schema(schema_generator=Untitled)
    if "$ref" not in described:
        return described
    name = described.pop("$ref").rpartition("/")[2]  # of a type that holds itself
    return {**described["$defs"][name], **described}


def _load_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"It is no object: {value!r:.200}")
    return value


def _validator(schema: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return a check against a JSON schema, which fetches nothing that the schema refers to."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
    except SchemaError as exc:
        raise ValueError(f"It is no JSON schema: {exc.message}") from None
    validator = kind(dict(schema), registry=Registry())

    def load(value: Any) -> Any:
        errors = sorted(validator.iter_errors(value), key=lambda error: error.path)
        if errors:
            raise ValueError("; ".join(map(_format_error, errors[:_MOST_ERRORS])))
        return value

    return load


def _format_error(error: Any) -> str:
    place = ".".join(map(str, error.absolute_path))
    return f"{place}: {error.message:.300}" if place else f"{error.message:.300}"
