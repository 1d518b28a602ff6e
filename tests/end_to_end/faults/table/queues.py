"""Other ways in: `/call`, and the queue of Gradio 4.0 to 4.8."""

from __future__ import annotations

from typing import Any

from qwen_space import JobError, QueueFullError, SpaceStatusError, SpaceUnavailableError
from tests.end_to_end.faults.acts import ALL, BEGUN, CALLED, CLOSED, HTML, ONE, call_event
from tests.end_to_end.faults.script import CUT, END, HANG, Script, http, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, Text, bad, cut
from tests.scripted_server import CONFIG, EVENT_ID, completed, estimation, generating


def call(name: str, outcome: Text | Fails, post: Script, get: Script = (), **more: Any) -> Fault:
    """Return a fault of `/call`, which is taken where the queue is closed."""
    others = {"/call/chat": post, "/call/chat/c": get}
    return Fault(name, outcome, join=CLOSED, others=others, prompts=2, streams=0, **more)


SAID_1 = call_event("generating", generating("one ")["output"]["data"])
SAID_3 = call_event("complete", generating(ALL)["output"]["data"])

CALLS = [
    call("call", Text(ALL), CALLED, sse(SAID_1, SAID_3, END)),
    call("call-is-closed-too", Fails(SpaceStatusError, "", "/queue/join"), CLOSED),
    # Its job has no event id yet, and cannot be given up.
    call("call-is-cut", cut(), [CUT]),
    call("call-has-no-event-id", bad(says="event_id"), [http(200, {})]),
    call("call-is-busy", Fails(SpaceUnavailableError), [http(503, HTML)]),
    call("call-s-stream-is-refused", Fails(SpaceStatusError), CALLED, [http(500, HTML)]),
    call("call-s-stream-is-html", bad(says="text/html"), CALLED, [http(200, HTML)]),
    call("call-s-stream-is-cut", cut("one "), CALLED, sse(SAID_1, CUT)),
    call("call-s-stream-ends", cut("one "), CALLED, sse(SAID_1, END)),
    call(
        "call-s-value-is-none", bad("one "), CALLED, sse(SAID_1, call_event("generating", 7), HANG)
    ),
    call(
        "call-s-value-is-no-json",
        bad("one "),
        CALLED,
        sse(SAID_1, b"event: complete\ndata: no\n\n", HANG),
    ),
    call(
        "call-fails", Fails(JobError, "one "), CALLED, sse(SAID_1, call_event("error", None), END)
    ),
    call(
        "call-fails-and-says-why",
        Fails(JobError, "one ", "planned"),
        CALLED,
        sse(SAID_1, call_event("error", {"error": "planned"}), END),
    ),
    call("call-beats", Text(ALL), CALLED, sse(SAID_1, call_event("heartbeat", None), SAID_3, HANG)),
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
        "old-queue-refuses-its-arguments",
        Fails(SpaceStatusError),
        sse(ASKS, HANG),
        [http(500, HTML)],
    ),
    old("old-queue-s-answer-is-lost", cut(), sse(ASKS, HANG), [CUT]),
]
