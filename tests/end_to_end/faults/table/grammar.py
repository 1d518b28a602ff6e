"""The grammar of the stream."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.end_to_end.faults.acts import ALL, BEGUN, ONE, REPLY, THREE, TWO, WHOLE
from tests.end_to_end.faults.script import END, Endless, message, sse
from tests.end_to_end.faults.table.fault import Fault, Text, bad, cut
from tests.scripted_server import append, completed, generating


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
