"""The messages of a queue's stream, as values.

Source: `gradio/server_messages.py` of Gradio 4.9 to 6.x, and recordings of the servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qwen_space.errors import ProtocolError
from qwen_space.gradio.sse import ServerSentEvent

__all__ = [
    "CloseStream",
    "Estimation",
    "Heartbeat",
    "Log",
    "Message",
    "ProcessCompleted",
    "ProcessGenerating",
    "ProcessStarts",
    "QueueFull",
    "SendData",
    "UnexpectedError",
    "parse_event",
    "parse_message",
]


@dataclass(frozen=True, slots=True)
class Estimation:
    """The job waits; `rank_eta` is in seconds."""

    event_id: str | None
    rank: int | None
    queue_size: int | None
    rank_eta: float | None


@dataclass(frozen=True, slots=True)
class ProcessStarts:
    """The function was called; `eta` is in seconds."""

    event_id: str | None
    eta: float | None


@dataclass(frozen=True, slots=True)
class ProcessGenerating:
    """The function yielded; `data` has an item for each output: a value, or edits."""

    event_id: str | None
    data: list[Any]


@dataclass(frozen=True, slots=True)
class ProcessCompleted:
    """The function returned (`data`, None when it was cancelled) or failed (`error`)."""

    event_id: str | None
    success: bool
    data: list[Any] | None
    error: str | None
    title: str | None


@dataclass(frozen=True, slots=True)
class Log:
    """`gr.Info`, `gr.Warning` and their like."""

    event_id: str | None
    log: str
    level: str
    title: str | None


@dataclass(frozen=True, slots=True)
class UnexpectedError:
    """The stream itself failed."""

    message: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server lives; sent every 15 seconds."""


@dataclass(frozen=True, slots=True)
class QueueFull:
    """The queue takes no more jobs (Gradio 4.0 to 4.8; later it is HTTP status 503)."""


@dataclass(frozen=True, slots=True)
class SendData:
    """The queue wants the function's arguments now (protocol `sse`)."""

    event_id: str | None


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Nothing more will come (protocol `sse_v3`)."""


Message = (
    Estimation
    | ProcessStarts
    | ProcessGenerating
    | ProcessCompleted
    | Log
    | UnexpectedError
    | Heartbeat
    | QueueFull
    | SendData
    | CloseStream
)


def parse_event(event: ServerSentEvent) -> Message | None:
    """Return the message in an event of a queue's stream, or of a `/call` stream.

    The latter names its events, and their data are the outputs themselves, whole each time.

    Raises:
        ProtocolError: As `parse_message`.
    """
    if event.event == "message":
        return parse_message(event.data)
    if event.event not in _CALL_EVENTS:
        return None
    data = _json(event.data)
    match event.event, data:
        case "generating", list():
            return ProcessGenerating(None, data)
        case "complete", list():
            return ProcessCompleted(None, success=True, data=data, error=None, title=None)
        case "error", _:
            return _checked("/call error", _call_error, data, event.data)
        case "heartbeat", _:
            return Heartbeat()
        case (("generating" | "complete"), _):
            raise ProtocolError(f"A {event.event} event has no outputs: {event.data[:200]!r}")
    return None


_CALL_EVENTS = frozenset({"generating", "complete", "error", "heartbeat"})


def _call_error(data: Any) -> Message:
    """Return the failure of a `/call`, which says nothing of itself until Gradio 5.50."""
    details = data if isinstance(data, dict) else {"error": data}
    return _process_completed({"output": details, "success": False})


def parse_message(text: str) -> Message | None:
    """Return the message in an event's `data`; None for a kind that this client has no use for.

    Raises:
        ProtocolError: It is no JSON object with a `msg`, or a known kind is malformed.
    """
    raw = _json(text)
    if not isinstance(raw, dict) or not isinstance(kind := raw.get("msg"), str):
        raise ProtocolError(f"A message of the stream has no `msg`: {text[:200]!r}")
    parse = _PARSERS.get(kind)
    return None if parse is None else _checked(kind, parse, raw, text)


def _json(text: str) -> Any:
    """Return the value that a message is.

    Half of a surrogate pair is no text: it can be neither printed nor sent on.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError(f"A message of the stream is not JSON: {text[:200]!r}") from exc
    if "\\" in text and (r"\ud" in text or r"\uD" in text):  # one character is found far sooner
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as exc:
            half = f"A message of the stream has half of a surrogate pair: {text[:200]!r}"
            raise ProtocolError(half) from exc
    return value


class _MalformedError(Exception):
    """Names the field."""


def _checked(kind: str, parse: Callable[[Any], Message], raw: Any, text: str) -> Message:
    """Return what `parse` makes of a message's JSON, or raise what is wrong with it."""
    try:
        return parse(raw)
    except _MalformedError as exc:
        raise ProtocolError(f"A {kind} message has a bad `{exc}`: {text[:200]!r}") from exc


def _estimation(raw: Mapping[str, Any]) -> Message:
    # Gradio 4.0 to 4.8 call the estimate `queue_eta` or `rank_eta`.
    return Estimation(
        _event_id(raw),
        _optional(raw, "rank", int),
        _optional(raw, "queue_size", int),
        _optional(raw, "rank_eta", float, int),
    )


def _process_starts(raw: Mapping[str, Any]) -> Message:
    return ProcessStarts(_event_id(raw), _optional(raw, "eta", float, int))


def _process_generating(raw: Mapping[str, Any]) -> Message:
    data = _output(raw).get("data")
    if not isinstance(data, list):
        raise _MalformedError("output.data")
    return ProcessGenerating(_event_id(raw), data)


def _process_completed(raw: Mapping[str, Any]) -> Message:
    output = _output(raw)
    success = raw.get("success")
    if not isinstance(success, bool):
        raise _MalformedError("success")
    data = output.get("data")
    if not isinstance(data, (list, type(None))):
        raise _MalformedError("output.data")
    error = output.get("error")
    title = output.get("title")
    return ProcessCompleted(
        _event_id(raw),
        success,
        data,
        None if error is None else str(error),
        title if isinstance(title, str) else None,
    )


def _log(raw: Mapping[str, Any]) -> Message:
    return Log(
        _event_id(raw),
        str(raw.get("log", "")),
        str(raw.get("level", "info")),
        _optional(raw, "title", str),
    )


_PARSERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "estimation": _estimation,
    "process_starts": _process_starts,
    "process_generating": _process_generating,
    "process_streaming": _process_generating,
    "process_completed": _process_completed,
    "log": _log,
    "unexpected_error": lambda raw: UnexpectedError(str(raw.get("message", ""))),
    # Both are `server_stopped` in Gradio, by name and by value.
    "server_stopped": lambda raw: UnexpectedError("the server stopped"),
    "Server stopped unexpectedly.": lambda raw: UnexpectedError("the server stopped"),
    "heartbeat": lambda raw: Heartbeat(),
    "queue_full": lambda raw: QueueFull(),
    "send_data": lambda raw: SendData(_event_id(raw)),
    "close_stream": lambda raw: CloseStream(),
}


def _event_id(raw: Mapping[str, Any]) -> str | None:
    event_id: str | None = _optional(raw, "event_id", str)
    return event_id


def _output(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    output = raw.get("output")
    if not isinstance(output, dict):
        raise _MalformedError("output")
    return output


_LARGEST = 2**53  # a number beyond is no place and no time, and may not fit a float


def _optional(raw: Mapping[str, Any], field: str, *types: type) -> Any:
    value = raw.get(field)
    if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
        raise _MalformedError(field)
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _MalformedError(field)
    return value
