"""Time limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qwen_space import SpaceTimeoutError
from tests.end_to_end.faults.acts import (
    BEATING,
    BEGUN,
    CALLED,
    CLOSED,
    GRADIO,
    JOINED,
    ONE,
    TWO,
    call_event,
)
from tests.end_to_end.faults.script import HANG, Endless, message, sse
from tests.end_to_end.faults.table.fault import PATIENT, Fails, Fault
from tests.scripted_server import estimation, generating


def late(name: str, limit: str, text: str = "", seconds: float = 0.6, **more: Any) -> Fault:
    """Return a fault that ends in a time limit, which the message names with its remedy."""
    says = f"within {seconds:g} seconds. If that is to be expected, raise Timeouts({limit}=...)"
    limits = replace(PATIENT, **{limit: seconds})
    return Fault(name, Fails(SpaceTimeoutError, text, says), limits=limits, **more)


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
            "/call/chat/c": sse(Endless(call_event("heartbeat", None), 0.05)),
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
