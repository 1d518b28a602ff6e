"""Values by the types of a schema."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.tools.values import with_schema_types

SCHEMA = {
    "properties": {
        "text": {"type": "string"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "count": {"type": "integer"},
        "flag": {"type": "boolean"},
        "days": {"anyOf": [{"type": "array"}, {"type": "null"}]},
        "place": {"$ref": "#/$defs/Place"},
        "other": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
        "mixed": {"anyOf": [{"$ref": "#/$defs/Word"}, {"type": "object"}]},
        "round": {"$ref": "#/$defs/Round"},
        "away": {"$ref": "https://example.test/schema"},
        "far": {"anyOf": [{"type": "object"}, {"$ref": "https://example.test/schema"}]},
        "any": {},
        "some": {"type": "array", "anyOf": [{"minItems": 1}, {"maxItems": 0}]},
        "time": {"anyOf": [{"type": "string", "format": "time"}, {"type": "null"}]},
        "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
        "group": {"anyOf": [{"$ref": "#/$defs/Group"}, {"type": "null"}]},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "either": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/Person"}] * 2}},
    },
    "required": ["place"],
    "$defs": {
        "Place": {"type": "object"},
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        },
        "Group": {"properties": {"leader": {"$ref": "#/$defs/Person"}}, "type": "object"},
        "Word": {"type": "string", "enum": ["a"]},
        "Round": {"anyOf": [{"$ref": "#/$defs/Round"}]},
    },
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"place": '{"city": "Oslo"}'}, {"place": {"city": "Oslo"}}),
        ({"other": '{"city": "Oslo"}'}, {"other": {"city": "Oslo"}}),
        ({"days": "[1, 2]"}, {"days": [1, 2]}),
        ({"days": "null"}, {"days": None}),
        ({"some": "[1]"}, {"some": [1]}),
        ({"count": " 3 ", "text": "3"}, {"count": 3, "text": "3"}),
        ({"flag": "True"}, {"flag": True}),
        ({"count": None, "text": None}, {}),
        ({"people": ['{"name": "Ada", "age": "36"}']}, {"people": [{"name": "Ada", "age": 36}]}),
        ({"people": [{"name": "7", "age": None}]}, {"people": [{"name": "7"}]}),
        ({"group": '{"leader": "{\\"age\\": \\"36\\"}"}'}, {"group": {"leader": {"age": 36}}}),
        ({"counts": {"a": "3", "b": 4}}, {"counts": {"a": 3, "b": 4}}),
    ],
)
def test_a_value_is_converted_to_the_type_of_its_schema(value: Any, expected: Any) -> None:
    assert with_schema_types(value, SCHEMA) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"text": "[1]", "maybe": '{"a": 1}', "mixed": "{}"},
        {"days": None, "maybe": None, "other": None},
        {"place": None},  # it is required, and so its null stays
        {"count": "three", "flag": "yes", "days": "1, 2", "place": "Oslo"},
        {"count": "3.5", "place": "[1]"},
        {"any": "[1]", "unknown": "[1]", "round": "[1]", "away": "[1]"},
        {"far": "{}"},
        {"any": None, "unknown": None, "round": None, "away": None},
        {"text": 5, "maybe": True},
        {"time": 60, "mixed": 1, "any": 1},
        {"people": [{"name": "Ada", "age": 36}, "Bob"], "group": {"leader": {"age": 3}}},
        {"either": [{"age": "36"}], "counts": {"a": None}},
        [1],
        "text",
    ],
)
def test_any_other_value_stays_as_it_is(value: Any) -> None:
    assert with_schema_types(value, SCHEMA) is value


def test_a_schema_without_properties_changes_nothing() -> None:
    value = {"a": "1"}

    assert with_schema_types(value, {"type": "object"}) is value


def test_a_list_s_own_values_are_read_too() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}

    assert with_schema_types([1, "2"], schema) == [1, 2]


def test_references_in_a_circle_are_followed_once() -> None:
    again = {"$ref": "#/$defs/Round"}
    # To follow each of them again and again would take hours.
    schema = {"properties": {"a": again}, "$defs": {"Round": {"anyOf": [again] * 100}}}

    assert with_schema_types({"a": "1"}, schema) == {"a": "1"}
