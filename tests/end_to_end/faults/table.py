"""The table of faults: the server's acts, and the outcome for every caller.

A reply is complete and exact, or a typed error that carries the text so far. Where that leaves a
choice, the comment says why it was made so.
"""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qwen_space import (
    AuthenticationError,
    JobError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
    Timeouts,
)
from tests.end_to_end.faults.script import (
    CUT,
    END,
    HANG,
    RESET,
    STOP_LISTENING,
    Endless,
    Pause,
    Raw,
    Script,
    http,
    message,
    sse,
)
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    append,
    completed,
    estimation,
    failed,
    generating,
    starts,
)

__all__ = ["FAULTS", "Fails", "Fault", "Text"]


# Outcomes


@dataclass(frozen=True)
class Text:
    """The reply is complete.

    Attributes:
        text: It.
        added: The text of a stream that can only add; None is the same.
    """

    text: str
    added: str | None = None


@dataclass(frozen=True)
class Fails:
    """An error is raised.

    Attributes:
        error: Its exact class in the core.
        text: The part of the reply that had arrived; None where that depends.
        says: Words of its message.
    """

    error: type[QwenSpaceError]
    text: str | None = ""
    says: str = ""


# Acts of the server

HTML = "<!DOCTYPE html><html><title>Sorry</title></html>"
NO_CONFIG = http(404, {"detail": "Not Found"})  # then the public Space's figures are taken
GRADIO = http(200, CONFIG)
JOINED = http(200, {"event_id": EVENT_ID})
CLOSE = {"msg": "close_stream", "event_id": None}
BEAT = {"msg": "heartbeat", "event_id": None}

ONE, TWO, THREE = generating("one "), append("two "), append("three")
ALL = "one two three"
BEGUN = estimation(), starts()
DONE = completed(ALL), CLOSE
REPLY = *BEGUN, ONE, TWO, THREE, *DONE

PATIENT = Timeouts(connect=20, first_token=20, silence=20)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: The fault.
        outcome: The outcome for every caller.
        config: The answer to `/config`.
        join: The answer to `/queue/join`.
        data: The answer to `/queue/data`.
        again: Its next answer, as where a job is given up; None for the same.
        others: The answers to further paths.
        prompts: How often the server got the prompt.
        streams: How often the session's stream was asked for; more than once where a job is given
            up by that, as its own stream had not opened. None is for "it depends".
        limits: The time limits.
        options: Further options of the client.
        at_once: How many callers may meet with it at once; fewer where it is large.
    """

    name: str
    outcome: Text | Fails
    config: Script = (GRADIO,)
    join: Script = (JOINED,)
    data: Script = field(default_factory=lambda: sse(*REPLY, END))
    again: Script | None = None
    others: dict[str, Script] = field(default_factory=dict)
    prompts: int = 1
    streams: int | None = 1
    limits: Timeouts = PATIENT
    options: dict[str, Any] = field(default_factory=dict)
    at_once: int = 12


def cut(text: str | None = "", says: str = "") -> Fails:
    return Fails(StreamInterruptedError, text, says)


def bad(text: str | None = "", says: str = "") -> Fails:
    return Fails(ProtocolError, text, says)


def refusing(
    status: int, body: Any, error: type[QwenSpaceError], says: str = "", kind: str = ""
) -> list[Fault]:
    """Return the faults of a request that is refused: the join, and the stream.

    After a join that was refused as unknown, `/call` is tried, which is unknown here too. One that
    ended in a status of 5xx may have been accepted behind a proxy: it is given up.
    """
    kind = kind or ("html" if isinstance(body, str) else "json")
    answer = [http(status, body)]
    outcome = Fails(error, "", says)
    prompts, streams = 1 + (status in {404, 405}), int(status >= 500)
    return [
        Fault(f"join-{status}-{kind}", outcome, join=answer, prompts=prompts, streams=streams),
        Fault(f"data-{status}-{kind}", outcome, data=answer, streams=2),
    ]


# Connections

CONNECTIONS = [
    Fault("config-is-reset", cut(), config=[RESET], prompts=0, streams=0),
    Fault("config-is-cut", cut(), config=[CUT], prompts=0, streams=0),
    Fault("config-is-cut-in-its-head", cut(), config=[GRADIO[:30], CUT], prompts=0, streams=0),
    Fault(
        "config-is-cut-in-its-body",
        cut(),
        config=[GRADIO[:-40], CUT],
        prompts=0,
        streams=0,
    ),
    Fault(
        "config-is-reset-in-its-body",
        cut(),
        config=[GRADIO[:-40], RESET],
        prompts=0,
        streams=0,
    ),
    Fault(
        "join-is-refused-by-the-system",
        Fails(SpaceUnreachableError, says="refused"),
        config=[STOP_LISTENING, http(200, CONFIG, Connection="close"), CUT],
        prompts=0,
        streams=0,
    ),
    # Each of these may have been accepted, so the session's stream is opened and closed.
    Fault("join-is-reset", cut(), join=[RESET]),
    Fault("join-is-cut", cut(), join=[CUT]),
    Fault("join-is-cut-in-its-head", cut(), join=[JOINED[:30], CUT]),
    Fault("join-is-cut-in-its-body", cut(), join=[JOINED[:-5], CUT]),
    Fault("join-is-reset-in-its-body", cut(), join=[JOINED[:-5], RESET]),
    Fault(
        "data-is-refused-by-the-system",
        Fails(SpaceUnreachableError, says="refused"),
        join=[STOP_LISTENING, http(200, {"event_id": EVENT_ID}, Connection="close"), CUT],
        streams=0,
    ),
    Fault("data-is-reset", cut(), data=[RESET], streams=None),
    Fault("data-is-cut", cut(), data=[CUT], streams=None),
    Fault("data-is-cut-in-its-head", cut(), data=[sse()[0][:40], CUT], streams=None),
    Fault("data-is-reset-in-its-head", cut(), data=[sse()[0][:40], RESET], streams=None),
]

# Answers that refuse

FULL = {"detail": "Queue is full. Max size is 1 and size is 1."}

# A function's `validator`, in Gradio 5.50 and 6.31; each parameter has an item.
INVALID = {
    "detail": [
        {"is_valid": False, "message": "Be polite, please", "parameter_name": "query"},
        {"is_valid": True, "message": "", "parameter_name": "history"},
    ]
}

REFUSALS = [
    *refusing(401, {"detail": "Not authenticated"}, AuthenticationError, "Not authenticated"),
    *refusing(
        401,
        {"detail": {"error": "Not for you"}},
        AuthenticationError,
        "Not for you",
        kind="gradio-5",
    ),
    *refusing(403, HTML, AuthenticationError),
    *refusing(404, {"detail": "Not Found"}, SpaceStatusError, "HTTP 404"),
    *refusing(404, HTML, SpaceStatusError, "HTTP 404"),
    *refusing(405, {"detail": "Method Not Allowed"}, SpaceStatusError, "HTTP 405"),
    *refusing(405, HTML, SpaceStatusError, "HTTP 405"),
    *refusing(422, {"detail": [{"type": "missing"}]}, SpaceStatusError, "missing"),
    *refusing(422, HTML, SpaceStatusError, "HTTP 422"),
    *refusing(422, INVALID, JobError, "Be polite", kind="validator"),
    *refusing(429, {"detail": "Slow down"}, QuotaError, "Slow down"),
    *refusing(429, HTML, QuotaError, "HTTP 429"),
    *refusing(500, {"detail": "Oh"}, SpaceStatusError, "Oh"),
    *refusing(500, "Internal Server Error", SpaceStatusError, "Internal Server Error"),
    *refusing(502, {"detail": "Bad gateway"}, SpaceUnavailableError, "Bad gateway"),
    *refusing(502, HTML, SpaceUnavailableError, "HTTP 502"),
    *refusing(503, {"detail": "Queue is stopped."}, SpaceUnavailableError, "Queue is stopped"),
    *refusing(503, HTML, SpaceUnavailableError, "HTTP 503"),
    *refusing(504, HTML, SpaceUnavailableError, "HTTP 504"),
    # A validator that raises, as in Gradio 5.50 and 6.31
    *(
        Fault(
            f"validator-{name}",
            Fails(JobError, says=says),
            join=[http(400, {"detail": raised})],
            streams=0,
        )
        for name, raised, says in (
            ("raises", "No key is set", "not take this input: No key is set"),
            ("raises-a-gradio-error", "'Log in first'", "not take this input: Log in first"),
            ("raises-nothing", "", "does not say why"),
        )
    ),
    Fault(
        "queue-is-full",
        Fails(QueueFullError, says="Max size is 1"),
        join=[http(503, FULL)],
        streams=0,
    ),
    Fault(
        "queue-is-full-says-the-stream",
        Fails(QueueFullError),
        data=sse({"msg": "queue_full"}, HANG),
    ),
    # The body says why the status came, as far as it arrives.
    Fault(
        "queue-is-full-says-a-body-in-two-packets",
        Fails(QueueFullError, says="Max size is 1"),
        join=[http(503, FULL)[:-20], Pause(), http(503, FULL)[-20:]],
        streams=0,
    ),
    Fault(
        "join-is-refused-and-cut",
        Fails(SpaceStatusError, says="HTTP 400: 'Bad'"),
        join=[http(400, "Bad", Content_Length="99"), Pause(), CUT],
        streams=0,
    ),
    Fault(
        "join-is-refused-and-reset",
        Fails(SpaceStatusError, says="HTTP 400"),
        join=[http(400, "Bad", Content_Length="99"), Pause(), RESET],
        streams=0,
    ),
]

# Answers that are none

ANSWERS = [
    Fault("join-is-html", bad(says="JSON"), join=[http(200, HTML)]),
    Fault("join-has-no-event-id", bad(says="event_id"), join=[http(200, {})]),
    Fault("join-has-null-for-an-event-id", bad(), join=[http(200, {"event_id": None})]),
    Fault("join-has-another-status", Fails(SpaceStatusError), join=[http(202, {"event_id": "e"})]),
    Fault("join-has-a-number-for-an-event-id", bad(), join=[http(200, {"event_id": 7})]),
    Fault("join-is-a-list", bad(), join=[http(200, ["e"])]),
    Fault("join-is-no-json", bad(), join=[http(200, b'{"event_id": ')]),
    Fault("join-is-no-http", bad(says="HTTP"), join=[b"+OK hello\r\n\r\n", CUT]),
    Fault("join-has-no-body", Fails(SpaceStatusError, says="HTTP 204"), join=[http(204)]),
    Fault(
        "join-is-gzip-that-is-none",
        bad(says="HTTP"),
        join=[http(200, b"{}", Content_Encoding="gzip")],
    ),
    Fault(
        "join-is-longer-than-it-says",
        bad(says="HTTP"),
        join=[JOINED + b"and more", CUT],
    ),
    Fault(
        "join-is-shorter-than-it-says",
        cut(),
        join=[http(200, {"event_id": EVENT_ID}, Content_Length="99"), CUT],
    ),
    Fault(
        "join-ends-with-its-connection",
        Text(ALL),
        join=[http(200, {"event_id": EVENT_ID}, Content_Length=None), CUT],
    ),
    Fault(
        "join-is-of-http-1-0",
        Text(ALL),
        join=[JOINED.replace(b"HTTP/1.1", b"HTTP/1.0"), CUT],
    ),
    Fault(
        "join-comes-after-a-hint",
        Text(ALL),
        join=[b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + JOINED],
    ),
    Fault(
        "join-is-to-go-on",
        Text(ALL),
        join=[b"HTTP/1.1 100 Continue\r\n\r\n" + JOINED],
    ),
    Fault(
        "join-switches-protocols",
        Fails(SpaceStatusError, says="HTTP 101"),
        join=[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ),
    Fault(
        "join-has-a-header-without-end",
        bad(),
        join=[b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", CUT],
    ),
    Fault(
        "join-has-headers-without-end",
        bad(),
        join=[b"HTTP/1.1 200 OK\r\n", Endless(b"X-Header: x\r\n" * 100)],
    ),
    Fault("join-has-a-bad-header", bad(), join=[b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", CUT]),
    Fault(
        "join-has-two-lengths",
        bad(),
        join=[http(200, {"event_id": EVENT_ID}, Content_length="3")],
    ),
    # It is of no use, as one that is not there.
    Fault(
        "config-has-no-end",
        Text(ALL),
        config=[http(200, {}, Content_Length=None)[:-1], Endless(b'"a": 1,' * 1000)],
        options={"max_size": 50_000},
    ),
    Fault(
        "join-has-no-end",
        bad(says="max_size"),
        join=[http(200, {}, Content_Length=None)[:-1], Endless(b'"a": 1,' * 1000)],
        options={"max_size": 50_000},
    ),
    Fault(
        "join-refuses-without-end",
        Fails(SpaceStatusError, says="aaa"),
        join=[http(400, "", Content_Length=None), Endless(b"a" * 1000)],
        streams=0,
    ),
    Fault("data-is-html", bad(says="text/html"), data=[http(200, HTML)], streams=2),
    Fault(
        "data-is-json",
        bad(says="application/json"),
        data=[http(200, {"error": "no"})],
        streams=2,
    ),
    Fault("data-is-no-http", bad(says="HTTP"), data=[b"+OK hello\r\n\r\n", CUT], streams=2),
    Fault("data-is-204", Fails(SpaceStatusError), data=[http(204)], streams=2),
    # Without a type it may be a stream of events all the same.
    Fault("data-has-no-type", Text(ALL), data=sse(*REPLY, END, Content_Type=None)),
    Fault(
        "data-has-a-type-in-capitals",
        Text(ALL),
        data=sse(*REPLY, END, Content_Type="TEXT/EVENT-STREAM"),
    ),
]

# The stream breaks


def broken(name: str, outcome: Fails, *last: Any, counts: Sequence[int] = (0, 2)) -> list[Fault]:
    """Return a fault of the stream, after some counts of pieces of the text.

    Args:
        name: The fault.
        outcome: The outcome, but for the text.
        last: The bytes after the pieces.
        counts: How many pieces there are.
    """
    return [
        Fault(
            f"{name}-after-{count}-pieces",
            Fails(outcome.error, None if outcome.text is None else text, outcome.says),
            data=sse(*BEGUN, *(ONE, TWO, THREE)[:count], *last),
            streams=None if outcome.text is None else 1,
        )
        for count in counts
        for text in ["".join(["one ", "two ", "three"][:count])]
    ]


def without(item: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != key}


def editing(edits: Any) -> dict[str, Any]:
    """Return a message with edits of the chat."""
    return append("") | {"output": {"data": [[], edits, []]}}


BREAKS = [
    *broken("stream-is-cut", cut(), CUT, counts=range(4)),
    # A reset takes along bytes that the system has not handed out yet.
    *broken("stream-is-reset", cut(), Pause(), RESET, counts=range(4)),
    *broken("stream-ends", cut(says="closed"), END, counts=range(4)),
    *broken("stream-is-closed", cut(), CLOSE, HANG),
    *broken("stream-is-cut-in-a-message", cut(), message(TWO)[:50], CUT),
    *broken("stream-is-reset-in-a-message", cut(), message(TWO)[:50], Pause(), RESET),
    *broken("stream-is-cut-in-an-emoji", cut(), 'data: {"msg": "🙂'.encode()[:-2], CUT),
    *broken("stream-ends-in-a-message", cut(), message(TWO)[:-1], END),
    *broken("stream-fails", cut(says="Oh"), {"msg": "unexpected_error", "message": "Oh"}, HANG),
    *broken(
        "session-is-not-found",
        cut(says="Session not found"),
        {"msg": "unexpected_error", "message": "404: Session not found.", "event_id": None},
        CUT,
    ),
    *broken(
        "server-stops",
        cut(says="Server stopped unexpectedly"),
        {"msg": "server_stopped", "message": "Server stopped unexpectedly."},
        CUT,
    ),
    *broken("line-is-no-json", bad(says="JSON"), b"data: garbage\n\n", HANG),
    *broken("line-is-half-a-json", bad(says="JSON"), b'data: {"msg":\n\n', HANG),
    *broken("line-is-json-of-something-else", bad(says="msg"), b"data: [1]\n\n", HANG),
    *broken("line-is-not-utf-8", bad(says="UTF-8"), b"data: \xff\n\n", HANG),
    *broken(
        "line-has-half-an-emoji",
        bad(says="UTF-8"),
        message(TWO).replace(b"two", "🙂".encode()[:2]),
        HANG,
    ),
    *broken(
        "text-has-half-a-surrogate-pair",
        bad(says="surrogate"),
        message(TWO).replace(b"two", rb"\ud83d"),
        HANG,
    ),
    *broken("message-lacks-its-output", bad(says="output"), {"msg": "process_generating"}, HANG),
    *broken(
        "edit-is-nowhere", bad(says="path"), editing([["append", [7, 1], "x"]]), HANG, counts=[1]
    ),
    *broken(
        "edit-is-below-a-text", bad(), editing([["add", [0, 1, "text", 0], 1]]), HANG, counts=[1]
    ),
    *broken("edit-counts-from-the-end", bad(), editing([["delete", [-1], None]]), HANG, counts=[1]),
    *broken("edit-is-unknown", bad(), editing([["invert", [0, 1], "x"]]), HANG, counts=[1]),
    *broken("edit-is-none", bad(), editing([7]), HANG, counts=[1]),
    *broken("edits-are-a-text", bad(says="edits"), editing("x"), HANG, counts=[1]),
    *broken(
        "output-is-too-short", bad(says="outputs"), append("x") | {"output": {"data": []}}, HANG
    ),
    *broken("value-is-of-no-shape", bad(), generating("x") | {"output": {"data": ["", 7]}}, HANG),
    *broken("job-fails", Fails(JobError, says="planned"), failed("planned"), CLOSE, END),
    *broken("job-fails-silently", Fails(JobError, says="does not say why"), failed(None), HANG),
    *broken(
        "job-is-cancelled", Fails(JobError, says="cancelled"), completed("") | {"output": {}}, HANG
    ),
    *broken(
        "quota-is-used-up", Fails(QuotaError), failed("You have exceeded your GPU quota"), HANG
    ),
    *broken(
        "completion-lacks-success", bad(says="success"), without(completed(ALL), "success"), HANG
    ),
]

# HTTP itself is broken: aiohttp gives up all that came in the same packet as the fault.
NO_HTTP = [
    *broken("chunk-has-no-size", bad(None, "HTTP"), Raw(b"huh\r\n"), HANG),
    *broken("chunk-has-no-size-later", bad(None, "HTTP"), Pause(), Raw(b"huh\r\n"), HANG),
    Fault(
        "join-has-a-chunk-without-a-size-later",
        bad(says="HTTP"),
        join=[*sse(b'{"event_id"'), Pause(), b"huh\r\n", HANG],
    ),
    *broken("chunk-has-a-negative-size", bad(None, "HTTP"), Raw(b"-1\r\n"), HANG),
    *broken("chunk-is-too-long", bad(None, "HTTP"), Raw(b"1\r\n" + message(BEAT)), HANG),
    *broken("chunk-is-too-short", cut(), Raw(b"999\r\n" + message(BEAT)), CUT),
]

# A body with a length, and one that ends with its connection

WHOLE = b"".join(map(message, REPLY))
HALF = b"".join(map(message, (*BEGUN, ONE, TWO)))
TO_THE_END = {"Content_Length": None, "Connection": "close"}


def gzipped(items: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return messages as a compressed stream, in pieces that can be read one by one."""
    squeeze = zlib.compressobj(wbits=31)
    pieces = [squeeze.compress(message(each)) + squeeze.flush(zlib.Z_SYNC_FLUSH) for each in items]
    return [*pieces, squeeze.flush()]


BODIES = [
    Fault("body-has-a-length", Text(ALL), data=[http(200, WHOLE)]),
    Fault(
        "body-has-a-length-that-is-too-short",
        bad(None, says="HTTP"),
        data=[http(200, HALF + WHOLE, Content_Length=str(len(HALF)))],
        streams=None,
    ),
    Fault(
        "body-has-a-length-that-is-too-long",
        cut("one two "),
        data=[http(200, HALF, Content_Length="9999"), CUT],
    ),
    # The reply is complete with its last message, whatever comes of the rest of the body.
    Fault(
        "reply-has-a-length-that-is-too-long",
        Text(ALL),
        data=[http(200, WHOLE, Content_Length="9999"), CUT],
    ),
    Fault("body-ends-with-its-connection", Text(ALL), data=[http(200, WHOLE, **TO_THE_END), CUT]),
    Fault(
        "half-a-body-ends-with-its-connection",
        cut("one two "),
        data=[http(200, HALF, **TO_THE_END), CUT],
    ),
    Fault(
        "body-is-of-http-1-0",
        Text(ALL),
        data=[http(200, WHOLE, **TO_THE_END).replace(b"HTTP/1.1", b"HTTP/1.0"), CUT],
    ),
    Fault("body-is-empty", cut(), data=[http(200, b"")]),
    Fault(
        "body-is-gzip", Text(ALL), data=[http(200, gzip.compress(WHOLE), Content_Encoding="gzip")]
    ),
    Fault(
        "body-is-gzip-in-chunks", Text(ALL), data=sse(*gzipped(REPLY), END, Content_Encoding="gzip")
    ),
    Fault(
        "body-is-gzip-that-is-cut",
        cut("one two "),
        data=sse(*gzipped((*BEGUN, ONE, TWO))[:-1], CUT, Content_Encoding="gzip"),
    ),
    Fault(
        "body-is-gzip-that-is-none",
        bad(says="HTTP"),
        data=sse(*REPLY, END, Content_Encoding="gzip"),
    ),
    Fault("reply-is-cut-after-its-end", Text(ALL), data=sse(*REPLY, CUT)),
    Fault("reply-is-reset-after-its-end", Text(ALL), data=sse(*REPLY, RESET)),
    Fault("reply-hangs-after-its-end", Text(ALL), data=sse(*REPLY, HANG)),
    Fault(
        "reply-goes-on-after-its-end",
        Text(ALL),
        data=sse(*REPLY, append("more"), completed("else"), END),
    ),
]

# The grammar of the stream


def spelled(name: str, *chunks: bytes) -> Fault:
    """Return a way to spell the reply, in which everything is said."""
    return Fault(name, Text(ALL), data=sse(*chunks, END))


def in_lines(ending: bytes, *around: bytes) -> bytes:
    """Return the reply with another end of the lines, and further lines in each event."""
    lines = [b"\n".join([*around, message(each)]) for each in REPLY]
    return b"".join(lines).replace(b"\n", ending)


def in_bytes(*items: dict[str, Any]) -> list[bytes]:
    """Return messages in raw UTF-8, byte by byte."""
    whole = b"".join(
        b"data: %s\n\n" % json.dumps(each, ensure_ascii=False).encode() for each in items
    )
    return [bytes([each]) for each in whole]


def after(question: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return a message in which the user has asked something."""
    twin: dict[str, Any] = copy.deepcopy(item)
    twin["output"]["data"][1][0][0]["text"] = question
    return twin


def over_lines(item: dict[str, Any]) -> bytes:
    """Return a message whose JSON has a line for each value."""
    lines = json.dumps(item, indent=1).encode().split(b"\n")
    return b"".join(b"data:%s\n" % line for line in lines) + b"\n"


GRAMMAR = [
    spelled("lines-end-in-crlf", in_lines(b"\r\n")),
    spelled("lines-end-in-cr", in_lines(b"\r")),
    spelled("lines-are-commented", in_lines(b"\n", b": hello", b":")),
    spelled("events-have-names", in_lines(b"\n", b"event: message", b"id: 7", b"retry: 10")),
    spelled("events-have-unknown-fields", in_lines(b"\n", b"other: x", b"x")),
    spelled(
        "events-of-other-names-come-between", in_lines(b"\n", b"event: ping", b"data: now", b"")
    ),
    spelled("stream-begins-with-a-byte-order-mark", b"\xef\xbb\xbf" + WHOLE),
    spelled("events-have-several-lines", *map(over_lines, REPLY)),
    spelled("bytes-come-one-by-one", *(WHOLE[i : i + 1] for i in range(len(WHOLE)))),
    spelled("bytes-come-one-by-one-with-crlf", *(bytes([each]) for each in in_lines(b"\r\n"))),
    spelled("all-comes-at-once", WHOLE),
    spelled("blank-lines-come-between", WHOLE.replace(b"\n\n", b"\n\n\n\n")),
    Fault(
        "last-message-is-unfinished",
        cut(ALL),
        data=sse(*BEGUN, ONE, TWO, THREE, message(completed(ALL))[:-1], END),
    ),
    Fault(
        "emoji-comes-in-bytes",
        Text("🙂你"),
        data=sse(*in_bytes(generating("🙂"), append("你"), completed("🙂你")), END),
    ),
    Fault(
        "text-has-other-line-ends",
        Text("a\u2028b\x85c\x00d\re"),
        data=sse(*in_bytes(completed("a\u2028b\x85c\x00d\re")), END),
    ),
    Fault(
        "line-of-20-megabytes",
        Text(ALL),
        data=sse(*BEGUN, after("x" * 20_000_000, ONE), TWO, THREE, completed(ALL), END),
        at_once=3,
    ),
    Fault(
        "line-without-end",
        bad("one ", "max_size"),
        data=sse(*BEGUN, ONE, Endless(b"x" * 10_000)),
        options={"max_size": 100_000},
    ),
    Fault(
        "event-without-end",
        bad("one ", "max_size"),
        data=sse(*BEGUN, ONE, Endless(b"data: x\n" * 1_000)),
        options={"max_size": 100_000},
    ),
    Fault(
        "text-without-end",
        bad(None, "max_size"),
        data=sse(*BEGUN, ONE, Endless(message(append("x" * 1_000)))),
        options={"max_size": 100_000},
    ),
]

# Wrong messages


def said(name: str, outcome: Text | Fails, *items: Any) -> Fault:
    """Return a fault of the messages; the stream stays open after them."""
    return Fault(name, outcome, data=sse(*items, HANG))


OTHER = {"event_id": "f" * 32}

MESSAGES = [
    said("kind-is-unknown", Text(ALL), {"msg": "who_knows", "data": 1}, *REPLY),
    said("heartbeats-come-between", Text(ALL), *(each for item in REPLY for each in (BEAT, item))),
    said(
        "app-says-something-beside",
        Text(ALL),
        *BEGUN,
        {"msg": "log", "log": "x", "level": "info"},
        {"msg": "progress", "progress_data": []},
        *REPLY[2:],
    ),
    said(
        "others-are-in-the-stream",
        Text(ALL),
        *BEGUN,
        ONE,
        *(each | OTHER for each in (generating("no"), append("no"), completed("no"), failed("no"))),
        TWO,
        THREE,
        *DONE,
    ),
    said("messages-have-no-event-id", Text(ALL), *(each | {"event_id": None} for each in REPLY)),
    said("queue-is-said-twice", Text(ALL), estimation(3), estimation(0), *REPLY),
    said(
        "yields-repeat",
        Text("one one one "),
        *BEGUN,
        ONE,
        append("one "),
        append("one "),
        completed("one one one "),
    ),
    said(
        "yields-are-empty",
        Text(ALL),
        *BEGUN,
        generating(""),
        append(""),
        editing([]),
        append("one "),
        TWO,
        THREE,
        *DONE,
    ),
    said(
        "pieces-look-like-edits",
        Text("[0, 1]append"),
        *BEGUN,
        generating("[0, 1]"),
        append("append"),
        completed("[0, 1]append"),
    ),
    said("completion-without-a-generation", Text(ALL), *BEGUN, completed(ALL)),
    said("completion-without-anything-before", Text(ALL), completed(ALL)),
    said("completion-is-empty", Text(""), *BEGUN, completed("")),
    said(
        "completion-has-null",
        Text(""),
        *BEGUN,
        completed("") | {"output": {"data": [None, None, None]}},
    ),
    said(
        "completion-has-null-after-text",
        Text(ALL),
        *REPLY[:-2],
        completed("") | {"output": {"data": [None, None, None]}},
    ),
    said("completion-says-more", Text("one two"), *BEGUN, ONE, completed("one two")),
    # Text that was handed out cannot be taken back; the final text is the server's.
    said(
        "completion-says-less", Text("one ", added=ALL), *BEGUN, ONE, TWO, THREE, completed("one ")
    ),
    said(
        "completion-says-something-else",
        Text("one 2", added="one two 2"),
        *BEGUN,
        ONE,
        TWO,
        completed("one 2"),
    ),
    said(
        "completion-has-other-white-space",
        Text("one\ntwo", added="one two"),
        *BEGUN,
        ONE,
        append("two"),
        completed("one\ntwo"),
    ),
    said(
        "text-is-rewritten",
        Text("no three", added="one no three"),
        *BEGUN,
        ONE,
        editing([["replace", [0, 1, "text"], "no "]]),
        THREE,
        completed("no three"),
    ),
    said("failure-has-text", Fails(JobError, "one ", "planned"), *BEGUN, ONE, failed("planned")),
    said("failure-comes-first", Fails(JobError, "", "planned"), failed("planned")),
    said(
        "completion-follows-a-failure",
        Fails(JobError, "one "),
        *BEGUN,
        ONE,
        failed("planned"),
        completed(ALL),
    ),
    # The data that the queue of Gradio 4.0 to 4.8 asks for was sent already.
    said(
        "arguments-are-asked-for-again",
        Text(ALL),
        {"msg": "send_data", "event_id": EVENT_ID},
        *REPLY,
    ),
]

# Other ways in: no `/config`, `/call`, and the queue of Gradio 4.0 to 4.8

CLOSED = [http(404, {"detail": "Not Found"})]
CALLED = [http(200, {"event_id": "c"})]


def call(name: str, outcome: Text | Fails, post: Script, get: Script = (), **more: Any) -> Fault:
    """Return a fault of `/call`, which is taken where the queue is closed."""
    others = {"/call/chat": post, "/call/chat/c": get}
    return Fault(name, outcome, join=CLOSED, others=others, prompts=2, streams=0, **more)


def of_call(kind: str, value: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps(value).encode())


SAID_1 = of_call("generating", generating("one ")["output"]["data"])
SAID_3 = of_call("complete", generating(ALL)["output"]["data"])

CALLS = [
    call("call", Text(ALL), CALLED, sse(SAID_1, SAID_3, END)),
    call("call-is-closed-too", Fails(SpaceStatusError, "", "/queue/join"), CLOSED),
    # Its job has no name yet, so it cannot be given up.
    call("call-is-cut", cut(), [CUT]),
    call("call-has-no-event-id", bad(says="event_id"), [http(200, {})]),
    call("call-is-busy", Fails(SpaceUnavailableError), [http(503, HTML)]),
    call("call-s-stream-is-refused", Fails(SpaceStatusError), CALLED, [http(500, HTML)]),
    call("call-s-stream-is-html", bad(says="text/html"), CALLED, [http(200, HTML)]),
    call("call-s-stream-is-cut", cut("one "), CALLED, sse(SAID_1, CUT)),
    call("call-s-stream-ends", cut("one "), CALLED, sse(SAID_1, END)),
    call("call-s-value-is-none", bad("one "), CALLED, sse(SAID_1, of_call("generating", 7), HANG)),
    call(
        "call-s-value-is-no-json",
        bad("one "),
        CALLED,
        sse(SAID_1, b"event: complete\ndata: no\n\n", HANG),
    ),
    call("call-fails", Fails(JobError, "one "), CALLED, sse(SAID_1, of_call("error", None), END)),
    call(
        "call-fails-and-says-why",
        Fails(JobError, "one ", "planned"),
        CALLED,
        sse(SAID_1, of_call("error", {"error": "planned"}), END),
    ),
    call("call-beats", Text(ALL), CALLED, sse(SAID_1, of_call("heartbeat", None), SAID_3, HANG)),
    call(
        "call-has-events-of-other-names",
        Text(ALL),
        CALLED,
        sse(SAID_1, b"event: ping\ndata: now\n\n", SAID_3, HANG),
    ),
]

ASKS = {"msg": "send_data", "event_id": EVENT_ID}
FULL_VALUES = [generating("one "), generating("one two "), generating(ALL), completed(ALL)]


def old(name: str, outcome: Text | Fails, join: Script, data: Script = (), **more: Any) -> Fault:
    """Return a fault of the old queue, whose join is the stream and asks for the arguments."""
    config = [http(200, CONFIG | {"version": "4.1.0", "protocol": "sse"})]
    more = {"streams": None} | more
    return Fault(name, outcome, config=config, join=join, data=data or [http(200, {})], **more)


OLD = [
    old("old-queue", Text(ALL), sse(*BEGUN, ASKS, *FULL_VALUES, END)),
    old("old-queue-is-closed", Fails(SpaceStatusError), CLOSED, prompts=0),
    old("old-queue-is-full", Fails(QueueFullError), sse({"msg": "queue_full"}, END), prompts=0),
    old("old-queue-is-cut-before-it-asks", cut(), sse(estimation(), CUT), prompts=0),
    old("old-queue-is-cut-later", cut("one "), sse(*BEGUN, ASKS, ONE, CUT)),
    old("old-queue-asks-twice", Text(ALL), sse(ASKS, ASKS, *FULL_VALUES, END)),
    old(
        "old-queue-refuses-what-it-asked-for",
        Fails(SpaceStatusError),
        sse(ASKS, HANG),
        [http(500, HTML)],
    ),
    old("old-queue-s-answer-is-lost", cut(), sse(ASKS, HANG), [CUT]),
]

CONFIGS = [
    Fault("config-is-missing", Text(ALL), config=[NO_CONFIG]),
    Fault("config-is-not-for-get", Text(ALL), config=[http(405, HTML)]),
    Fault("config-is-html", Text(ALL), config=[http(200, HTML)]),
    Fault("config-fails", Fails(SpaceStatusError), config=[http(500, HTML)], prompts=0, streams=0),
    Fault(
        "config-is-busy",
        Fails(SpaceUnavailableError),
        config=[http(503, HTML)],
        prompts=0,
        streams=0,
    ),
    Fault("config-is-limited", Fails(QuotaError), config=[http(429, HTML)], prompts=0, streams=0),
    Fault("config-is-of-something-else", bad(), config=[http(200, {"a": 1})], prompts=0, streams=0),
    Fault(
        "config-comes-late-in-pieces", Text(ALL), config=[GRADIO[:10], GRADIO[10:90], GRADIO[90:]]
    ),
]

# Redirects: of all requests, only that for `/config` is followed, and only within the host


def moved(status: int, path: str) -> bytes:
    return http(status, "", Location=path)


REDIRECTS = [
    Fault(
        "config-moves-on-its-host",
        Text(ALL),
        config=[moved(308, "/app/config")],
        others={
            "/app/config": [GRADIO],
            "/app/queue/join": [JOINED],
            "/app/queue/data": sse(*REPLY, END),
        },
        streams=0,
    ),
    Fault(
        "config-moves-away",
        Fails(SpaceStatusError, says="moved to http://127.0.0.1:1/"),
        config=[moved(302, "http://127.0.0.1:1/config")],
        prompts=0,
        streams=0,
    ),
    Fault(
        "config-moves-in-a-circle",
        Fails(SpaceStatusError, says="moved to"),
        config=[moved(302, "/config")],
        prompts=0,
        streams=0,
    ),
    *(
        fault
        for status in (301, 302, 303, 307, 308)
        for where, path in (("near", "/queue/join"), ("away", "http://127.0.0.1:1/"))
        for fault in (
            Fault(
                f"join-moves-{where}-{status}",
                Fails(SpaceStatusError, says=f"moved to {path}"),
                join=[moved(status, path)],
                streams=0,
            ),
            Fault(
                f"data-moves-{where}-{status}",
                Fails(SpaceStatusError, says=f"moved to {path}"),
                data=[moved(status, path)],
                streams=2,
            ),
        )
    ),
]

# Time limits


def late(name: str, limit: str, text: str = "", seconds: float = 0.6, **more: Any) -> Fault:
    """Return a fault that ends in a time limit, which the message names with its remedy."""
    says = f"within {seconds:g} seconds. If that is to be expected, raise Timeouts({limit}=...)"
    limits = replace(PATIENT, **{limit: seconds})
    return Fault(name, Fails(SpaceTimeoutError, text, says), limits=limits, **more)


BEATING = Endless(message(BEAT), pause=0.05)

LIMITS = [
    late("config-is-silent", "silence", config=[HANG], prompts=0, streams=0),
    late(
        "config-is-silent-in-its-head", "silence", config=[GRADIO[:30], HANG], prompts=0, streams=0
    ),
    late(
        "config-is-silent-in-its-body", "silence", config=[GRADIO[:-9], HANG], prompts=0, streams=0
    ),
    late("join-is-silent", "silence", join=[HANG]),
    late("join-is-silent-in-its-body", "silence", join=[JOINED[:-9], HANG]),
    late("data-is-silent", "silence", data=[HANG], again=sse(HANG), streams=2),
    late("data-is-silent-after-its-head", "silence", data=sse(HANG)),
    late("stream-is-silent-in-the-queue", "silence", data=sse(estimation(), HANG)),
    late("stream-is-silent-after-a-piece", "silence", "one ", data=sse(*BEGUN, ONE, HANG)),
    late(
        "stream-is-silent-in-a-message",
        "silence",
        "one ",
        data=sse(*BEGUN, ONE, message(TWO)[:50], HANG),
    ),
    late("nothing-but-heartbeats", "first_token", data=sse(BEATING)),
    late("no-token-after-the-start", "first_token", data=sse(*BEGUN, BEATING)),
    late("no-token-but-an-empty-one", "first_token", data=sse(*BEGUN, generating(""), BEATING)),
    late("no-token-and-silence", "first_token", data=sse(*BEGUN, HANG)),
    late(
        "call-has-no-token",
        "first_token",
        join=CLOSED,
        others={
            "/call/chat": CALLED,
            "/call/chat/c": sse(Endless(of_call("heartbeat", None), 0.05)),
        },
        prompts=2,
        streams=0,
    ),
    late("no-end-after-the-first-token", "total", "one ", 2.0, data=sse(*BEGUN, ONE, BEATING)),
    late("no-end-in-the-queue", "total", seconds=2.0, data=sse(estimation(), BEATING)),
    late("no-answer-in-all", "total", seconds=2.0, join=[HANG]),
    late("no-config-in-all", "total", config=[HANG], prompts=0, streams=0),
    late("no-stream-in-all", "total", seconds=2.0, data=[HANG], again=sse(HANG), streams=2),
]

FAULTS = [
    *CONNECTIONS,
    *CONFIGS,
    *REFUSALS,
    *ANSWERS,
    *BREAKS,
    *NO_HTTP,
    *BODIES,
    *GRAMMAR,
    *MESSAGES,
    *CALLS,
    *OLD,
    *REDIRECTS,
    *LIMITS,
]
