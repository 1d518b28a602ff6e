"""The steps of an app's page: the function that is asked, and those that run before it."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.errors import EndpointError
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.endpoint import Endpoint
from tests.page_config import CLICK, LOAD, STREAMS, app, step


def run(endpoint: Endpoint) -> list[int]:
    return [each.fn_index for each in (*endpoint.before, endpoint)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [step("box chat", "box chat"), step("chat box", "chat", trigger_after=0)],
            [0, 1],
            id="a-step-that-takes-the-text-again-is-no-rival",
        ),
        pytest.param(
            [step("box chat", "chat"), step("box", "other", **LOAD)], [0], id="nor-is-a-load"
        ),
        pytest.param(
            [
                step("", "", targets=[["button", "click"]]),
                step("box chat", "box chat", trigger_after=0, **STREAMS),
            ],
            [1],
            id="a-first-step-without-a-text-is-passed-over",
        ),
        pytest.param(
            [
                step("box chat heat", "chat"),
                step("", "heat", **LOAD),
                step("", "saved", **LOAD),
            ],
            [1, 0],
            id="a-load-that-fills-an-input-runs-first",
        ),
        pytest.param(
            [step("box chat heat", "chat"), step("", "heat", targets=[["timer", "tick"]])],
            [0],
            id="a-timer-s-does-not",
        ),
        pytest.param(
            [
                step("box chat turns", "chat"),
                step("", "saved", **LOAD),
                step("saved", "turns", trigger_after=1),
            ],
            [1, 2, 0],
            id="so-do-its-own-steps",
        ),
        pytest.param(
            [
                step("box turns", "turns other", **STREAMS),
                step("turns", "chat", trigger_after=0),
            ],
            [0, 1],
            id="a-chat-that-is-shown-from-a-state",
        ),
        pytest.param(
            [
                step("box chat", "box chat"),
                step("chat heat", "chat heat", trigger_after=0, **STREAMS),
                step("chat", "chat", trigger_after=1, **STREAMS),
                step("chat", "chat", trigger_after=2),
            ],
            [0, 1, 2],
            id="the-last-that-streams-answers",
        ),
        pytest.param(
            [
                step("box turns", "turns page other", **STREAMS),
                step("box other", "chat", trigger_after=0),
            ],
            [0],
            id="a-text-that-streams-and-is-put-into-the-chat-later",
        ),
        pytest.param(
            [
                step("turns box", "turns chat box", **STREAMS),
                step("turns box", "turns chat box", trigger_after=0, **STREAMS),
            ],
            [0, 1],
            id="a-message-that-is-shown-by-yield-and-answered-from-the-state",
        ),
        pytest.param(
            [
                step("turns box", "turns chat", **STREAMS),
                step("turns", "chat", trigger_after=0),
            ],
            [0],
            id="a-chat-that-is-only-tidied-afterwards",
        ),
        pytest.param(
            [
                step("box chat", "box chat"),
                step("size heat", "", trigger_after=0),
                step("chat size", "chat", trigger_after=1, **STREAMS),
            ],
            [0, 1, 2],
            id="a-step-that-gives-nothing-may-change-a-state",
        ),
        pytest.param(
            [
                step("box chat", "box chat"),
                step("chat heat", "", trigger_after=0),
                step("chat size", "chat", trigger_after=1, **STREAMS),
            ],
            [0, 2],
            id="and-nothing-else",
        ),
        pytest.param(
            [
                step("box chat", "chat", targets=[["box", "change"]]),
                step("box", "chat", targets=[["box", "submit"]]),
            ],
            [1],
            id="what-a-visitor-sends-before-what-follows-a-change",
        ),
        pytest.param(
            [
                step("box turns", "page turns saved"),
                step("", "box", trigger_after=0),
                step("saved turns", "page turns", trigger_after=1),
            ],
            [0, 2],
            id="a-page-that-shows-the-message-first-and-the-reply-later",
        ),
        pytest.param(
            [
                step("box turns", "page turns"),
                step("turns", "heat", trigger_after=0),
                step("heat", "page", trigger_after=1),
            ],
            [0],
            id="a-page-that-is-made-anew-of-something-else",
        ),
    ],
)
def test_the_steps_are_those_of_the_page(steps: list[Any], expected: list[int]) -> None:
    assert run(find_endpoint(app(*steps))) == expected


UPLOAD = {"targets": [["picture", "upload"]]}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [
                step("", "chat", **UPLOAD),
                step("picture chat saved", "chat saved", trigger_after=1),
            ],
            [1, 2, 0],
            id="a-later-step-of-the-upload",
        ),
        pytest.param(
            [step("picture", "page", **UPLOAD), step("page", "saved", trigger_after=1)],
            [1, 2, 0],
            id="a-state-that-is-filled-from-what-the-upload-gives",
        ),
        pytest.param([step("picture saved", "saved", **CLICK)], [1, 0], id="a-button"),
        pytest.param(
            [step("picture saved", "saved", **CLICK), step("picture saved", "saved", **UPLOAD)],
            [2, 0],
            id="the-upload-before-a-button",
        ),
        pytest.param(
            [step("picture saved", "saved", **CLICK), step("saved", "chat", trigger_after=1)],
            [0],
            id="no-button-that-asks-too",
        ),
        pytest.param([step("picture", "other", **CLICK)], [0], id="nor-one-for-another-thing"),
    ],
)
def test_a_picture_goes_the_way_of_the_page(steps: list[Any], expected: list[int]) -> None:
    assert run(find_endpoint(app(step("box chat saved", "chat"), *steps))) == expected


@pytest.mark.parametrize(
    ("steps", "takes"),
    [
        pytest.param([step("box chat memory", "chat")], False, id="no-turns-of-it"),
        pytest.param([step("box chat heat", "chat")], True, id="another-number"),
        pytest.param(
            [step("box chat", "box chat saved"), step("saved", "saved", **CLICK)],
            False,
            id="a-handle-that-a-button-takes",
        ),
        pytest.param([step("box chat", "chat")], True, id="the-chat-is-read"),
        pytest.param([step("box chat turns", "chat")], False, id="a-list-changed-in-place"),
        pytest.param([step("box chat saved", "chat")], False, id="a-state-that-is-not-told"),
        pytest.param([step("box chat size", "chat")], True, id="a-state-that-never-changes"),
        pytest.param(
            [step("box", "box saved"), step("saved chat", "chat", trigger_after=0)],
            True,
            id="a-state-that-only-holds-the-message",
        ),
        pytest.param(
            [step("box chat turns", "box turns"), step("turns chat", "chat", trigger_after=0)],
            False,
            id="a-state-that-the-first-step-adds-to",
        ),
        pytest.param(
            [
                step("box chat turns", "chat"),
                step("other", "turns", targets=[["button", "click"]]),
            ],
            True,
            id="a-state-that-a-setting-is-put-into",
        ),
        pytest.param(
            [step("box chat turns", "chat"), step("", "turns", **LOAD)],
            False,
            id="a-session-s-key",
        ),
    ],
)
def test_a_history_is_given_only_where_it_is_read(steps: list[Any], takes: bool) -> None:
    assert find_endpoint(app(*steps)).takes("history") is takes


def test_a_step_s_value_stands_before_the_caller_s_and_a_load_s_behind_it() -> None:
    endpoint = find_endpoint(
        app(
            step("box chat", "box chat"),
            step("chat box other heat", "chat", trigger_after=0),
            step("", "other heat", **LOAD),
        )
    )

    data = endpoint.data("Hi", "S", loaded={"other": "L", "heat": 0.5}, page={"box": ""})

    assert data == [[], "", "S", 0.5]


def test_a_circle_of_steps_has_no_start() -> None:
    config = app(step("box", "chat", trigger_after=1), step("box", "chat", trigger_after=0))

    with pytest.raises(EndpointError):
        find_endpoint(config)


def test_a_page_that_a_visitor_has_made_is_named_as_the_reason() -> None:
    config = app(step("turns", "", render_id=0, targets=[["button", "click"]]))

    with pytest.raises(EndpointError, match=r"a visitor has done something there \(gr\.render\)"):
        find_endpoint(config)


def test_a_function_that_changes_the_object_in_a_state_sets_the_system_prompt() -> None:
    change = {"targets": [["other", "change"]]}
    chat = step("box chat saved", "chat")

    endpoint = find_endpoint(app(chat, step("saved other", "", **change)))
    others = find_endpoint(app(chat, step("turns other", "", **change)))

    assert [each.phase for each in endpoint.before] == ["setting"]
    assert endpoint.takes("system")
    assert not others.takes("system")


@pytest.mark.parametrize(
    ("setter", "takes"),
    [
        pytest.param(step("saved heat", "", targets=[["heat", "input"]]), True, id="an-object"),
        pytest.param(step("heat", "saved", targets=[["heat", "change"]]), True, id="the-state"),
        pytest.param(step("heat", "", targets=[["heat", "change"]]), False, id="for-all-visitors"),
        pytest.param(step("turns heat", "", targets=[["heat", "input"]]), False, id="another"),
        pytest.param(step("heat saved", "saved hint", **CLICK), True, id="given-on-by-a-button"),
        pytest.param(step("saved heat", "saved", targets=[["heat", "input"]]), True, id="given-on"),
        pytest.param(step("heat saved", "hint", **CLICK), False, id="a-button-for-another"),
        pytest.param(step("heat saved", "saved chat", **CLICK), False, id="a-chat"),
        pytest.param(step("heat saved", "saved page", **CLICK, **STREAMS), False, id="a-stream"),
    ],
)
def test_a_figure_that_its_own_event_puts_into_a_state_is_set_so(
    setter: dict[str, Any], takes: bool
) -> None:
    endpoint = find_endpoint(app(step("box chat saved", "chat"), setter))

    assert endpoint.place_sampling({"temperature": 0.5}) == ({"heat": 0.5} if takes else {})
    assert [each.fn_index for each in endpoint.before] == ([1] if takes else [])


@pytest.mark.parametrize("taken", ["heat saved", "heat"])
def test_a_function_that_gives_the_reply_sets_no_figure(taken: str) -> None:
    again = step(taken, "saved page", **CLICK)

    endpoint = find_endpoint(app(step("box saved", "page saved"), again))

    assert [*endpoint.before] == []


CHANGE = {"targets": [["other", "change"]]}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [step("", "other", **LOAD), step("other", "heat", **CHANGE)], [1, 2], id="once"
        ),
        pytest.param(
            [step("other", "heat", **CHANGE), step("", "other", **LOAD)],
            [2, 1],
            id="after-the-load",
        ),
        pytest.param([step("other", "heat", **CHANGE)], [], id="no-load-no-change"),
        pytest.param(
            [step("", "memory", **LOAD), step("other", "heat", **CHANGE)], [], id="of-another-part"
        ),
        pytest.param(
            [step("", "other", **LOAD), step("other", "memory", **CHANGE)], [], id="for-another"
        ),
        pytest.param(
            [
                step("memory", "heat", targets=[["memory", "change"]]),
                step("", "other", **LOAD),
                step("other", "memory", **CHANGE),
            ],
            [2, 3, 1],
            id="one-after-another",
        ),
        pytest.param(
            [
                step("", "other", **LOAD),
                step("other", "heat", **CHANGE),
                step("heat", "other", targets=[["heat", "change"]]),
            ],
            [1, 2, 3],
            id="a-circle-once",
        ),
        pytest.param(
            [
                step("", "other", **LOAD),
                step("other", "saved", **CHANGE),
                step("saved", "heat", trigger_after=2),
                step("saved", "page", trigger_after=2),
            ],
            [1, 2, 3],
            id="with-the-steps-after-it",
        ),
        pytest.param(
            [step("", "box", **LOAD), step("box chat heat", "chat", targets=[["box", "change"]])],
            [1],
            id="no-chat-of-its-own",
        ),
        pytest.param(
            [step("", "heat", targets=[["page", "load"], ["other", "change"]])],
            [1],
            id="a-load-that-is-a-change-too",
        ),
    ],
)
def test_a_function_that_a_load_s_values_start_runs_after_it(
    steps: list[Any], expected: list[int]
) -> None:
    endpoint = find_endpoint(app(step("box chat heat", "chat", **STREAMS), *steps))

    assert run(endpoint) == [*expected, 0]
    assert all(each.phase in {"load", "change"} for each in endpoint.before)


@pytest.mark.parametrize(
    ("loaded", "is_started"),
    [
        ({}, False),
        ({"other": ""}, False),
        ({"other": None}, False),
        ({"other": "a"}, True),
        ({"memory": "a"}, False),
    ],
)
def test_a_change_is_another_value_than_at_first(loaded: Any, is_started: bool) -> None:
    steps = step("", "other", **LOAD), step("other", "heat", **CHANGE)

    change = find_endpoint(app(step("box chat heat", "chat"), *steps)).before[1]

    assert change.is_started(loaded) is is_started


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [
                step("box chat", "box chat saved"),
                step("saved chat", "chat", targets=[["saved", "change"]], **STREAMS),
            ],
            [0, 1],
            id="a-state",
        ),
        pytest.param(
            [
                step("box chat", "box chat other"),
                step("other chat", "chat", targets=[["other", "change"]], **STREAMS),
            ],
            [0],
            id="a-box-that-a-visitor-may-change",
        ),
        pytest.param(
            [
                step("box chat", "box chat hint"),
                step("hint chat", "chat", targets=[["hint", "change"]], **STREAMS),
            ],
            [0, 1],
            id="a-hidden-box",
        ),
        pytest.param(
            [
                step("box chat", "box chat rooms"),
                step("rooms", "chat page", targets=[["rooms", "change"]]),
            ],
            [0],
            id="a-hidden-menu-of-earlier-chats",
        ),
        pytest.param(
            [
                step("box chat", "box chat saved"),
                step("saved", "page", targets=[["saved", "change"]]),
            ],
            [0],
            id="not-the-chat",
        ),
        pytest.param(
            [
                step("box chat", "box chat saved"),
                step("saved chat", "copy", targets=[["saved", "change"]], **STREAMS),
            ],
            [0],
            id="another-chat",
        ),
        pytest.param(
            [
                step("box chat", "box chat saved"),
                step("saved chat", "chat heat", targets=[["saved", "change"]], **STREAMS),
                step("", "saved", **LOAD),
            ],
            [2, 0, 1],
            id="not-of-the-change-that-a-load-makes",
        ),
        pytest.param(
            [
                step("box chat", "box chat saved"),
                step("saved chat", "chat turns", targets=[["saved", "change"]], **STREAMS),
                step("turns chat", "chat saved", targets=[["turns", "change"]], **STREAMS),
            ],
            [0, 1],
            id="a-circle",
        ),
    ],
)
def test_a_reply_may_come_of_a_change_that_the_message_makes(
    steps: list[Any], expected: list[int]
) -> None:
    assert run(find_endpoint(app(*steps))) == expected


def test_a_function_that_the_page_repeats_is_no_step_of_a_chat() -> None:
    repeated = step("", "chat", **LOAD, types={"generator": True, "continuous": True})

    assert run(find_endpoint(app(step("box chat", "chat"), repeated))) == [0]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("Retrieved context", "Answer", 1, id="the-sources-first"),
        pytest.param("Plan", "Answer", 1, id="a-plan-first"),
        pytest.param("📝 Outline", "Report", 1, id="an-outline-first"),
        pytest.param("Plan", "Budget", 0, id="a-plan-that-is-asked-for"),
        pytest.param("Travel plan", "Packing list", 0, id="a-plan-of-something"),
        pytest.param("Summary", "Translation", 0, id="none-says-that-it-answers"),
        pytest.param("Answer", "Suggested questions", 0, id="suggestions-after-it"),
        pytest.param("Story", "Evaluation result", 0, id="a-score-after-it"),
        pytest.param("Output", "Answer length", 0, id="a-figure-of-the-answer"),
        pytest.param("Output", "Reply rating", 0, id="a-rating-of-the-reply"),
        pytest.param("Output", "回答评价", 0, id="a-rating-in-chinese"),
        pytest.param(None, "Response", 0, id="a-text-without-a-label"),
    ],
)
@pytest.mark.parametrize("streams", [{}, STREAMS], ids=["whole", "streams"])
def test_an_answer_may_come_after_another_text(
    first: str | None, second: str, expected: int, streams: dict[str, Any]
) -> None:
    later = step("box first", "second", trigger_after=0, **streams)
    config = app(step("box", "first", **streams), later)
    config["components"] += [
        {"id": "first", "type": "textbox", "props": {"label": first}},
        {"id": "second", "type": "textbox", "props": {"label": second}},
    ]

    assert find_endpoint(config).fn_index == expected


@pytest.mark.parametrize("label", ["Output", "Plan"])
def test_a_text_that_streams_is_put_into_a_chat_later_unless_it_is_a_plan(label: str) -> None:
    config = app(step("box", "first", **STREAMS), step("first chat", "chat", trigger_after=0))
    config["components"].append({"id": "first", "type": "textbox", "props": {"label": label}})

    assert find_endpoint(config).fn_index == (label == "Plan")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(step("box first", "chat", trigger_after=0), id="into-a-chat"),
        pytest.param(step("first", "second", trigger_after=0), id="into-a-text"),
        pytest.param(step("first box", "second", trigger_after=0), id="as-its-first-input"),
    ],
)
def test_a_text_that_a_step_fills_is_no_prompt(answer: dict[str, Any]) -> None:
    config = app(step("box", "first", targets=[["button", "click"]]), answer)
    config["components"] += [
        {"id": "first", "type": "textbox", "props": {"label": "Retrieved context"}},
        {"id": "second", "type": "textbox", "props": {"label": "Answer"}},
    ]

    found = find_endpoint(config)

    assert {each.component: each.role for each in found.chat_inputs} == {
        "box": "prompt",
        "first": None,
    }


def test_a_step_that_locks_the_box_of_the_prompt_fills_nothing() -> None:
    lock = step("chat", "box", targets=[["button", "click"]])

    found = find_endpoint(app(lock, step("box chat", "chat", trigger_after=0)))

    assert [each.role for each in found.inputs] == ["prompt", "history"]


def test_a_chat_that_a_step_begins_anew_takes_no_history() -> None:
    config = app(step("box", "box chat"), step("chat", "chat", trigger_after=0, **STREAMS))

    assert not find_endpoint(config).takes("history")
