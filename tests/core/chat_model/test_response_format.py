from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from qwen_space.chat_model.response_format import JSONCutter, ResponseFormat
from tests.pieces import cut


class Person(BaseModel):
    name: str


class PersonDict(TypedDict):
    name: str


SCHEMA = Person.model_json_schema()
NAMED = {"name": "P", "schema": SCHEMA}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"type": "json_schema", "json_schema": NAMED}, id="openai"),
        pytest.param({"type": "json_schema", "json_schema": SCHEMA}, id="schema-itself"),
        pytest.param(SCHEMA, id="bare-schema"),
        pytest.param(Person, id="class"),
        pytest.param(PersonDict, id="typed-dict"),
        pytest.param({"type": ["object", "null"], "properties": {"name": {}}}, id="two-types"),
    ],
)
def test_a_schema_is_taken_in_each_form(given: Any) -> None:
    found = ResponseFormat.from_argument(given)

    assert found is not None
    assert found.has_schema
    assert '"properties":{"name":' in found.instruction


def test_any_object_has_no_schema() -> None:
    found = ResponseFormat.from_argument({"type": "json_object"})

    assert found is not None
    assert not found.has_schema
    assert found.instruction == "Answer with a JSON object only, without any other text."


@pytest.mark.parametrize("given", [None, {"type": "text"}])
def test_any_text_is_no_format(given: Any) -> None:
    assert ResponseFormat.from_argument(given) is None


@pytest.mark.parametrize("given", [{"type": "grammar"}, {"type": "json_schema"}])
def test_an_unknown_type_is_refused_with_those_that_are_known(given: Any) -> None:
    with pytest.raises(ValueError, match="its type is 'text', 'json_object' or 'json_schema'"):
        ResponseFormat.from_argument(given)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('```json\n{"name": "Ada"}\n```', '{"name": "Ada"}'),
        ('{"name": "a\nb"}', '{"name": "a\\nb"}'),
        ('{"x": 1} or {"name": "Ada"}, say', '{"name": "Ada"}'),
    ],
)
def test_a_reply_is_read_as_json_loads_takes_it(reply: str, text: str) -> None:
    assert ResponseFormat(SCHEMA).read(reply) == text


def test_a_value_is_written_as_the_schema_takes_it() -> None:
    wanted = ResponseFormat({"type": "object", "properties": {"days": {"type": "array"}}})

    assert wanted.read('{"days": "[1, 2]"}') == '{"days": [1, 2]}'


def test_json_that_does_not_fit_is_an_error_unless_the_caller_checks_it() -> None:
    wanted = ResponseFormat(SCHEMA)

    with pytest.raises(ValueError, match="name"):
        wanted.read('{"name": 5}')
    assert wanted.read('{"name": 5}', check=False) == '{"name": 5}'


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('Here:\n```json\n{"a": "}\\"{"}\n```\nSo.', '{"a": "}\\"{"}'),
        ('[1, {"a": []}] and {"b": 1}', '[1, {"a": []}]'),
        ('of {this}, none:\n {"a": "\\\\"}', '{"a": "\\\\"}'),
        ('{"a": "cut', '{"a": "cut'),
        ("none", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_stream_is_cut_to_its_json(reply: str, text: str, size: int) -> None:
    cutter = JSONCutter()

    pieces = [cutter.feed(piece) for piece in cut(reply, size)]

    assert "".join(pieces).strip() == text.strip()
