"""Answers of the wrong kind, malformed, or without an end."""

from __future__ import annotations

from qwen_space import SpaceStatusError
from tests.end_to_end.faults.acts import ALL, HTML, JOINED, REPLY
from tests.end_to_end.faults.script import CUT, END, Endless, http, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, Text, bad, cut
from tests.scripted_server import EVENT_ID

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
    # A `/config` that is too large to read is passed over, as a missing one is.
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
