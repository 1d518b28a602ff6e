"""The messages of a queue's stream, as values.

Source: `gradio/server_messages.py` of Gradio 4.9 to 6.x, and recordings of the servers.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Annotated, Any

import msgspec

from qwen_space.errors import ProtocolError
from qwen_space.gradio.wire.large_json import decode_large, load, show_start

__all__ = [
    "REFUSALS",
    "AnyMessage",
    "CloseStream",
    "Estimation",
    "Heartbeat",
    "Log",
    "Message",
    "Output",
    "ProcessCompleted",
    "ProcessGenerating",
    "ProcessStarts",
    "QueueFull",
    "SendData",
    "ServerStopped",
    "UnexpectedError",
    "Values",
    "decode_event",
    "decode_large_event",
    "decode_message",
    "to_states",
    "unquote",
]

# An integer beyond these is no place in a queue.
_Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Message(msgspec.Struct, frozen=True, tag_field="msg", gc=False):
    """A message of the stream.

    Attributes:
        event_id: The job that it is about; None for the whole stream.
    """

    event_id: str | None = None


class Estimation(Message, frozen=True, tag="estimation", gc=False):
    """The job waits; `rank_eta` is in seconds."""

    rank: _Count | None = None
    queue_size: _Count | None = None
    rank_eta: float | None = None


class ProcessStarts(Message, frozen=True, tag="process_starts", gc=False):
    """The function was called; `eta` is in seconds."""

    eta: float | None = None


class Values(msgspec.Struct, frozen=True, gc=False):
    """An item for each output, a value or edits; and the numbers of the changed states."""

    data: list[Any]
    changed_state_ids: Any = None


class ProcessGenerating(Message, frozen=True, kw_only=True, tag="process_generating", gc=False):
    """The function yielded."""

    output: Values


class ProcessStreaming(ProcessGenerating, frozen=True, kw_only=True, tag="process_streaming"):
    """The same, of a function whose input is a stream too."""


class Output(msgspec.Struct, frozen=True, gc=False):
    """The outputs' values (`data`, None when the job was cancelled), or the reason of a failure.

    A function that makes parts of the page (`gr.render`) gives them beside its values, and a newer
    Gradio the numbers of the states that it has changed.
    """

    data: list[Any] | None = None
    error: Any = None
    title: Any = None
    render_config: Any = None
    changed_state_ids: Any = None


def to_states(numbers: Any) -> frozenset[int]:
    """Return the numbers of the states that a function has changed, as its output has them."""
    numbers = numbers if isinstance(numbers, list) else []
    return frozenset(each for each in numbers if isinstance(each, int))


class ProcessCompleted(Message, frozen=True, kw_only=True, tag="process_completed", gc=False):
    """The function returned, or failed."""

    success: bool
    output: Output


class Log(Message, frozen=True, tag="log", gc=False):
    """`gr.Info`, `gr.Warning` and their like."""

    log: Any = ""
    level: Any = "info"
    title: str | None = None


class UnexpectedError(msgspec.Struct, frozen=True, tag_field="msg", tag="unexpected_error"):
    """The stream itself failed."""

    message: Any = ""
    session_not_found: Any = False  # Gradio 5.38 on; before, the message says so


# Both are `server_stopped` in Gradio, one by name and one by value.


class ServerStopped(msgspec.Struct, frozen=True, tag_field="msg", tag="server_stopped"):
    """The server ends."""

    message: str = "the server stopped"


class ServerStoppedUnexpectedly(
    ServerStopped, frozen=True, tag_field="msg", tag="Server stopped unexpectedly."
):
    """The server ends."""


class Heartbeat(msgspec.Struct, frozen=True, tag_field="msg", tag="heartbeat"):
    """The server lives; sent every 15 seconds."""


class Progress(msgspec.Struct, frozen=True, tag_field="msg", tag="progress"):
    """A progress bar of the page's."""


class QueueFull(msgspec.Struct, frozen=True, tag_field="msg", tag="queue_full"):
    """The queue takes no more jobs (Gradio 4.0 to 4.8; later it is HTTP status 503)."""


class SendData(Message, frozen=True, tag="send_data"):
    """The queue wants the function's arguments now (protocol `sse`)."""


class CloseStream(msgspec.Struct, frozen=True, tag_field="msg", tag="close_stream"):
    """Nothing more will come (protocol `sse_v3`)."""


AnyMessage = (
    Estimation
    | ProcessStarts
    | ProcessGenerating
    | ProcessStreaming
    | ProcessCompleted
    | Log
    | UnexpectedError
    | ServerStopped
    | ServerStoppedUnexpectedly
    | Heartbeat
    | Progress
    | QueueFull
    | SendData
    | CloseStream
)

_KINDS = frozenset(kind.__struct_config__.tag for kind in AnyMessage.__args__)

decode_message = msgspec.json.Decoder(AnyMessage).decode
"""Decodes a message of a queue's stream, as nearly all are; raises `REFUSALS` for an odd one."""

# RecursionError and UnicodeDecodeError come as they are, an unknown kind as a ValidationError.
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_event(data: bytes, event: str = "message") -> AnyMessage | None:
    """Return the message in an event of a queue's stream, or of a `/call` stream.

    The latter names its events, and their data are the outputs themselves, whole each time.

    Args:
        data: The event's data.
        event: Its type.

    Returns:
        The message; None for a kind that this client has no use for.

    Raises:
        ProtocolError: It is no JSON object with a `msg`, or a known kind is malformed.
    """
    if event != "message":
        return _named(event, load(data), data) if event in _CALL_EVENTS else None
    try:
        message: AnyMessage = decode_message(data)
    except REFUSALS:
        return _typed(load(data), data)
    return message


def decode_large_event(
    data: bytes, event: str = "message"
) -> Generator[None, None, AnyMessage | None]:
    """Do as `decode_event` in slices: yield after each, and return the message."""
    if event == "message":
        return _typed((yield from decode_large(data)), data)
    if event not in _CALL_EVENTS:
        return None
    return _named(event, (yield from decode_large(data)), data)


def _typed(value: Any, data: bytes) -> AnyMessage | None:
    """Return the message that a JSON value is."""
    if not isinstance(value, dict) or not isinstance(kind := value.get("msg"), str):
        raise ProtocolError(f"A message of the stream has no `msg`: {show_start(data)}")
    if kind not in _KINDS:
        return None
    try:
        message: AnyMessage = msgspec.convert(value, AnyMessage)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise ProtocolError(f"A {kind} message is malformed ({exc}): {show_start(data)}") from exc
    return message


_CALL_EVENTS = frozenset({"generating", "complete", "error", "heartbeat"})


def _named(event: str, value: Any, data: bytes) -> AnyMessage:
    """Return the message in an event of `/call`."""
    if event == "heartbeat":
        return Heartbeat()
    if event == "error":  # until Gradio 5.50 it is null, or a text
        details = value if isinstance(value, dict) else {"error": value}
        failure = {"msg": "process_completed", "success": False, "output": details}
        message = _typed(failure, data)
        assert message is not None  # noqa: S101 - its kind is known
        return message
    if not isinstance(value, list):
        raise ProtocolError(f"A {event} event has no outputs: {show_start(data)}")
    if event == "generating":
        return ProcessGenerating(output=Values(value))
    return ProcessCompleted(success=True, output=Output(value))


# Not `ast.literal_eval`, which takes much memory for a text that means harm.
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


def unquote(text: str) -> str:
    """Return the text in the quotes that Python's `repr` has put around it, if it has."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        return text
    bare = _ESCAPE.sub("", text[1:-1])  # the text may end in a quote that belongs to it
    if text[0] in bare or "\\" in bare:
        return text
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(escape: re.Match[str]) -> str:
    if (letter := escape[4]) is not None:
        return _ESCAPED.get(letter, escape[0])
    code = int(escape[1] or escape[2] or escape[3], 16)
    is_character = code < 0x110000 and not 0xD800 <= code < 0xE000
    return chr(code) if is_character else escape[0]
