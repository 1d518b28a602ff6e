"""Thoughts that grow, change and end are kept apart from the answer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space import ProtocolError, Rewritten, TextDelta, ThinkingDelta
from qwen_space.gradio.reply import deltas as value_module
from qwen_space.gradio.reply.agent_steps import asks_for_thoughts
from qwen_space.gradio.reply.chatbot import find_reply
from qwen_space.gradio.reply.deltas import ChatValue
from tests.core.gradio.reply.thinking_rows import FINAL, USER, bot, said, tool
from tests.queue_stream import take_edits


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            [[bot("Step 1")], [bot("Step 1: look.")]], [TextDelta("Step 1: look.")], id="whole"
        ),
        pytest.param(
            [[bot("Step")], [bot("Step 1")], [bot("Step 1: look.")]],
            [TextDelta("Step"), TextDelta(" 1"), TextDelta(": look.")],
            id="in-pieces",
        ),
        pytest.param(
            [[bot("Step 1")], [bot("Step 1"), bot("hm")], [bot("Step 1"), bot("hm"), FINAL]],
            [ThinkingDelta("Step 1"), ThinkingDelta("\n\nhm"), TextDelta("b")],
            id="of-an-agent",
        ),
        pytest.param([[bot("Step 1")]], [TextDelta("Step 1")], id="alone"),
        pytest.param(
            [[bot("Th")], [bot("Thou")], [bot("Thou art")], [bot("Thou art it")]],
            [TextDelta("Thou art"), TextDelta(" it")],
            id="a-word-that-begins-so",
        ),
        pytest.param(
            [[bot("Thought")], [bot("Thought: a")], [bot("Thought: a b")]],
            [TextDelta("Thought: a b")],
            id="a-thought-alone",
        ),
        pytest.param(
            [[bot("Thought: a")], [bot("Thought: a"), bot("Step 1 | 2 s")], [bot("T"), FINAL]],
            [ThinkingDelta("Thought: a\n\nStep 1 | 2 s"), TextDelta("T\n\n**Final answer:** b")],
            id="a-thought-with-a-foot",
        ),
    ],
)
def test_an_answer_that_begins_as_a_step_does_is_no_thought(
    values: list[Any], expected: list[Any]
) -> None:
    value = ChatValue()

    events = [event for each in values for event in value.replace([USER, *each])]

    assert [repr(each) for each in [*events, *value.finish()]] == [repr(each) for each in expected]


KINDS = (ThinkingDelta, TextDelta)
STEP, TOOL = bot("**Step 1**"), bot("hm", title="Used tool")


@pytest.mark.parametrize(
    ("rows", "thinking", "text"),
    [
        pytest.param([STEP, bot("hm"), TOOL, bot("b")], "**Step 1**\n\nhm\n\nhm", "b", id="a-text"),
        pytest.param([STEP, bot("hm"), TOOL], "**Step 1**\n\nhm\n\nhm", "", id="a-tool"),
        pytest.param([STEP, TOOL, bot("-----")], "**Step 1**\n\nhm\n\n-----", "", id="a-line"),
        pytest.param(
            [STEP, TOOL, bot("b"), bot("---")], "**Step 1**\n\nhm", "b\n\n---", id="signs"
        ),
        pytest.param([STEP, TOOL, STEP], "**Step 1**\n\nhm\n\n**Step 1**", "", id="a-step"),
        pytest.param([STEP, TOOL, bot("a"), FINAL], "**Step 1**\n\nhm\n\na", "b", id="an-answer"),
        pytest.param(
            [bot("Thought: a"), bot("Step 1 | 2 s"), bot("so")],
            "Thought: a\n\nStep 1 | 2 s\n\nso",
            "",
            id="feet",
        ),
    ],
)
def test_steps_without_an_answer_are_given_once(rows: list[Any], thinking: str, text: str) -> None:
    value = ChatValue()
    events = [
        event for at, _ in enumerate(rows) for event in value.replace([USER, *rows[: at + 1]])
    ]
    events += value.replace([USER, *rows], is_final=True)

    assert not any(isinstance(each, Rewritten) for each in events)
    given = {kind: "".join(e.delta for e in events if isinstance(e, kind)) for kind in KINDS}
    assert given == {ThinkingDelta: thinking, TextDelta: text}
    assert (value.thinking, value.text) == (thinking, text)


def test_a_thought_that_the_prompt_asks_for_is_an_answer_that_streams() -> None:
    value = ChatValue(thinks_aloud=asks_for_thoughts(["Hi", None, "Begin with Thought: ..."]))

    events = [event for text in ("Th", "Thought: a") for event in value.replace([USER, bot(text)])]

    assert events == [TextDelta("Th"), TextDelta("ought: a", ["Th", "ought: a"])]
    assert asks_for_thoughts([{"text": "Write Thought: first.", "files": []}])
    assert not asks_for_thoughts(["Hi", 5, {"files": []}])


def test_an_answer_that_begins_as_a_step_does_goes_on_by_edits() -> None:
    value = after([USER, bot("**Step 1**")])

    events = take_edits(value, ["append", [1, "content"], ": look"])
    events += take_edits(value, ["append", [1, "content"], "."])

    assert events == [TextDelta("**Step 1**: look"), TextDelta(".", ["**Step 1**: look", "."])]


def thinking_value(thought: str | None, answer: str | None, title: str = "T") -> list[Any]:
    """Return a chat whose thoughts and answer are rows of their own."""
    rows = [] if thought is None else [bot(thought, title=title)]
    return [USER, *rows, *([] if answer is None else [bot(answer)])]


THOUGHT, ANSWER = [1, "content"], [2, "content"]


def after(*values: Any) -> ChatValue:
    value = ChatValue()
    for each in values:
        value.replace(copy.deepcopy(each))
    return value


def test_thoughts_come_before_the_answer_and_each_as_its_own_event() -> None:
    value = ChatValue()

    events = [
        *value.replace(thinking_value("hm", None)),
        *take_edits(value, ["append", THOUGHT, " so"]),
        *take_edits(value, ["replace", [1, "metadata", "title"], "Done"], ["add", [2], bot("a")]),
        *take_edits(value, ["append", ANSWER, "b"]),
    ]

    assert events == [
        ThinkingDelta("hm"),
        ThinkingDelta(" so", ["hm", " so"]),
        TextDelta("a"),
        TextDelta("b", ["a", "b"]),
    ]
    assert (value.thinking, value.text) == ("hm so", "ab")


def test_a_pro_chatbot_s_thoughts_come_before_its_answer() -> None:
    value = after([USER, bot(tool("", "Thinking..."))])
    options = [1, "content", 0, "options"]

    events = [
        *take_edits(value, ["append", [1, "content", 0, "content"], "hm"]),
        *take_edits(value, ["append", [1, "content", 0, "content"], " so"]),
        *take_edits(
            value, ["replace", [*options, "title"], "Done"], ["add", [*options, "status"], 1]
        ),
        *take_edits(value, ["add", [1, "content", 1], said("a")]),
        *take_edits(value, ["append", [1, "content", 1, "content"], "b"]),
    ]

    assert events == [
        ThinkingDelta("hm"),
        ThinkingDelta(" so", ["hm", " so"]),
        TextDelta("a"),
        TextDelta("b", ["a", "b"]),
    ]


def test_both_in_one_message_are_two_events() -> None:
    assert ChatValue().replace(thinking_value("hm", "a")) == [ThinkingDelta("hm"), TextDelta("a")]


def test_a_further_thought_begins_with_a_blank_line() -> None:
    value = after([USER, bot("hm", title="T")])

    events = take_edits(value, ["add", [2], bot("so", title="T")])
    events += take_edits(value, ["append", [2, "content"], "!"])

    assert [event.delta for event in events if isinstance(event, ThinkingDelta)] == ["\n\nso", "!"]


def test_a_further_thought_that_is_empty_at_first_begins_with_a_blank_line_too() -> None:
    value = after([USER, bot("hm", title="T"), bot("", title="T")])

    events = take_edits(value, ["append", [2, "content"], "so"])

    assert events == [ThinkingDelta("\n\nso", ["hm\n\nso"])]


@pytest.mark.parametrize(
    ("edit", "event"),
    [
        pytest.param(["append", THOUGHT, "x"], ThinkingDelta("x", ["hm", "x"]), id="thought"),
        pytest.param(["append", ANSWER, "x"], TextDelta("x", ["a", "x"]), id="answer"),
    ],
)
def test_a_piece_at_the_end_costs_no_look_at_the_value(
    edit: Any, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = after(thinking_value("hm", "a"))
    monkeypatch.delattr(value_module, "find_reply")

    assert take_edits(value, edit) == [event]
    assert take_edits(value) == []


def test_an_append_without_a_path_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        take_edits(after([USER]), ["append", None, "x"])


CHANGES = [
    pytest.param(["replace", [1, "metadata", "title"], "Thought for 1 s"], id="title"),
    pytest.param(["add", [1, "metadata", "status"], "done"], id="status"),
    pytest.param(["replace", THOUGHT, "other"], id="thought-rewritten"),
    pytest.param(["replace", THOUGHT, ""], id="thought-emptied"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_thought_does_not_break_the_answer(change: Any) -> None:
    value = after(thinking_value("hm", "a"))

    events = [
        *take_edits(value, ["append", THOUGHT, "!"]),
        *take_edits(value, ["append", ANSWER, "b"]),
        *take_edits(value, change),
        *take_edits(value, ["append", ANSWER, "c"]),
        *take_edits(value, change, ["append", ANSWER, "d"]),
    ]

    assert "".join(each.delta for each in events if isinstance(each, TextDelta)) == "bcd"
    assert not [each for each in events if isinstance(each, Rewritten)]
    assert value.text == "abcd"


def test_a_thought_that_the_app_shows_as_answer_later_is_a_rewriting() -> None:
    value = after(thinking_value("hm", "a"))

    assert take_edits(value, ["replace", [1, "metadata"], None]) == [Rewritten("hm\n\na")]
    assert (value.thinking, value.text) == ("", "hm\n\na")


REWRITES = [
    pytest.param("hm", "so", [], id="other"),
    pytest.param("hm", "", [], id="emptied"),
    pytest.param("hm", None, [], id="taken-away"),
    pytest.param("hm so", "hm", [], id="shorter"),
    pytest.param("a\n- b", "a\n  - b\nc", [ThinkingDelta("\nc", ["a\n  - b\nc"])], id="indented"),
]


@pytest.mark.parametrize(("old", "new", "events"), REWRITES)
def test_a_rewritten_thought_is_no_event_and_right_in_the_end(
    old: str, new: str | None, events: list[Any]
) -> None:
    value = after(thinking_value(old, None))

    assert value.replace(thinking_value(new, None)) == events
    assert value.thinking == (new or "")


def test_thoughts_go_on_after_a_rewriting() -> None:
    value = after(thinking_value("hm", None), thinking_value("so", None))

    assert take_edits(value, ["append", THOUGHT, "!"]) == [ThinkingDelta("!", ["so", "!"])]


def test_an_update_without_a_value_leaves_both_as_they_were() -> None:
    value = after(thinking_value("hm", "a"))

    assert value.replace({"__type__": "update"}) == []
    assert (value.thinking, value.text) == ("hm", "a")


@pytest.mark.parametrize("path", [THOUGHT, ANSWER])
def test_after_an_update_without_a_value_there_is_nothing_to_append_to(path: Any) -> None:
    value = after(thinking_value("hm", "a"), {"__type__": "update"})

    with pytest.raises(ProtocolError):
        take_edits(value, ["append", path, "x"])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["think", "say", "title", "next thought", "next answer"]),
        st.text("ab \n", max_size=4),
    ),
    max_size=12,
)


def grown(steps: list[tuple[str, str]]) -> Iterator[list[Any]]:
    """Yield the values of an app that thinks and says by steps; its last row grows."""
    rows: list[dict[str, Any]] = []
    for step, piece in steps:
        if step == "title":
            rows = [bot(row["content"], title=_title(row) and f"T{piece}") for row in rows]
        else:
            title = "T" if "th" in step else None
            if rows and "next" not in step and bool(_title(rows[-1])) == bool(title):
                *rows, last = rows
                rows.append(bot(last["content"] + piece, title=_title(last)))
            else:
                rows = [*rows, bot(piece, title=title)]
        yield [USER, *rows]


def _title(row: dict[str, Any]) -> str | None:
    return row["metadata"]["title"]


def edits_between(old: list[Any], new: list[Any]) -> list[Any]:
    """Return Gradio's edits: one for each row that is new or has changed."""
    edits: list[Any] = []
    for index, row in enumerate(new):
        if index >= len(old):
            edits.append(["add", [index], row])
            continue
        before, title = old[index], row.get("metadata")
        if before["content"] != row["content"]:
            piece = row["content"][len(before["content"]) :]
            edits.append(["append", [index, "content"], piece])
        if before.get("metadata") != title:
            edits.append(["replace", [index, "metadata"], title])
    return edits


@given(STEPS)
def test_deltas_of_growing_texts_are_the_thoughts_and_the_answer(
    steps: list[tuple[str, str]],
) -> None:
    whole, edited = after([USER]), after([USER])
    shown = {ThinkingDelta: "", TextDelta: ""}
    old: list[Any] = [USER]

    for new in grown(steps):
        events = take_edits(edited, *edits_between(old, new))
        assert events == whole.replace(copy.deepcopy(new))
        for event in events:
            assert not isinstance(event, Rewritten)
            assert event.delta
            shown[type(event)] += event.delta
        old = new

    reply = find_reply(old)
    assert reply is not None
    assert (whole.thinking, whole.text) == (reply.thinking, reply.text)
    assert (edited.thinking, edited.text) == (reply.thinking, reply.text)
    assert (shown[ThinkingDelta], shown[TextDelta]) == (reply.thinking, reply.text)


def test_a_titled_thought_that_grows_before_those_in_tags_keeps_its_place() -> None:
    value = ChatValue(reasoning_tags=[("<think>", "</think>")])
    value.replace([USER, bot("a", title="Thinking"), bot("<think>b</think>c")])

    take_edits(value, ["append", [1, "content"], " more"])

    assert (value.thinking, value.text) == ("a more\n\nb", "c")
