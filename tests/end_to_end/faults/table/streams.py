"""Streams that break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_space import JobError, QuotaError
from tests.end_to_end.faults.acts import ALL, BEAT, BEGUN, CLOSE, ONE, THREE, TWO, editing
from tests.end_to_end.faults.script import CUT, END, HANG, RESET, Pause, Raw, message, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, bad, cut
from tests.scripted_server import append, completed, failed, generating


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
