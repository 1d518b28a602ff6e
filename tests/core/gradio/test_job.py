from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.errors import (
    JobError,
    PromptTooLongError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    StreamInterruptedError,
)
from qwen_space.events import FileReceived, Notice, Queued, Rewritten, Started, TextDelta
from qwen_space.gradio.job import Job, JobEvent, JobState
from qwen_space.gradio.messages import (
    AnyMessage,
    CloseStream,
    Estimation,
    Heartbeat,
    Log,
    Output,
    ProcessCompleted,
    ProcessGenerating,
    ProcessStarts,
    QueueFull,
    UnexpectedError,
    Values,
)
from tests.queue_stream import as_bytes, receive

E = "e1"
PATH = [0, 1]


def pairs(text: str | None) -> list[Any]:
    return [["user", text]]


def value(chat: Any, event_id: str | None = E) -> ProcessGenerating:
    return ProcessGenerating(event_id=event_id, output=Values(["", chat, "system"]))


def edits(*of_chat: list[Any], event_id: str | None = E) -> ProcessGenerating:
    return ProcessGenerating(event_id=event_id, output=Values([[], list(of_chat), []]))


def append(piece: str, event_id: str | None = E) -> ProcessGenerating:
    return edits(["append", PATH, piece], event_id=event_id)


def completed(chat: Any, event_id: str | None = E) -> ProcessCompleted:
    output = Output(["", chat, "system"])
    return ProcessCompleted(event_id=event_id, success=True, output=output)


def failed(error: str | None, title: str | None = None) -> ProcessCompleted:
    return ProcessCompleted(event_id=E, success=False, output=Output(None, error, title))


def deltas(events: list[JobEvent]) -> str:
    return "".join(event.delta for event in events if isinstance(event, TextDelta))


def test_a_job_goes_from_the_queue_to_its_end() -> None:
    job = Job(E, 1, "sse_v3")
    states, events = [job.state], []

    for message in [
        Estimation(E, 1, 2, 3.5),
        ProcessStarts(E, 1.5),
        value(pairs("a")),
        Heartbeat(),
        append("b"),
        Log(E, "line", "warning", "Warning"),
        completed(pairs("ab")),
        CloseStream(),
    ]:
        events += receive(job, message)
        states.append(job.state)

    assert events == [
        Queued(1, 2, 3.5),
        Started(1.5),
        TextDelta("a"),
        TextDelta("b", ["a", "b"]),
        Notice("line", "warning", "Warning"),
    ]
    assert list(dict.fromkeys(states)) == [
        JobState.JOINED,
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.COMPLETED,
    ]
    assert job.text == "ab"


PIECES = [
    pytest.param("b", id="letter"),
    pytest.param("a", id="the-same-again"),
    pytest.param("[1]", id="like-a-path"),
    pytest.param('["append", [0], "x"]', id="like-an-edit"),
    pytest.param(" ", id="space"),
    pytest.param("\n\n", id="newlines"),
    pytest.param("🙂", id="emoji"),
]


@pytest.mark.parametrize("protocol", ["sse_v2", "sse_v2.1", "sse_v3", "sse_v4", None])
@pytest.mark.parametrize("piece", PIECES)
def test_each_appended_piece_is_a_delta(protocol: str | None, piece: str) -> None:
    job = Job(E, 1, protocol)
    receive(job, value(pairs("a")))

    events = receive(job, append(piece), append(piece), append(""), append(piece))

    assert [event.delta for event in events if isinstance(event, TextDelta)] == [piece] * 3
    assert job.text == "a" + piece * 3


@pytest.mark.parametrize("protocol", ["sse_v3", None])
@pytest.mark.parametrize(
    ("first", "then", "text"),
    [
        pytest.param(pairs(None), [["replace", PATH, "b"]], "b", id="null-first"),
        pytest.param([], [["add", [0], ["user", "b"]]], "b", id="empty-first"),
        pytest.param(pairs("a"), [], "a", id="nothing-new"),
        pytest.param(pairs("a"), [["append", [0, 0], "!"]], "a", id="the-user-s-own-text"),
        pytest.param(
            pairs("a"), [["append", PATH, "b"], ["append", PATH, "c"]], "abc", id="two-at-once"
        ),
        pytest.param(
            [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}],
            [["append", [1, "content"], "b"]],
            "ab",
            id="messages",
        ),
        pytest.param(
            [{"role": "assistant", "content": [{"type": "text", "text": "a"}]}],
            [["append", [0, "content", 0, "text"], "b"]],
            "ab",
            id="parts",
        ),
        pytest.param(
            [["u", {"text": "a"}]], [["append", [0, 1, "text"], "b"]], "ab", id="modelscope"
        ),
        pytest.param("a", [["append", [], "b"]], "ab", id="text"),
        pytest.param(
            {"__type__": "update", "value": pairs("a")},
            [["append", ["value", 0, 1], "b"]],
            "ab",
            id="update",
        ),
        pytest.param(
            {"__type__": "update", "value": pairs("a")},
            [["delete", ["value"], None]],
            "a",
            id="update-that-ends-with-no-value",
        ),
        pytest.param(
            [["u", {"text": "a"}]], [["replace", [0, 1], {"text": "ab"}]], "ab", id="whole-item"
        ),
    ],
)
def test_edits_go_to_the_text_of_every_shape(
    protocol: str | None, first: Any, then: list[Any], text: str
) -> None:
    job = Job(E, 1, protocol)

    events = receive(job, value(first), edits(*then))

    assert job.text == text
    assert deltas(events) == text


def test_appends_and_other_edits_take_turns() -> None:
    job = Job(E, 1, "sse_v3")

    events = receive(
        job,
        value(pairs("a")),
        append("b"),
        append("c"),
        edits(["append", [0, 0], "!"], ["append", PATH, "d"]),
        append("e"),
        edits(["replace", PATH, "abcdef"]),
        append("g"),
        completed(pairs("abcdefg")),
    )

    assert deltas(events) == "abcdefg"
    assert job.text == "abcdefg"


OTHERS = [
    pytest.param(append(""), id="nothing"),
    pytest.param(append("<b"), id="a-sign"),
    pytest.param(append("x\u258c"), id="a-cursor"),
    pytest.param(append("x\\"), id="a-backslash"),
    pytest.param(append("x", event_id="e2"), id="another-job"),
    pytest.param(edits(), id="no-edit"),
    pytest.param(edits(["replace", PATH, "abd"]), id="a-replacement"),
    pytest.param(edits(["append", PATH, "x"], ["append", PATH, "y"]), id="two-edits"),
    pytest.param(Log(E, "line"), id="a-notice"),
    pytest.param(b'data: {"msg":"progress","eta":NaN}\n\n', id="odd"),
    pytest.param(b'data: {"msg":"unknown"}\n\n', id="unknown"),
    pytest.param(b": comment\n\n", id="a-comment"),
    pytest.param(b"data: {\n\n", id="malformed"),
    pytest.param(as_bytes(*[append("x" * 90)] * 4), id="too-long"),
    pytest.param(failed("no"), id="a-failure"),
    pytest.param(completed(pairs("abcx")), id="the-end"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_messages_that_come_together_mean_the_same_as_one_by_one(other: AnyMessage | bytes) -> None:
    messages = [
        each if isinstance(each, bytes) else as_bytes(each)
        for each in (value(pairs("a")), append("b"), append("c"), other, append("d"), append("e"))
    ]

    def outcome(*parts: bytes) -> list[object]:
        job, told = Job(E, 1, "sse_v3", max_size=300), list[object]()
        try:
            for event in itertools.chain.from_iterable(map(job.receive, parts)):
                told.append(event)
        except QwenSpaceError as exc:
            told += [type(exc), str(exc), exc.text]
        return [*told, job.text, job.state]

    assert outcome(b"".join(messages)) == outcome(*messages)


def test_an_empty_piece_is_no_event() -> None:
    job = Job(E, 1, "sse_v3")

    assert deltas(receive(job, value(pairs("a")), append(""), append("b"))) == "ab"
    assert receive(job, append("")) == []


@pytest.mark.parametrize("protocol", ["sse", "sse_v1", None])
def test_protocols_without_edits_send_the_whole_value_each_time(protocol: str | None) -> None:
    job = Job(E, 1, protocol)

    events = receive(
        job,
        value(pairs("a")),
        value(pairs("ab")),
        value(pairs("ab")),
        value(pairs("abc")),
        completed(pairs("abc")),
    )

    assert [event.delta for event in events if isinstance(event, TextDelta)] == ["a", "b", "c"]


@pytest.mark.parametrize("protocol", ["sse", "sse_v1"])
def test_a_value_that_looks_like_edits_is_one_where_there_are_none(protocol: str) -> None:
    job = Job(E, 0, protocol)
    first = ProcessGenerating(event_id=E, output=Values(["a"]))

    with pytest.raises(ProtocolError, match="no pair"):
        receive(job, first, ProcessGenerating(event_id=E, output=Values([[["append", [], "b"]]])))


def test_a_first_value_that_is_edits_belongs_to_an_older_job_and_is_an_error() -> None:
    job = Job(E, 1, "sse_v3")

    with pytest.raises(ProtocolError):
        receive(job, append("b"))


@pytest.mark.parametrize("output", [None, "text", {"__type__": "update"}, 1])
def test_a_whole_value_where_edits_are_due_is_an_error(output: Any) -> None:
    job = Job(E, 1, "sse_v3")
    receive(job, value(pairs("a")))

    with pytest.raises(ProtocolError, match="Expected edits"):
        receive(job, value(output))


@pytest.mark.parametrize(
    "message", [ProcessGenerating(event_id=E, output=Values([""])), completed(pairs("x"))]
)
def test_an_output_that_is_not_there_is_an_error(message: AnyMessage) -> None:
    job = Job(E, 3, "sse_v3")

    with pytest.raises(ProtocolError, match="at position 3"):
        receive(job, message)


@pytest.mark.parametrize(
    "of_another",
    [
        pytest.param(Estimation("e2", 0, 1, None), id="estimation"),
        pytest.param(ProcessStarts("e2", None), id="starts"),
        pytest.param(value(pairs("x"), "e2"), id="value"),
        pytest.param(append("x", "e2"), id="edits"),
        pytest.param(Log("e2", "x", "info", None), id="log"),
        pytest.param(completed(pairs("x"), "e2"), id="completed"),
        pytest.param(
            ProcessCompleted(event_id="e2", success=False, output=Output(None, "x")), id="failed"
        ),
    ],
)
def test_another_job_s_messages_are_passed_over(of_another: AnyMessage) -> None:
    job = Job(E, 1, "sse_v3")

    events = receive(job, of_another, value(pairs("a")), of_another, append("b"), of_another)

    assert deltas(events) == job.text == "ab"
    assert job.state is JobState.RUNNING


def test_messages_without_an_event_id_count_for_every_job() -> None:
    job = Job(E, 1, "sse")

    events = receive(job, value(pairs("a"), None), completed(pairs("a"), None))

    assert deltas(events) == "a"
    assert job.state is JobState.COMPLETED


def test_a_job_without_an_event_id_takes_every_message() -> None:
    job = Job(None, 1, "sse_v3")

    events = receive(job, value(pairs("a")), append("b"), completed(pairs("ab")))

    assert deltas(events) == "ab"


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


TEXT = st.text("ab \n[🙂", max_size=6)


@given(st.lists(TEXT, min_size=1, max_size=8), st.sampled_from(["sse_v3", None]))
def test_deltas_of_a_growing_text_are_the_text(pieces: list[str], protocol: str | None) -> None:
    job = Job(E, 1, protocol)

    events = receive(job, value(pairs(pieces[0])), *map(append, pieces[1:]))
    events += receive(job, completed(pairs("".join(pieces))))

    assert job.text == deltas(events) == "".join(pieces)
    assert [e.delta for e in events if isinstance(e, TextDelta)] == [p for p in pieces if p]


@given(st.lists(TEXT, min_size=1, max_size=8), st.sampled_from(["sse_v1", "sse_v3", None]))
def test_whatever_the_app_writes_the_last_text_is_the_reply(
    texts: list[str], protocol: str | None
) -> None:
    job = Job(E, 1, protocol)
    rest = [
        value(pairs(text)) if protocol == "sse_v1" else edits(["replace", PATH, text])
        for text in texts[1:]
    ]

    events = receive(job, value(pairs(texts[0])), *rest, completed(pairs(texts[-1])))

    shown = ""
    for event in events:
        shown = event.text if isinstance(event, Rewritten) else shown + deltas([event])
    assert job.text == texts[-1]
    assert "".join(shown.split()) == "".join(texts[-1].split())
