"""A faulty server, and the parts of its scripts: answers and messages."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.faults.script import Endless, Script, http, message, playing
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    ScriptedServer,
    append,
    completed,
    estimation,
    generating,
    starts,
)

HTML = "<!DOCTYPE html><html><title>Sorry</title></html>"
NO_CONFIG = http(404, {"detail": "Not Found"})  # then the public Space's figures are taken
GRADIO = http(200, CONFIG)
JOINED = http(200, {"event_id": EVENT_ID})
CLOSE = {"msg": "close_stream", "event_id": None}
BEAT = {"msg": "heartbeat", "event_id": None}
BEATING = Endless(message(BEAT), pause=0.05)

ONE, TWO, THREE = generating("one "), append("two "), append("three")
ALL = "one two three"
BEGUN = estimation(), starts()
DONE = completed(ALL), CLOSE
REPLY = *BEGUN, ONE, TWO, THREE, *DONE

WHOLE = b"".join(map(message, REPLY))
HALF = b"".join(map(message, (*BEGUN, ONE, TWO)))

CLOSED = [http(404, {"detail": "Not Found"})]  # then `/call` is tried
CALLED = [http(200, {"event_id": "c"})]


def app(
    *data: Script, config: Script = (GRADIO,), join: Script = (JOINED,), **options: Any
) -> ScriptedServer:
    """Return a Space that answers by scripts.

    Args:
        data: The scripts of the streams, in turn; the last one stays.
        config: The script of `/config`.
        join: The script of each join.
        options: Further arguments of the server.
    """
    return ScriptedServer(
        config=playing(config), join=playing(join), data=playing(*data), **options
    )


def editing(edits: Any) -> dict[str, Any]:
    """Return a message with edits of the chat."""
    return append("") | {"output": {"data": [[], edits, []]}}


def call_event(kind: str, value: Any) -> bytes:
    """Return an event of the stream of `/call`."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps(value).encode())
