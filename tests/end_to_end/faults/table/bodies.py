"""Streams in a body with a length, and in one that ends with its connection."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Any

from tests.end_to_end.faults.acts import ALL, BEGUN, HALF, ONE, REPLY, TWO, WHOLE
from tests.end_to_end.faults.script import CUT, END, HANG, RESET, http, message, sse
from tests.end_to_end.faults.table.fault import Fault, Text, bad, cut
from tests.scripted_server import append, completed

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
