from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.chat.json_text import AmbiguousObject, JSONTextError, read_json, scan_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Strings longer than a window, with escapes at its end.
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers(0, 600).map(lambda size: "x" * size + "\U0001f600\n"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(VALUES) | st.dictionaries(st.text(max_size=3), VALUES), st.text(max_size=3))
def test_a_value_within_a_text_is_read_to_its_end(value: Any, before: str) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        found, end = scan_json(f"{before}{text}, and so on", len(before))

        assert found == value
        assert end == len(before) + len(text)
        assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('{"a": NaN}', "NaN is no number", id="nan"),
        pytest.param('{"a": -Infinity}', "-Infinity is no number", id="infinity"),
        pytest.param('{"a": 1e999}', "1e999 is no number", id="too-large"),
        pytest.param('{"a": %s}' % ("9" * 4301), "999 is no number", id="too-many-digits"),
        pytest.param('{"a": "\\ud83d"}', "half of a surrogate", id="half-a-surrogate"),
        pytest.param('{"a": "\\udE00"}', "half of a surrogate", id="the-other-half"),
        pytest.param('{"\ud83d": 1}', "half of a surrogate", id="half-a-surrogate-as-it-stands"),
        pytest.param('{"a": ' + "[" * 100_000, "nested too deep", id="too-deep"),
    ],
)
@pytest.mark.parametrize("read", [read_json, lambda text: scan_json(text, 0)])
def test_values_that_json_has_not_are_refused(text: str, reason: str, read: Any) -> None:
    with pytest.raises(JSONTextError, match=reason):
        read(text)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert read_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_line_breaks_in_strings_are_taken_and_repeated_keys_are_told() -> None:
    assert read_json('{"a": "x\n\ty"}') == {"a": "x\n\ty"}
    ambiguous = read_json('{"a": 1, "b": 2, "a": 3}')
    assert isinstance(ambiguous, AmbiguousObject)
    assert (ambiguous, ambiguous.key) == ({"a": 3, "b": 2}, "a")


@pytest.mark.parametrize("size", [0, 1, 240, 250, 255, 256, 300, 5000])
@pytest.mark.parametrize("end", ['"', '"x', "[", "1,", "", " \n", '{"a"', '{"a":'])
def test_an_end_that_is_missing_is_told_from_an_error(size: int, end: str) -> None:
    text = '{"k": "' + "x" * size + f'", "l": {end}'

    with pytest.raises(JSONTextError) as cut:
        scan_json(text, 0)
    with pytest.raises(JSONTextError) as wrong:
        scan_json(text.replace('"l":', "?"), 0)

    assert cut.value.is_cut
    assert not wrong.value.is_cut
    assert wrong.value.position == size + len('{"k": "", ')
