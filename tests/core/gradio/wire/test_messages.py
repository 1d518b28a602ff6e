from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
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
    ProcessStreaming,
    Progress,
    QueueFull,
    UnexpectedError,
    Values,
    decode_event,
    decode_large_event,
)


def completed(data: list[Any] | None) -> ProcessCompleted:
    return ProcessCompleted(event_id="e", success=True, output=Output(data))


def failed(error: Any, title: Any) -> ProcessCompleted:
    return ProcessCompleted(event_id="e", success=False, output=Output(error=error, title=title))


def parse_message(text: str) -> AnyMessage | None:
    """Decode a message as it comes, and as if it were large: both give the same."""
    event = text.encode()
    try:
        message = decode_event(event)
    except ProtocolError:
        with pytest.raises(ProtocolError):
            sliced(event)
        raise
    assert repr(sliced(event)) == repr(message)  # as NaN is unequal to itself
    return message


def sliced(event: bytes) -> AnyMessage | None:
    def run() -> Iterator[None]:
        found.append((yield from decode_large_event(event)))

    found: list[AnyMessage | None] = []
    for _ in run():
        pass
    return found[0]


CASES = [
    pytest.param(
        '{"msg":"estimation","event_id":"e","rank":0,"queue_size":1,"rank_eta":null}',
        Estimation("e", 0, 1, None),
        id="estimation",
    ),
    pytest.param(
        '{"msg":"estimation","event_id":"e","rank":2,"queue_size":3,"rank_eta":10.5}',
        Estimation("e", 2, 3, 10.5),
        id="estimation-with-eta",
    ),
    pytest.param(
        '{"msg":"estimation","event_id":"e","rank":2,"queue_size":3,"rank_eta":10}',
        Estimation("e", 2, 3, 10),
        id="estimation-with-whole-seconds",
    ),
    pytest.param('{"msg":"estimation"}', Estimation(None, None, None, None), id="estimation-4.0"),
    pytest.param(
        '{"msg":"process_starts","event_id":"e","eta":1.5}',
        ProcessStarts("e", 1.5),
        id="process_starts",
    ),
    pytest.param(
        '{"msg":"process_generating","event_id":"e","output":{"data":["",[]],"is_generating":true},'
        '"success":true}',
        ProcessGenerating(event_id="e", output=Values(["", []])),
        id="process_generating",
    ),
    pytest.param(
        '{"msg":"process_streaming","event_id":"e","output":{"data":["x"]},"success":true}',
        ProcessStreaming(event_id="e", output=Values(["x"])),
        id="process_streaming",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{"data":["x"]},"success":true}',
        completed(["x"]),
        id="process_completed",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{"data":[]},"success":true,"title":null}',
        completed([]),
        id="process_completed-no-outputs",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{},"success":true}',
        completed(None),
        id="process_completed-cancelled",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{"error":null},"success":false}',
        failed(None, None),
        id="process_completed-without-a-reason",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{"error":"why","title":"T"},'
        '"success":false}',
        failed("why", "T"),
        id="process_completed-with-a-reason",
    ),
    pytest.param(
        '{"msg":"process_completed","event_id":"e","output":{"error":["a"],"title":3},'
        '"success":false}',
        failed(["a"], 3),
        id="process_completed-with-an-odd-reason",
    ),
    pytest.param(
        '{"msg":"log","event_id":"e","log":"line","level":"warning","title":"Warning"}',
        Log("e", "line", "warning", "Warning"),
        id="log",
    ),
    pytest.param('{"msg":"log","event_id":"e"}', Log("e", "", "info", None), id="log-bare"),
    pytest.param(
        '{"msg":"unexpected_error","event_id":null,"message":"404: Not Found","success":false}',
        UnexpectedError("404: Not Found"),
        id="unexpected_error",
    ),
    pytest.param('{"msg":"unexpected_error"}', UnexpectedError(""), id="unexpected_error-bare"),
    pytest.param('{"msg":"heartbeat","event_id":null}', Heartbeat(), id="heartbeat"),
    pytest.param('{"msg": "heartbeat"}', Heartbeat(), id="heartbeat-4.0"),
    pytest.param('{"msg": "queue_full"}', QueueFull(), id="queue_full"),
    pytest.param('{"msg":"close_stream","event_id":null}', CloseStream(), id="close_stream"),
    pytest.param('{"msg":"progress","event_id":"e","progress_data":[]}', Progress(), id="progress"),
    pytest.param('{"msg":"of a later Gradio","event_id":[1]}', None, id="unknown-kind"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_each_kind_becomes_its_value(text: str, expected: AnyMessage | None) -> None:
    assert parse_message(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-short"),
        pytest.param("<html>", id="html"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="list"),
        pytest.param('"msg"', id="string"),
        pytest.param("{}", id="no-msg"),
        pytest.param('{"msg": null}', id="msg-null"),
        pytest.param('{"msg": ["heartbeat"]}', id="msg-list"),
        pytest.param("[" * 100_000, id="too-deep"),
        pytest.param("1" * 5_000, id="too-long-a-number"),
    ],
)
def test_a_malformed_event_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(ProtocolError, match="message of the stream") as caught:
        parse_message(text)

    assert repr(text[:200]) in str(caught.value)


def message(kind: str, **fields: Any) -> str:
    return json.dumps({"msg": kind, **fields})


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (message("estimation", event_id=1), "event_id"),
        (message("estimation", rank="0"), "rank"),
        (message("estimation", rank=True), "rank"),
        (message("estimation", queue_size=1.5), "queue_size"),
        (message("estimation", rank_eta="soon"), "rank_eta"),
        (message("process_starts", eta=[]), "eta"),
        (message("process_generating"), "output"),
        (message("process_generating", output=[]), "output"),
        (message("process_generating", output={}), "output.data"),
        (message("process_generating", output={"data": {}}), "output.data"),
        (message("process_generating", output={"data": []}, event_id=1), "event_id"),
        (message("process_completed", success=True), "output"),
        (message("process_completed", success=True, output=None), "output"),
        (message("process_completed", output={"data": []}), "success"),
        (message("process_completed", success="yes", output={"data": []}), "success"),
        (message("process_completed", success=True, output={"data": "x"}), "output.data"),
        (message("log", title=1), "title"),
    ],
)
def test_a_malformed_message_is_an_error_that_names_the_field(text: str, field: str) -> None:
    with pytest.raises(ProtocolError, match=f"[`.]{field.rpartition('.')[2]}`"):
        parse_message(text)


TEXTS = st.text('ab0[]{}":,\\ \n\x00é🙂', max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KINDS = [
    "estimation",
    "process_starts",
    "process_generating",
    "process_streaming",
    "process_completed",
    "log",
    "unexpected_error",
    "heartbeat",
    "queue_full",
    "close_stream",
    "progress",
]
FIELDS = ["event_id", "rank", "queue_size", "rank_eta", "eta", "output", "success", "log", "title"]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_fields_give_a_message_or_a_protocol_error(kind: str, fields: dict[str, Any]) -> None:
    try:
        parsed = parse_message(message(kind, **fields))
    except ProtocolError:
        return

    assert parsed is not None


@given(TEXTS)
def test_any_other_text_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_message(text)


def test_a_call_that_fails_with_nonsense_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match=r"malformed .* at `\$\.output\.data`"):
        decode_event(b'{"data": "x"}', "error")


# Events of /call, which have a name


@pytest.mark.parametrize(
    ("event", "data", "message"),
    [
        pytest.param(
            "generating", '["a"]', ProcessGenerating(output=Values(["a"])), id="generating"
        ),
        pytest.param(
            "complete", '["a"]', ProcessCompleted(success=True, output=Output(["a"])), id="complete"
        ),
        pytest.param(
            "error", "null", ProcessCompleted(success=False, output=Output()), id="error-unsaid"
        ),
        pytest.param(
            "error",
            '{"error": "broke", "title": "Oh"}',
            ProcessCompleted(success=False, output=Output(None, "broke", "Oh")),
            id="error",
        ),
        pytest.param(
            "error",
            '"404: Not Found"',
            ProcessCompleted(success=False, output=Output(None, "404: Not Found")),
            id="error-text",
        ),
        pytest.param("heartbeat", "null", Heartbeat(), id="heartbeat"),
        pytest.param("unheard-of", "1", None, id="unknown"),
    ],
)
def test_an_event_of_call_is_a_message(event: str, data: str, message: Any) -> None:
    assert decode_event(data.encode(), event) == message


@pytest.mark.parametrize(
    ("event", "data"), [("generating", "{}"), ("complete", "null"), ("generating", "no JSON")]
)
def test_a_malformed_event_of_call_is_an_error(event: str, data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_event(data.encode(), event)
