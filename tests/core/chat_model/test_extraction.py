from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from qwen_space.chat_model.extraction import (
    MISSING,
    Extraction,
    PartialJSON,
    PartialObject,
    describe_error,
    read_partial_json,
)
from qwen_space.chat_model.schema import OutputSchema


class Person(BaseModel):
    name: str
    age: int


ADA = {"name": "Ada", "age": 36}
SCHEMA = OutputSchema(Person)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(json.dumps(ADA), id="bare"),
        pytest.param(f"Sure!\n{json.dumps(ADA)}\nAnything else?", id="in-words"),
        pytest.param(f"```\n{json.dumps(ADA, indent=1)}\n```", id="fenced"),
        pytest.param(json.dumps({"name": "Ada", "arguments": ADA}), id="as-a-call-of-another-name"),
        pytest.param(f'For {{"x": 1}} it is {json.dumps(ADA)}', id="behind-another-object"),
    ],
)
def test_the_object_is_found_in_the_text_of_a_reply(reply: str) -> None:
    extraction = Extraction(SCHEMA.load)

    assert extraction.feed(reply) == ""
    assert extraction.value == Person(name="Ada", age=36)
    assert (extraction.reason, extraction.error) == ("", None)


WRONG = [
    pytest.param("I do not know.", "There is no JSON in the reply", id="prose"),
    pytest.param("", "The reply is empty", id="nothing"),
    pytest.param('{"name": "Ada", "age": 3', "is cut off", id="cut-off"),
    pytest.param('{"name": "Ada"}', "age: Field required", id="key-is-missing"),
    pytest.param("null", "should be an object", id="null"),
]


@pytest.mark.parametrize(("reply", "reason"), WRONG)
def test_a_reply_without_the_object_is_asked_for_once_more(reply: str, reason: str) -> None:
    extraction = Extraction(SCHEMA.load)

    question = extraction.feed(reply)

    assert question.startswith("Your answer does not fit")
    assert reason in question
    assert extraction.feed(reply) == ""
    assert reason in extraction.reason
    assert isinstance(extraction.error, ValueError)
    assert extraction.value is MISSING


def test_a_second_reply_with_the_object_is_right() -> None:
    extraction = Extraction(SCHEMA.load)

    assert extraction.feed_failure("It is no call.")
    assert extraction.feed_arguments(ADA) == ""
    assert extraction.value == Person(name="Ada", age=36)
    assert extraction.reason == ""


def test_asking_again_can_be_switched_off() -> None:
    extraction = Extraction(SCHEMA.load, reask=False)

    assert extraction.feed_arguments({"name": "Ada"}) == ""
    assert extraction.reason == "age: Field required"


def test_an_error_is_told_in_a_sentence_of_its_own() -> None:
    with pytest.raises(ValueError, match="age") as caught:
        SCHEMA.load({"name": "Ada", "age": "old"})

    assert describe_error(caught.value).startswith("age: Input should be a valid integer")
    assert describe_error(ValueError("It is none.")) == "It is none."


# While it is written


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Sure", MISSING),
        ('Sure: {"name": "A', {"name": "A"}),
        ("```json\n[1, 2", [1, 2]),
        ('In {braces}:\n```\n{"a": 1}\n```\n{"b"', {"a": 1}),
        ("{not", MISSING),
    ],
)
def test_the_beginning_of_a_value_is_read(reply: str, value: Any) -> None:
    assert read_partial_json(reply) == value


def test_a_value_is_told_once() -> None:
    partial = PartialJSON()

    assert partial.feed('{"a": 1') == {"a": 1}
    assert partial.feed('{"a": 1}') is MISSING
    assert partial.feed('{"a": 1}\n') is MISSING


def test_an_object_of_a_class_is_shown_once_it_is_valid() -> None:
    partial = PartialObject(SCHEMA)

    shown = [partial.feed(each) for each in ('{"name": "A', 'da", ', '"age": 3', "6}")]

    assert shown == [MISSING, MISSING, Person(name="Ada", age=3), Person(name="Ada", age=36)]
    assert partial.has_shown(Person(name="Ada", age=36))
    assert not partial.has_shown(Person(name="Ada", age=3))


def test_a_dict_is_shown_while_it_is_written_in_a_call_s_arguments() -> None:
    partial = PartialObject(OutputSchema(Person.model_json_schema()))

    shown = [partial.feed(text, args) for text, args in (("I call.", ""), ("", '{"name": "A'))]

    assert shown == [MISSING, {"name": "A"}]
