"""The forms of a call, read as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.tools.forms import fits, read_call

NEEDS_A = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
NEEDS_NOTHING: dict[str, Any] = {"properties": {"a": {"type": "integer"}}}
SCHEMAS = {"f": NEEDS_A, "g": NEEDS_NOTHING}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"name": "f", "arguments": {"a": 1}}, ("f", {"a": 1}), id="arguments"),
        pytest.param({"name": "f", "parameters": {"a": 1}}, ("f", {"a": 1}), id="parameters"),
        pytest.param({"name": "f", "arguments": '{"a": 1}'}, ("f", {"a": 1}), id="as-a-text"),
        pytest.param({"name": "g"}, ("g", {}), id="none-required"),
        pytest.param({"name": "g", "arguments": None}, ("g", {}), id="null"),
        pytest.param({"name": "g", "arguments": " "}, ("g", {}), id="empty-text"),
        pytest.param({"name": "h", "arguments": {}}, ("h", {}), id="not-bound"),
    ],
)
def test_a_call_has_a_name_and_arguments(value: Any, expected: Any) -> None:
    assert read_call(value, SCHEMAS) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param([1], "no JSON object", id="list"),
        pytest.param({"arguments": {}}, "has no name", id="no-name"),
        pytest.param({"name": "f"}, "has no arguments", id="some-required"),
        pytest.param({"name": "h", "parameters": {}}, "has no arguments", id="not-bound"),
        pytest.param({"name": "f", "arguments": ""}, "are no JSON object", id="empty-text"),
        pytest.param({"name": "f", "arguments": [1]}, "are no JSON object", id="no-object"),
        pytest.param({"name": "f", "arguments": "1"}, "are no JSON object", id="no-object-text"),
    ],
)
def test_anything_else_is_no_call_and_says_why(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_call(value, SCHEMAS)


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"a": 1}, NEEDS_A, True),
        ({}, NEEDS_A, False),
        ({}, NEEDS_NOTHING, True),
        ({"a": "1"}, NEEDS_A, False),
        ({"a": True}, NEEDS_A, False),
        ({"a": 1, "b": 2}, NEEDS_A, False),
        ({"a": [1]}, {"properties": {"a": {"items": {"type": "integer"}}}}, True),
        ({"a": ["x"]}, {"properties": {"a": {"items": {"type": "integer"}}}}, False),
        ({"a": None}, {"properties": {"a": {"anyOf": [{"type": "null"}]}}}, True),
        ({"a": 3}, {"properties": {"a": {"enum": [1, 2]}}}, False),
        ({"a": 3}, {"properties": {"a": {"maximum": 2}}}, False),
    ],
)
def test_an_object_fits_with_all_required_keys_and_no_others(
    value: Any, schema: Any, expected: bool
) -> None:
    assert fits(value, schema) is expected
