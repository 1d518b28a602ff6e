"""Wrong messages, and unusual ones."""

from __future__ import annotations

from typing import Any

from qwen_space import JobError
from tests.end_to_end.faults.acts import ALL, BEAT, BEGUN, DONE, ONE, REPLY, THREE, TWO, editing
from tests.end_to_end.faults.script import HANG, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, Text
from tests.scripted_server import EVENT_ID, append, completed, estimation, failed, generating


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
        Fails(JobError, "", "without a value"),
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
