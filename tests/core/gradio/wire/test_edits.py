from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from gradio.utils import diff
from hypothesis import assume, given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
from qwen_space.gradio.wire.edits import EditedValue, is_edits
from tests.queue_stream import apply_edits

CHAT = [["u1", "b1"], ["u2", "b2"]]

CASES = [
    pytest.param("a", [], "a", id="nothing"),
    pytest.param("a", [["append", [], "b"]], "ab", id="append-whole"),
    pytest.param("", [["append", [], "b"]], "b", id="append-to-empty"),
    pytest.param(CHAT, [["append", [1, 1], "!"]], [["u1", "b1"], ["u2", "b2!"]], id="append"),
    pytest.param(
        [[{"text": "u"}, {"text": "b"}]],
        [["append", [0, 1, "text"], "!"]],
        [[{"text": "u"}, {"text": "b!"}]],
        id="append-deep",
    ),
    pytest.param("a", [["append", [], "[0]"], ["append", [], "x"]], "a[0]x", id="append-twice"),
    pytest.param("a", [["replace", [], ["b"]]], ["b"], id="replace-whole"),
    pytest.param([["u", None]], [["replace", [0, 1], "b"]], [["u", "b"]], id="replace-null"),
    pytest.param({"a": 1, "b": 2}, [["replace", ["a"], 1.5]], {"a": 1.5, "b": 2}, id="replace-key"),
    pytest.param([["u", "b"]], [["replace", [0, 1], None]], [["u", None]], id="replace-by-null"),
    pytest.param([1], [["add", [1], 2], ["add", [2], 3]], [1, 2, 3], id="add-items"),
    pytest.param([], [["add", [0], ["u", "b"]]], [["u", "b"]], id="add-to-empty"),
    pytest.param({"a": 1}, [["add", ["b"], [0]]], {"a": 1, "b": [0]}, id="add-key"),
    pytest.param(
        [1], [["add", [1], [2]], ["add", [1, 1], 3]], [1, [2, 3]], id="add-to-what-was-added"
    ),
    pytest.param({"a": 1, "b": 2}, [["delete", ["a"], None]], {"b": 2}, id="delete-key"),
    pytest.param(
        {"a": 1, "b": 2, "c": 3},
        [["delete", ["a"], None], ["delete", ["b"], None]],
        {"c": 3},
        id="delete-keys",
    ),
    pytest.param([1, 2, 3], [["delete", [2], None]], [1, 2], id="delete-last"),
    pytest.param(
        [1, 2, 3, 4],
        [["delete", [1], None], ["delete", [2], None], ["delete", [3], None]],
        [1],
        id="delete-until-5.29.0",
    ),
    pytest.param(
        [1, 2, 3, 4],
        [["delete", [1], None], ["delete", [1], None], ["delete", [1], None]],
        [1],
        id="delete-from-5.29.1",
    ),
    pytest.param(
        [[1, 2, 3], [4, 5, 6]],
        [["delete", [0, 1], None], ["delete", [0, 2], None], ["delete", [1, 1], None]],
        [[1], [4]],
        id="delete-in-two-lists",
    ),
    pytest.param(
        [["u", "b"], ["v", "c"], ["w", "d"]],
        [["replace", [0, 1], "B"], ["delete", [1], None], ["delete", [2], None]],
        [["u", "B"]],
        id="delete-after-replace",
    ),
    pytest.param(
        {"__type__": "update", "value": "x", "interactive": False},
        [["replace", ["interactive"], True], ["delete", ["value"], None]],
        {"__type__": "update", "interactive": True},
        id="update-without-value",
    ),
]


@pytest.mark.parametrize(("value", "edits", "expected"), CASES)
def test_edits_make_the_new_value(value: Any, edits: list[Any], expected: Any) -> None:
    assert apply_edits(value, edits) == expected


@pytest.mark.parametrize(
    ("value", "edits"),
    [
        pytest.param("a", ["append"], id="no-list"),
        pytest.param("a", [[]], id="empty"),
        pytest.param("a", [["append", []]], id="two-items"),
        pytest.param("a", [["append", [], "b", "c"]], id="four-items"),
        pytest.param("a", [["append", "path", "b"]], id="path-no-list"),
        pytest.param("a", [["append", None, "b"]], id="path-null"),
        pytest.param("a", [["explode", [], "b"]], id="unknown-action"),
        pytest.param(["a"], [["explode", [0], "b"]], id="unknown-action-inside"),
        pytest.param("a", [[None, [], "b"]], id="action-null"),
        pytest.param("a", [[["append"], [], "b"]], id="action-list"),
        pytest.param(None, [["append", [], "b"]], id="append-to-null"),
        pytest.param(["a"], [["append", [], "b"]], id="append-to-list"),
        pytest.param([1], [["append", [0], "b"]], id="append-to-number"),
        pytest.param("a", [["append", [], 1]], id="append-a-number"),
        pytest.param("a", [["append", [], None]], id="append-null"),
        pytest.param("a", [["add", [], "b"]], id="add-whole"),
        pytest.param("a", [["delete", [], None]], id="delete-whole"),
        pytest.param(["a"], [["append", [1], "b"]], id="index-too-large"),
        pytest.param(["a"], [["append", [-1], "b"]], id="index-negative"),
        pytest.param(["a"], [["append", ["0"], "b"]], id="index-string"),
        pytest.param(["a", "b"], [["append", [True], "b"]], id="index-true"),
        pytest.param(["a", "b"], [["append", [1.0], "b"]], id="index-float"),
        pytest.param(["a"], [["append", [None], "b"]], id="index-null"),
        pytest.param(["a"], [["append", [[0]], "b"]], id="index-list"),
        pytest.param(["a"], [["append", [0, 0], "b"]], id="into-a-string"),
        pytest.param([["a"]], [["append", [[0], 0], "b"]], id="index-list-inside"),
        pytest.param({"a": "b"}, [["append", ["c"], "b"]], id="no-such-key"),
        pytest.param({"a": "b"}, [["append", [0], "b"]], id="key-a-number"),
        pytest.param({"a": "b"}, [["append", [["a"]], "b"]], id="key-a-list"),
        pytest.param({"a": "b"}, [["replace", ["c"], "b"]], id="replace-no-such-key"),
        pytest.param(["a"], [["replace", [1], "b"]], id="replace-no-such-index"),
        pytest.param(["a"], [["add", [2], "b"]], id="add-beyond-the-end"),
        pytest.param(["a"], [["add", [-1], "b"]], id="add-negative"),
        pytest.param(["a"], [["add", ["k"], "b"]], id="add-key-to-list"),
        pytest.param({}, [["add", [0], "b"]], id="add-index-to-dict"),
        pytest.param("a", [["add", [0], "b"]], id="add-to-string"),
        pytest.param(["a"], [["delete", [1], None]], id="delete-beyond-the-end"),
        pytest.param({}, [["delete", ["k"], None]], id="delete-no-such-key"),
        pytest.param(None, [["replace", [0], 1]], id="no-container"),
    ],
)
def test_a_misuse_is_a_protocol_error(value: Any, edits: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        apply_edits(value, edits)


def test_a_value_is_changed_in_place() -> None:
    rows = [{"old": [1]}, {"content": ["a", {"far": 1}]}]
    value = EditedValue(rows)

    value.apply([["append", [1, "content", 0], "b"], ["append", [1, "content", 0], "c"]])

    assert value.value is rows
    assert rows == [{"old": [1]}, {"content": ["abc", {"far": 1}]}]


def test_a_value_in_an_edit_can_be_changed_by_the_next() -> None:
    assert apply_edits([], [["add", [0], ["u", "b"]], ["append", [0, 1], "!"]]) == [["u", "b!"]]


@pytest.mark.parametrize(
    ("large", "edit"),
    [
        pytest.param("x" * 1_000_000, ["append", [0], "y"], id="a-long-text-copied"),
        pytest.param([0] * 1_000_000, ["add", [0, 0], 1], id="a-long-list-moved"),
    ],
)
def test_small_edits_cannot_ask_for_much_work(large: Any, edit: Any) -> None:
    value = EditedValue([large])

    def apply() -> None:
        for _ in range(1_000):
            value.begin(60)
            value.apply([edit])

    with pytest.raises(ProtocolError, match="too much work"):
        apply()


def test_work_that_the_messages_pay_for_is_done() -> None:
    value = EditedValue(["x" * 50_000])

    for _ in range(1_000):
        value.begin(60)
        value.apply([["append", [0], "y"]])

    assert value.value == ["x" * 50_000 + "y" * 1_000]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param([["append", [], "x"]], True, id="one"),
        pytest.param([["add", [0], 1], ["delete", ["k"], None]], True, id="two"),
        pytest.param([], False, id="nothing-can-be-both"),
        pytest.param("append", False, id="text"),
        pytest.param({"__type__": "update"}, False, id="update"),
        pytest.param([["append", "b"]], False, id="pair"),
        pytest.param([["append", [0], "x"], ["u", "b"]], False, id="one-of-two"),
        pytest.param([["append", "[0]", "x"]], False, id="path-in-text"),
        pytest.param([["explode", [], "x"]], False, id="unknown-action"),
        pytest.param([[["append"], [], "x"]], False, id="action-list"),
        pytest.param([{"role": "user"}], False, id="messages"),
        pytest.param(None, False, id="null"),
    ],
)
def test_edits_are_told_from_values(item: Any, expected: bool) -> None:
    assert is_edits(item) is expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(0, 1) | st.text("ab[]", max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


def _shrinking_lists(old: Any, new: Any) -> int:
    """Count the lists between which Gradio's differ deletes something."""
    if old == new or type(old) is not type(new):
        return 0
    if isinstance(old, list):
        inner = sum(map(_shrinking_lists, old, new))
        return inner + (len(new) < len(old))
    if isinstance(old, dict):
        return sum(_shrinking_lists(old[key], new[key]) for key in old.keys() & new.keys())
    return 0


@given(JSON, JSON)
def test_gradio_s_own_edits_lead_to_its_own_value(old: Any, new: Any) -> None:
    # Where two lists of one value shrink, Gradio counts the deletes of the first against the
    # indices of the second: those edits do not name the changes.
    assume(_shrinking_lists(old, new) <= 1)
    assert apply_edits(old, diff(old, new)) == new


@given(st.lists(JSON, min_size=1, max_size=5))
def test_a_chain_of_gradio_s_edits_leads_to_the_last_value(values: list[Any]) -> None:
    pairs = list(pairwise(values))
    assume(all(_shrinking_lists(old, new) <= 1 for old, new in pairs))

    value = values[0]
    for old, new in pairs:
        value = apply_edits(value, diff(old, new))

    assert value == values[-1]


EDITS = st.lists(
    st.lists(
        st.sampled_from(["append", "replace", "add", "delete", "x"])
        | st.lists(st.integers(-1, 2) | st.sampled_from("abc") | JSON, max_size=3)
        | JSON,
        max_size=4,
    ),
    max_size=4,
)


@given(JSON, EDITS)
def test_random_edits_give_nothing_worse_than_a_protocol_error(value: Any, edits: Any) -> None:
    with contextlib.suppress(ProtocolError):
        apply_edits(value, edits)
