"""The end of a job: its last value, its failure, and the stream's end before either."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_space.errors import (
    JobError,
    PromptTooLongError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    StreamInterruptedError,
)
from qwen_space.events import FileReceived, Rewritten, Started, TextDelta
from qwen_space.gradio.job import Job, JobState
from qwen_space.gradio.wire.messages import (
    AnyMessage,
    CloseStream,
    Output,
    ProcessCompleted,
    ProcessStarts,
    QueueFull,
    UnexpectedError,
)
from tests.core.gradio.job_messages import E, append, completed, deltas, edits, failed, pairs, value
from tests.queue_stream import receive


@pytest.mark.parametrize(
    ("last", "text", "new"),
    [
        pytest.param(completed(pairs("ab")), "ab", [], id="the-same"),
        pytest.param(completed(pairs("abc")), "abc", ["c"], id="more"),
        pytest.param(completed(pairs(" ab\n")), " ab\n", ["\n"], id="other-white-space"),
        pytest.param(completed(None), "ab", [], id="null"),
        pytest.param(completed({"__type__": "update"}), "ab", [], id="update-without-value"),
        pytest.param(
            completed({"__type__": "update", "value": pairs("abc")}), "abc", ["c"], id="update"
        ),
    ],
)
def test_the_last_value_is_the_truth(last: AnyMessage, text: str, new: list[str]) -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), append("b"))

    events = receive(job, last)

    assert job.text == text
    assert [event.delta for event in events if isinstance(event, TextDelta)] == new
    assert job.state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("last", "text"),
    [
        pytest.param({"status": "done", "answer": "Hello"}, "Hello", id="an-answer"),
        pytest.param({"status": "done", "score": 1}, '{"status": "done", "score": 1}', id="none"),
        pytest.param({"__type__": "update"}, '{"status": "busy", "at": 2}', id="nothing-more"),
    ],
)
def test_an_object_of_the_app_s_own_is_text_in_the_end(last: Any, text: str) -> None:
    job = Job(E, 1, "sse_v3")
    first = value({"status": "busy", "at": 1})
    events = receive(job, first, edits(["replace", ["at"], 2]), completed(last))

    assert [event for event in events if isinstance(event, (TextDelta, Rewritten))] == [
        TextDelta(text)
    ]
    assert job.text == text


@pytest.mark.parametrize("pattern", ["{}", "<div>{}</div>"], ids=["alone", "between-tags"])
def test_a_text_behind_a_picture_of_some_megabytes_goes_on(pattern: str) -> None:
    picture = pattern.format(f"![a](data:image/png;base64,{'QUJD' * 2**20})")
    pieces = [*"\n" * 30, "It is", " red."]
    job = Job(E, 1, "sse_v3")

    events = receive(job, value(pairs(picture)), *map(append, pieces))
    receive(job, completed(pairs(f"{picture}{''.join(pieces)}")))

    assert [len(event.file.url) for event in events if isinstance(event, FileReceived)] == [4194326]
    assert deltas(events).split() == job.text.split()
    assert job.text.endswith("It is red.")


def test_blank_lines_before_a_picture_stay_as_they_were_streamed() -> None:
    job = Job(E, 1, "sse_v3")

    events = receive(job, value(pairs("See:\n\n")))
    events += receive(job, completed(pairs("See:\n\n![a](data:image/png;base64,QUJD)")))

    assert deltas(events) == job.text == "See:\n\n"


def test_a_last_value_that_differs_is_a_rewriting() -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), append("b"))

    events = receive(job, completed(pairs("xyz")))

    assert events == [Rewritten("xyz")]
    assert job.text == "xyz"


def test_an_app_that_returns_at_once_has_one_delta() -> None:
    job = Job(E, 1, "sse_v3")

    events = receive(job, ProcessStarts(E, None), completed(pairs("all of it")))

    assert events == [Started(None), TextDelta("all of it")]


@pytest.mark.parametrize("data", [["", None, ""], ["", [], ""], ["", pairs(None), ""]])
def test_an_app_that_says_nothing_completes_with_nothing(data: list[Any]) -> None:
    job = Job(E, 1, "sse_v3")

    events = receive(job, ProcessCompleted(event_id=E, success=True, output=Output(data)))

    assert events == []
    assert job.text == ""
    assert job.state is JobState.COMPLETED


QUOTA = "You have exceeded your GPU quota (60s requested vs. 30s left). Try again in 0:09:48. "


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(failed(None), JobError(None), id="no-reason"),
        pytest.param(failed("None"), JobError(None), id="the-word-none"),
        pytest.param(failed("why"), JobError("why"), id="reason"),
        pytest.param(failed("why", "Error"), JobError("why", "Error"), id="title"),
        pytest.param(failed("'why'"), JobError("why"), id="quoted"),
        pytest.param(failed('"it\'s"'), JobError("it's"), id="quoted-twice"),
        pytest.param(failed(r"'a\nb'"), JobError("a\nb"), id="quoted-and-escaped"),
        pytest.param(failed("'a' or 'b'"), JobError("'a' or 'b'"), id="quotes-of-its-own"),
        pytest.param(failed("'"), JobError("'"), id="one-quote"),
        pytest.param(failed(""), JobError(None), id="empty"),
        pytest.param(failed(QUOTA, "ZeroGPU quota exceeded"), QuotaError(QUOTA), id="zerogpu"),
        pytest.param(
            failed("You have exceeded your free ZeroGPU quota (60s requested)."),
            QuotaError("You have exceeded your free ZeroGPU quota (60s requested)."),
            id="free-zerogpu",
        ),
        pytest.param(
            failed("Requested tokens (1062) exceed context window of 1024"),
            PromptTooLongError("Requested tokens (1062) exceed context window of 1024"),
            id="too-long",
        ),
        pytest.param(
            failed("Space app has reached its GPU limit."),
            QuotaError("Space app has reached its GPU limit."),
            id="gpu-limit",
        ),
        pytest.param(
            failed(None, "ZeroGPU quota exceeded"),
            QuotaError("ZeroGPU quota exceeded"),
            id="only-the-title",
        ),
        pytest.param(
            ProcessCompleted(event_id=E, success=True, output=Output()),
            JobError("The job was cancelled on the server."),
            id="cancelled",
        ),
        pytest.param(
            failed("GPU quota. Try again in " + "1" * 5_000 + ":00:00"),
            QuotaError("GPU quota. Try again in " + "1" * 5_000 + ":00:00"),
            id="a-time-without-end",
        ),
        pytest.param(
            failed("GPU quota &#" + "1" * 5_000 + ";"),
            QuotaError("GPU quota &#" + "1" * 5_000 + ";"),
            id="a-character-of-a-huge-number",
        ),
        pytest.param(failed(["why"] * 99), JobError(str(["why"] * 6)[:-1] + ", ...]"), id="list"),
        pytest.param(failed("why" * 9_999), JobError("why" * 3_333 + "w"), id="a-long-reason"),
        pytest.param(QueueFull(), QueueFullError("The queue is full"), id="queue-full"),
        pytest.param(
            UnexpectedError("404: Not Found"),
            StreamInterruptedError("ab", "404: Not Found"),
            id="unexpected-error",
        ),
        pytest.param(
            UnexpectedError(""),
            StreamInterruptedError("ab", "an unexpected error"),
            id="unexpected-error-without-words",
        ),
        pytest.param(
            CloseStream(), StreamInterruptedError("ab", "the server closed it"), id="close-early"
        ),
    ],
)
def test_a_failure_is_the_right_error_with_the_text_so_far(
    message: AnyMessage, expected: QwenSpaceError
) -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), append("b"))

    with pytest.raises(QwenSpaceError) as caught:
        receive(job, message)

    assert type(caught.value) is type(expected)
    assert caught.value.args == expected.args
    assert caught.value.text == "ab"
    assert job.state is JobState.FAILED
    assert job.text == "ab"


def test_an_edit_that_does_not_fit_is_an_error_with_the_text_so_far() -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), append("b"))

    with pytest.raises(ProtocolError) as caught:
        receive(job, edits(["append", [7, 1], "x"]))

    assert caught.value.text == "ab"
    assert job.done


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(json.loads("[" * 40 + "]" * 40), "nested too deeply", id="deep"),
        pytest.param(
            {"files": [{"path": f"/{index}", "meta": {}} for index in range(2_000)]},
            "more than 1000 files",
            id="files",
        ),
    ],
)
def test_a_reply_has_a_limit_of_depth_and_of_files(content: Any, said: str) -> None:
    job = Job(E, 1, "sse_v3")

    with pytest.raises(ProtocolError, match=said):
        receive(job, value([["u", content]]))


def test_a_value_that_edits_nest_deeper_and_deeper_is_a_protocol_error_with_the_text() -> None:
    job = Job(E, 1, "sse_v3")
    content = [{"role": "assistant", "content": [[], "a"]}]
    receive(job, value(content))
    deep: Any = []
    for _ in range(100):
        deep = [deep]

    deeper = [
        edits(["replace", [0, "content", *[0] * (100 * times + 1)], deep]) for times in range(100)
    ]

    with pytest.raises(ProtocolError, match="nested too deeply") as caught:
        receive(job, *deeper)

    assert caught.value.text == "a"
    assert job.done


def test_the_end_of_the_stream_before_the_reply_s_is_an_error_with_the_text() -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), append("b"))

    with pytest.raises(StreamInterruptedError) as caught:
        job.receive_eof()

    assert caught.value.text == "ab"
    assert job.state is JobState.FAILED


def test_nothing_counts_after_the_end() -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")), completed(pairs("a")))

    events = receive(job, append("b"), failed("why"), UnexpectedError("late"), CloseStream())
    job.receive_eof()

    assert events == []
    assert job.text == "a"
    assert job.state is JobState.COMPLETED
