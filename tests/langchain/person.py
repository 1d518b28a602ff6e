"""A person in each kind of schema, and in a model's reply."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tests.replies import tool_call

__all__ = ["ADA", "JSON_SCHEMA", "METHODS", "Person", "PersonDict", "written"]

METHODS = ["json_schema", "function_calling", "json_mode"]


class Person(BaseModel):
    """A person."""

    name: str = Field(description="What they are called.")
    age: int = Field(ge=0)


class PersonDict(TypedDict):
    """A person."""

    name: str
    age: int


ADA = {"name": "Ada", "age": 36}
JSON_SCHEMA = Person.model_json_schema()


def written(value: Any, method: str, name: str = "Person") -> str:
    """Return an object of the name's schema as a model writes it for a method."""
    if method == "function_calling":
        return tool_call(name, **value)
    return f"Here:\n```json\n{json.dumps(value)}\n```"
