"""Messages as a queue's stream has them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from qwen_space.gradio.edits import EditedValue
from qwen_space.gradio.job import Job, JobEvent
from qwen_space.gradio.messages import AnyMessage

__all__ = ["apply_edits", "as_bytes", "receive"]


def as_bytes(*messages: AnyMessage) -> bytes:
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(each) for each in messages)


def receive(job: Job, *messages: AnyMessage | bytes) -> list[JobEvent]:
    """Let a job receive messages, or bytes, one after the other; return the events."""
    return [*_received(job, messages)]


def _received(job: Job, messages: Iterable[AnyMessage | bytes]) -> Iterable[JobEvent]:
    for each in messages:
        data = each if isinstance(each, bytes) else as_bytes(each)
        for event in job.receive(data):
            if event is not None:  # a turn for others
                yield event


def apply_edits(value: Any, edits: Any) -> Any:
    """Return a value after the edits of one message, and leave the value as it was."""
    edited = EditedValue(copy.deepcopy(value))
    edited.begin(1_000)
    edited.apply(copy.deepcopy(edits))
    return edited.value
