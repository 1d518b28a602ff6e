from __future__ import annotations

import datetime as dt
import re

import pytest

from qwen_space.tools import InvalidCall, ParsedReply, ToolCall
from qwen_space.tools.calls import call_text, new_call_id, parsed_object, to_json


def test_a_call_is_rendered_as_qwen_s_template_does() -> None:
    call = ToolCall("add", {"a": 1, "word": "zwei ü"})

    assert call_text(call) == (
        '<tool_call>\n{"name": "add", "arguments": {"a": 1, "word": "zwei ü"}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    ("given", "rendered"), [('{"a": 1}', '{"a": 1}'), ("[1", '"[1"'), ("[1]", '"[1]"')]
)
def test_arguments_that_are_a_text_are_its_object_if_it_holds_one(
    given: str, rendered: str
) -> None:
    assert f'"arguments": {rendered}}}' in call_text(ToolCall("add", given))


def test_values_that_json_has_not_are_written_as_texts() -> None:
    assert to_json({"day": dt.date(2026, 11, 22)}) == '{"day": "2026-11-22"}'


@pytest.mark.parametrize(("text", "value"), [('{"a": 1}', {"a": 1}), ("[1]", None), ("{", None)])
def test_only_an_object_is_parsed(text: str, value: object) -> None:
    assert parsed_object(text) == value


def test_call_ids_are_fresh() -> None:
    made = {new_call_id() for _ in range(1000)}

    assert len(made) == 1000
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", each) for each in made)


def test_a_reply_s_parts_are_sorted_and_keep_their_order() -> None:
    call, invalid = ToolCall("add", {}), InvalidCall("add(", "it is no JSON")

    parsed = ParsedReply.from_parts(["one ", call, "two ", invalid, "three"])

    assert (parsed.text, parsed.calls, parsed.invalid) == ("one two three", (call,), (invalid,))
    assert parsed.parts == ("one ", call, "two ", invalid, "three")
