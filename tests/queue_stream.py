"""Messages as a queue's stream has them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.job import Job, JobEvent
from qwen_space.gradio.reply.deltas import ChatValue, ValueEvent, plain_piece
from qwen_space.gradio.wire.edits import EditedValue
from qwen_space.gradio.wire.messages import AnyMessage

__all__ = ["apply_edits", "as_bytes", "read_text", "receive", "take_edits"]


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


def take_edits(value: ChatValue, *edits: Any) -> list[ValueEvent]:
    """Let a chat take the edits of one message, as a job does; return the events."""
    if not edits:
        return []
    if (piece := plain_piece([*edits], value.plain_path)) is not None:
        return [*value.append([piece])]
    if (events := value.extend([*edits])) is not None:
        return [*events]
    value.begin_edits(100_000)  # bytes of the message, which limit the work on its edits
    value.edit(copy.deepcopy([*edits]))
    return value.end_edits()


def read_text(events: Iterable[Any]) -> str:
    """Return the text that a caller has who follows the events."""
    text = ""
    for event in events:
        if isinstance(event, Rewritten):
            text = event.text
        elif isinstance(event, TextDelta):
            text += event.delta
    return text
