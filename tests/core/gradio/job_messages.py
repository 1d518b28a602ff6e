"""Messages of a job whose chat has one pair."""

from __future__ import annotations

from typing import Any

from qwen_space.events import TextDelta
from qwen_space.gradio.job import JobEvent
from qwen_space.gradio.wire.messages import Output, ProcessCompleted, ProcessGenerating, Values

E = "e1"
PATH = [0, 1]


def pairs(text: str | None) -> list[Any]:
    return [["user", text]]


def value(chat: Any, event_id: str | None = E) -> ProcessGenerating:
    return ProcessGenerating(event_id=event_id, output=Values(["", chat, "system"]))


def edits(*of_chat: list[Any], event_id: str | None = E) -> ProcessGenerating:
    return ProcessGenerating(event_id=event_id, output=Values([[], list(of_chat), []]))


def append(piece: str, event_id: str | None = E) -> ProcessGenerating:
    return edits(["append", PATH, piece], event_id=event_id)


def completed(chat: Any, event_id: str | None = E) -> ProcessCompleted:
    output = Output(["", chat, "system"])
    return ProcessCompleted(event_id=event_id, success=True, output=output)


def failed(error: str | None, title: str | None = None) -> ProcessCompleted:
    return ProcessCompleted(event_id=E, success=False, output=Output(None, error, title))


def deltas(events: list[JobEvent]) -> str:
    return "".join(event.delta for event in events if isinstance(event, TextDelta))
