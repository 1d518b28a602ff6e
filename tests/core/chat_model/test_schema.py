from __future__ import annotations

import datetime as dt
import enum
import json
import pickle
import socket
import typing
from dataclasses import dataclass
from typing import Any

import pydantic.v1
import pytest
from pydantic import BaseModel, ConfigDict, Field
from referencing.exceptions import Unresolvable
from typing_extensions import NotRequired, TypedDict

from qwen_space.chat_model.schema import OutputSchema


class Person(BaseModel):
    """A person."""

    name: str = Field(description="What they are called.")
    age: int = Field(ge=0)


class OldPerson(pydantic.v1.BaseModel):
    name: str
    age: int


@dataclass
class Point:
    x: int


class Address(TypedDict):
    street: str


class Resident(TypedDict):
    """A resident."""

    name: str
    nick: str | None
    address: Address


ADA = {"name": "Ada", "age": 36}
RESIDENT = {"name": "Ada", "nick": None, "address": {"street": "Dean Street"}}
RESIDENT_SCHEMA = OutputSchema(Resident).json_schema


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        pytest.param(Person, ADA, Person(name="Ada", age=36), id="pydantic"),
        pytest.param(OldPerson, ADA, OldPerson(name="Ada", age=36), id="pydantic-1"),
        pytest.param(Resident, RESIDENT, RESIDENT, id="typed-dict"),
        pytest.param(Point, {"x": 1}, Point(1), id="dataclass"),
        pytest.param(Person.model_json_schema(), ADA, ADA, id="json-schema"),
        pytest.param(None, {"a": 1}, {"a": 1}, id="any-object"),
    ],
)
def test_a_value_that_fits_is_the_object(schema: Any, value: Any, expected: Any) -> None:
    made = OutputSchema(schema)

    assert made.load(value) == expected
    assert made.fits(value)
    assert made.type == (dict[str, Any] if isinstance(expected, dict) else type(expected))
    made.require_object()


@pytest.mark.parametrize("schema", [Person, Person.model_json_schema()], ids=["class", "dict"])
def test_a_value_is_read_by_its_type_where_it_does_not_fit(schema: Any) -> None:
    parts = {"type": "object", "properties": {"who": OutputSchema(schema).json_schema}}
    whole = OutputSchema({**parts, "required": ["who"], "additionalProperties": False})

    assert OutputSchema(schema).load({"name": "Ada", "age": "36"}) == OutputSchema(schema).load(ADA)
    assert whole.load({"who": json.dumps(ADA)}) == {"who": ADA}
    assert not whole.fits({"who": None})


@pytest.mark.parametrize(
    ("schema", "value", "places"),
    [
        pytest.param(Person, {"name": "Ada", "age": -1}, ["age"], id="pydantic"),
        pytest.param(OldPerson, {"name": "Ada"}, ["age"], id="pydantic-1"),
        pytest.param(
            Resident,
            {"name": 5, "nick": None, "address": {}},
            ["name", "street"],
            id="typed-dict",
        ),
        pytest.param(
            RESIDENT_SCHEMA,
            {"name": 5, "nick": None, "address": {}},
            ["name: 5 is not of type 'string'", "address: 'street'"],
            id="json-schema",
        ),
        pytest.param(None, [1], ["It is no object"], id="no-object"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_names_the_places(
    schema: Any, value: Any, places: list[str]
) -> None:
    made = OutputSchema(schema)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - by its places
        made.load(value)

    assert not made.fits(value)
    assert all(place in str(caught.value) for place in places)


def test_a_nested_typed_dict_is_shown_clean() -> None:
    assert RESIDENT_SCHEMA == {
        "title": "Resident",
        "description": "A resident.",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "address": {"$ref": "#/$defs/Address"},
        },
        "required": ["name", "nick", "address"],
        "$defs": {
            "Address": {
                "title": "Address",
                "type": "object",
                "properties": {"street": {"type": "string"}},
                "required": ["street"],
            }
        },
    }


class Tree(BaseModel):
    left: Tree | None = None


def test_a_class_that_holds_itself_is_an_object() -> None:
    schema = OutputSchema(Tree)

    schema.require_object()
    assert schema.json_schema["type"] == "object"


def test_a_class_is_read_as_json_however_strict_it_is() -> None:
    class Release(BaseModel):
        model_config = ConfigDict(strict=True)
        day: dt.date
        tracks: tuple[str, ...]

    found = OutputSchema(Release).load({"day": "1965-08-06", "tracks": ["Help!"]})

    assert found == Release(day=dt.date(1965, 8, 6), tracks=("Help!",))


class Wish(BaseModel):
    song: str | None = None
    loud: bool = False


def test_an_object_without_any_field_of_the_class_is_not_that_object() -> None:
    schema = OutputSchema(Wish)

    for value in ({"title": "Help!"}, Wish.model_json_schema()):
        with pytest.raises(ValueError, match="It has none of the fields: song, loud"):
            schema.load(value)
    assert schema.load({}) == Wish()
    assert schema.load({"loud": True, "x": 1}) == Wish(loud=True)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param(list[int], "type 'array'", id="list"),
        pytest.param(int | str, "of no type", id="union"),
        pytest.param(Person | Resident, "of no type", id="union-of-classes"),
        pytest.param(enum.Enum("Colour", "red blue"), "The enumeration Colour", id="enumeration"),
        pytest.param({"type": "string"}, "type 'string'", id="json-schema"),
    ],
)
def test_another_schema_than_an_object_s_is_refused_with_the_remedy(schema: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"{said}.* give an object that has it as a property"):
        OutputSchema(schema).require_object()


def test_a_json_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="It is no JSON schema"):
        OutputSchema({"type": "grammar"})


def test_nothing_is_fetched_that_a_schema_refers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        pytest.fail("the schema was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    schema = OutputSchema({"properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}})

    with pytest.raises(Unresolvable, match=r"127\.0\.0\.1"):
        schema.load({"a": 1})


def test_only_a_class_is_shown_once_it_is_valid() -> None:
    for schema, missing in ((Person, "age"), (Point, "x")):
        with pytest.raises(ValueError, match=missing):
            OutputSchema(schema).load_partial({"name": "A"})

    assert OutputSchema(Resident).load_partial({"name": "A"}) == {"name": "A"}


@pytest.mark.parametrize("schema", [Person, Resident, Person.model_json_schema(), None])
def test_a_schema_can_be_pickled(schema: Any) -> None:
    again = pickle.loads(pickle.dumps(OutputSchema(schema)))

    assert again.json_schema == OutputSchema(schema).json_schema


# TypedDicts


def test_a_typed_dict_of_the_standard_library_does_as_well() -> None:
    class Street(typing.TypedDict):
        houses: list[Address]
        number: NotRequired[int]

    schema = OutputSchema(Street)

    assert schema.load({"houses": [{"street": "x"}]}) == {"houses": [{"street": "x"}]}
    assert schema.json_schema["required"] == ["houses"]
    assert "description" not in schema.json_schema
