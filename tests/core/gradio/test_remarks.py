"""The words that an app says beside its chat, or in the place of the message."""

from __future__ import annotations

import pytest

from qwen_space.errors import JobError
from qwen_space.gradio.job import Job
from qwen_space.gradio.remarks import Remarks

LONG = "word " * 700 + "end"


def said(prompt: str, unanswered: str) -> str | None:
    """Return the reason that is told where a chat ends with a text that has no reply."""
    job = Job("e", 1)
    job.unanswered = unanswered
    try:
        Remarks(sent=[prompt]).check(job)
    except JobError as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("reason", "is_told"),
    [
        pytest.param(None, True, id="no-reason"),
        pytest.param("'NoneType' object has no attribute 'name'", True, id="of-a-missing-value"),
        pytest.param("None of the models is loaded.", False, id="of-its-own"),
    ],
)
def test_what_a_failing_app_may_miss_is_told_where_it_gives_no_other_reason(
    reason: str | None, is_told: bool
) -> None:
    remarks, error = Remarks(), JobError(reason)
    remarks.missing = "it needs a file."

    assert remarks.explain(error) is None
    assert ("Perhaps it needs a file." in str(error)) is is_told


@pytest.mark.parametrize("prompt", ["Hi", "???", "file", "Tell me of cats", LONG])
def test_words_that_have_the_prompt_s_letters_are_the_reason(prompt: str) -> None:
    text = "Please load this file first."

    assert said(prompt, text) == text


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        pytest.param("Hi", "**You:** Hi", id="a-name"),
        pytest.param("???", "???", id="signs"),
        pytest.param("a_b's 1 < 2", "a\\_b&#x27;s 1 &lt; 2", id="escaped"),
        pytest.param(LONG, LONG, id="long"),
        pytest.param(LONG, f"You: {LONG}", id="long-with-a-name"),
        pytest.param("Tell me of cats, please", "Tell me of cats...", id="cut"),
    ],
)
def test_the_prompt_as_the_app_shows_it_is_none(prompt: str, shown: str) -> None:
    assert said(prompt, shown) is None


def test_a_box_that_shows_the_prompt_says_nothing() -> None:
    remarks = Remarks({1: ("Asked", "")}, sent=["Tell me\nof cats"])

    remarks.see([(1, "Tell me of cats")])

    remarks.check(Job("e", 1))
