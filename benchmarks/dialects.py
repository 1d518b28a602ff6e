"""The answers of servers of Ollama's and of OpenAI's kind, for the stand-ins of both kinds.

`frames` makes whole replies of it beforehand, and `peers` answers request by request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = [
    "EVENTS",
    "LINES",
    "OPENAI_END",
    "Call",
    "compact",
    "event",
    "ollama_line",
    "openai_chunk",
    "openai_delta",
]

LINES = "application/x-ndjson"
EVENTS = "text/event-stream; charset=utf-8"
OPENAI_END = b"data: [DONE]\n\n"

_OLLAMA_END = {
    "done_reason": "stop",
    "total_duration": 1_000_000,
    "load_duration": 1000,
    "prompt_eval_count": 10,
    "prompt_eval_duration": 1000,
    "eval_count": 10,
    "eval_duration": 1000,
}

Call: TypeAlias = "dict[str, Any]"
"""A tool call: `name` and `arguments`."""


def compact(value: Any) -> bytes:
    """Return a value as JSON, in as few bytes as servers take for it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: Any) -> bytes:
    """Return a value as a server-sent event."""
    return b"data: " + compact(value) + b"\n\n"


def ollama_line(text: str, calls: Sequence[Call] = (), *, done: bool = False) -> dict[str, Any]:
    """Return a line of Ollama's `/api/chat`."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [{"function": call} for call in calls]
    line = {
        "model": "qwen",
        "created_at": "2026-11-22T12:00:00.123456789Z",
        "message": message,
        "done": done,
    }
    return line | _OLLAMA_END if done else line


def openai_chunk(choices: list[dict[str, Any]], kind: str = "chat.completion.chunk") -> Any:
    """Return an answer of OpenAI's `/v1/chat/completions`, or a piece of one."""
    return {
        "id": "chatcmpl-65a4fa807a6e4549bd180cf6cb48bc51",
        "object": kind,
        "created": 1795348800,
        "model": "qwen",
        "choices": choices,
    }


def openai_delta(delta: dict[str, Any], reason: str | None = None) -> bytes:
    """Return the event of a delta."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return event(openai_chunk([choice]))
