from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
from qwen_space.gradio.wire import large_json
from qwen_space.gradio.wire.large_json import decode_large


@pytest.fixture(autouse=True, scope="module")
def small_slices() -> Iterator[None]:
    """Let values of a few bytes count as large, so that every way to cut them is tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "LARGE", 4)
        patch.setattr(large_json, "_SLICE", 16)
        yield


def decode(data: bytes) -> tuple[Any, int]:
    """Return the value, and how many slices it took."""

    def run() -> Iterator[None]:
        values.append((yield from decode_large(data)))

    values: list[Any] = []
    slices = sum(1 for _ in run())
    return values[0], slices


TEXTS = st.text('ab"\\/\n\t\x00é你🙂, :[]{}', max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_a_value_by_its_parts_is_the_value(value: Any, is_ascii: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()

    got, _ = decode(data)

    assert got == json.loads(data)


@pytest.mark.parametrize("text", ["\\" * 99, '"' * 99, "🙂" * 99, "\\u0041" * 40, "a\\" * 50])
@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("before", range(13))
def test_no_escape_is_cut_in_two(text: str, is_ascii: bool, before: int) -> None:
    text = "x" * before + text

    assert decode(json.dumps(text, ensure_ascii=is_ascii).encode()) == (text, decode_slices(text))


def decode_slices(text: str) -> Any:
    """Return an object that equals any count of slices above one for each 100 characters."""

    class Some:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, int) and other > len(text) // 100

        __hash__ = None  # type: ignore[assignment]

    return Some()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[1, NaN, Infinity, 1e999]", id="nan"),
        pytest.param(b'{"a": [NaN, 1], "b": "x"}', id="nan-inside"),
        pytest.param(b"123456789012345678901234567890", id="large-number"),
    ],
)
def test_values_that_only_json_takes_are_taken(data: bytes) -> None:
    assert repr(decode(data)[0]) == repr(json.loads(data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[1, 2", id="cut-short"),
        pytest.param(b'"abcdefgh', id="string-without-end"),
        pytest.param(b'"' + b"\\" * 31 + b'"', id="string-of-half-an-escape"),
        pytest.param(b'"abcdefgh\xff"', id="not-utf-8"),
        pytest.param(b'["abcdefgh\\ud800"]', id="half-of-a-pair"),
        pytest.param(b"<html><body></body></html>", id="html"),
        pytest.param(b"[" * 200 + b"]" * 200, id="deep"),
        pytest.param(b"", id="empty"),
    ],
)
def test_malformed_json_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


@pytest.mark.parametrize(
    ("limit", "data"),
    [
        ("_MAX_CONTAINERS", b"[[],[],[],[],[]]"),
        ("_MAX_STRINGS", b'["a","b","c","d","e"]'),
        ("_MAX_FIELDS", b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}'),
        ("_MAX_COMMAS", b"[1,2,3,4,5,6]"),
    ],
)
def test_more_values_than_memory_is_meant_for_are_a_protocol_error(
    limit: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_json, limit, 4)

    with pytest.raises(ProtocolError, match="too many values"):
        decode(data)


def test_quotes_within_a_text_are_no_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "_MAX_STRINGS", 4)
    monkeypatch.setattr(large_json, "_MAX_FIELDS", 4)
    text = '{"a": "b"}' * 5

    assert decode(json.dumps([text]).encode())[0] == [text]


@given(st.binary(max_size=80))
def test_any_bytes_give_nothing_worse_than_a_protocol_error(data: bytes) -> None:
    try:
        decode(data)
    except ProtocolError:
        return

    json.loads(data)
