"""What a job makes of an event that it need not parse."""

from __future__ import annotations

from qwen_space.gradio.deltas import ValueEvent
from qwen_space.gradio.job import Job
from qwen_space.gradio.sse import ServerSentEvent, SSEDecoder


def more(job: Job, event: ServerSentEvent) -> ValueEvent | None:
    """Return what an event brings if the job's shortcut matches it; else None."""
    decoder = SSEDecoder()
    assert not [*decoder.feed(b":\n\n")]  # a byte order mark may be there no more
    [item] = decoder.feed(as_bytes(event), job)
    if isinstance(item, list):
        [known] = job.add(item)
        return known
    assert item == event
    return None


def as_bytes(event: ServerSentEvent) -> bytes:
    """Return an event as it is in a stream, in Gradio's way where it has no name."""
    name = "" if event.event == "message" else f"event: {event.event}\n"
    data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
    return f"{name}{data}\n".encode()
