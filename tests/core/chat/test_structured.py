"""The JSON in a reply, and the words around it."""

from __future__ import annotations

import contextlib
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_space.chat.structured import Found, NoJSONError, find_json, instruction, reask
from tests.growth import assert_linear

FOUND = [
    pytest.param('{"a": 1}', {"a": 1}, id="bare"),
    pytest.param(" \n[1, 2]\n", [1, 2], id="bare-list"),
    pytest.param("null", None, id="null"),
    pytest.param('"a"', "a", id="string"),
    pytest.param('```json\n{"a": 1}\n```', {"a": 1}, id="fenced"),
    pytest.param('```\n{"a": 1}\n```', {"a": 1}, id="fenced-without-a-word"),
    pytest.param('```JSON\n{"a": 1}\n```', {"a": 1}, id="fenced-in-capitals"),
    pytest.param('```json\n{"a": 1}', {"a": 1}, id="fence-not-closed"),
    pytest.param("```json\nnull\n```", None, id="fenced-null"),
    pytest.param('Sure:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}, id="fence-within-text"),
    pytest.param('  ```json\n  {"a": 1}\n  ```', {"a": 1}, id="fence-indented"),
    pytest.param('{"a": "```json\\n{}\\n```"}', {"a": "```json\n{}\n```"}, id="fence-in-a-string"),
    pytest.param('Here: {"a": 1}.', {"a": 1}, id="within-text"),
    pytest.param('Here: {"a": {"b": [1]}} and so', {"a": {"b": [1]}}, id="nested"),
    pytest.param('{"a": 1} or rather {"a": 2}', {"a": 2}, id="the-last-within-text"),
    pytest.param('```json\n{"a": 1}\n```\nNo:\n```json\n{"a": 2}\n```', {"a": 2}, id="last-fence"),
    pytest.param('```json\n{"a": 1}\n```\n```\n{"a": 2}\n```', {"a": 1}, id="the-fence-of-json"),
    pytest.param('```json\n{"a": 1}\n```\nas {"a": 2}', {"a": 1}, id="a-fence-before-text"),
    pytest.param('```python\nf({})\n```\n{"a": 1}', {"a": 1}, id="other-code"),
    pytest.param('Of {x} take {"a": 1}', {"a": 1}, id="braces-that-are-no-json"),
    pytest.param("It's {'a': 1}, so {\"a\": 1}", {"a": 1}, id="python"),
    pytest.param('{"a": "x\ny\tz"}', {"a": "x\ny\tz"}, id="line-breaks-in-strings"),
    pytest.param('{"a": "}{"} ok', {"a": "}{"}, id="braces-in-strings"),
    pytest.param("{} x", {}, id="empty-object"),
]

NOT_FOUND = [
    pytest.param("", "The reply is empty", id="empty"),
    pytest.param(" \n", "The reply is empty", id="white-space"),
    pytest.param("I cannot.", "There is no JSON", id="prose"),
    pytest.param("It is 5 or null.", "There is no JSON", id="scalars-within-text"),
    pytest.param("{'a': 1}", "There is no JSON", id="python"),
    pytest.param(
        '{"a": {"b": 1},}',
        "valid JSON.*: (Expecting prop|Illegal tr)",
        id="what-is-inside-of-no-json",
    ),
    pytest.param(
        'So: {"a": "say "b" now"}', "valid JSON.*: Expecting ','", id="quotes-in-a-string"
    ),
    pytest.param('{"a": NaN}', "valid JSON.*: NaN is no number", id="nan"),
    pytest.param("{x} or [note]", "There is no JSON", id="brackets-of-prose"),
    pytest.param("[" * 100_000 + "]" * 100_000, "There is no JSON", id="too-deep"),
    pytest.param('{"a": {"b": 1}, ', "The JSON in the reply is cut off", id="cut-off"),
    pytest.param('[{"a": 1}, {"a": "x', "The JSON in the reply is cut off", id="cut-in-a-string"),
    pytest.param('```json\n{"a": [{"b": 1}]', "The JSON in the reply is cut off", id="cut-fence"),
]


@pytest.mark.parametrize(("reply", "value"), FOUND)
def test_the_json_in_a_reply_is_found(reply: str, value: Any) -> None:
    assert find_json(reply).value == value


@pytest.mark.parametrize(("reply", "says"), NOT_FOUND)
def test_where_there_is_none_it_is_an_error_and_never_null(reply: str, says: str) -> None:
    with pytest.raises(NoJSONError, match=says) as caught:
        find_json(reply)

    assert caught.value.reply == reply
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_found_json_keeps_its_spelling() -> None:
    assert find_json('So { "a":1 }.') == Found({"a": 1}, '{ "a":1 }')


def test_of_several_the_one_that_is_wanted_is_taken() -> None:
    reply = 'From {"a": 1} follows {"b": 2}, see {"c": 3}'

    assert find_json(reply, lambda value: "b" in value).value == {"b": 2}
    assert find_json(reply, lambda value: False).value == {"c": 3}


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.none() | st.booleans() | st.text()), st.text("ab }\n`", max_size=5))
def test_any_object_is_found_after_words(value: Any, words: str) -> None:
    text = json.dumps({"v": value}, ensure_ascii=False)

    assert find_json(f"{words}\n```json\n{text}\n```").value == {"v": value}


def test_an_instruction_has_the_schema_as_it_is() -> None:
    schema = {"type": "object", "properties": {"ö": {"type": "string"}}}

    said = instruction(schema)

    assert said.endswith('\n{"type":"object","properties":{"ö":{"type":"string"}}}')
    assert "{{" not in said


def test_without_a_schema_any_object_is_asked_for() -> None:
    assert "JSON object" in instruction()
    assert "{" not in instruction()


def test_asking_once_more_says_what_was_wrong() -> None:
    assert "age: Field required\nAnswer again" in reask("age: Field required\n")


HOSTILE = {
    "ticks-and-blanks": ("```", " "),
    "fences": ("", "```\n"),
    "words": ("```", "x"),
    "braces": ("", "{"),
    "keys": ("", '{"k" '),
    "lists": ("", "[1,"),
    "no-numbers": ("", "[NaN,"),
    "nested": ("", '{"a":{"a":['),
    "half-strings": ("", '{"a'),
    "quotes": ("{", '"'),
    "half-surrogates": ("", '{"\\ud800":1}'),
    "empty-lists": ("", "[]"),
    "line-breaks": ("x", "\n"),
    "digits": ("[", "9"),
}


@pytest.mark.parametrize(("before", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_reply_costs_linear_time(before: str, text: str) -> None:
    def find(reply: str) -> None:
        with contextlib.suppress(NoJSONError):
            find_json(reply, lambda value: False)

    assert_linear(lambda size: before + (text * size)[:size], find, 5_000, largest=80_000)
