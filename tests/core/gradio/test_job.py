from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError, QwenSpaceError
from qwen_space.events import Notice, Queued, Rewritten, Started, TextDelta
from qwen_space.gradio.job import Job, JobState
from qwen_space.gradio.wire.messages import (
    AnyMessage,
    CloseStream,
    Estimation,
    Heartbeat,
    Log,
    Output,
    ProcessCompleted,
    ProcessGenerating,
    ProcessStarts,
    Values,
)
from tests.core.gradio.job_messages import (
    PATH,
    E,
    append,
    completed,
    deltas,
    edits,
    failed,
    pairs,
    value,
)
from tests.growth import assert_linear
from tests.queue_stream import as_bytes, receive


def test_a_time_without_a_meaning_is_no_estimate() -> None:
    job = Job(E, 1, "sse_v3")

    events = [*receive(job, Estimation(E, 1, 2, 1e308)), *receive(job, ProcessStarts(E, 1e308))]

    assert events == [Queued(1, 2, None), Started(None)]


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


def with_states(count: int) -> list[bytes]:
    messages = [
        {
            "msg": "process_generating",
            "event_id": E,
            "success": True,
            "output": {"data": [], **more},
        }
        for at in range(count)
        for more in [{"changed_state_ids": [*range(20 * at, 20 * at + 20)]}]
    ]
    return [b"data: %s\n\n" % json.dumps(each).encode() for each in messages]


def read_all(chunks: list[bytes]) -> Job:
    job = Job(E, None, "sse_v3")
    assert [event for chunk in chunks for event in job.receive(chunk)] == []
    return job


def test_the_states_that_each_message_changes_are_noted_once() -> None:
    assert_linear(with_states, read_all, 300, largest=5_000)

    assert [*read_all(with_states(2)).changed_states] == [*range(40)]
    assert len(read_all(with_states(1_000)).changed_states) == 10_000
