"""Server-Sent Events: bytes to events, however the bytes were cut.

The grammar is that of the HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re

import msgspec

from qwen_space.errors import ProtocolError

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "SSEDecoder", "ServerSentEvent"]

# Gradio sends the whole conversation in one line, twice in each reply.
DEFAULT_MAX_EVENT_SIZE = 64 * 2**20

_MAX_LINES = 10_000  # of one event; Gradio sends one

_BOM = b"\xef\xbb\xbf"
_COMMENTS = re.compile(rb"(?::[^\n]*\n)+")


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of the stream.

    Attributes:
        data: The event's `data` lines, joined by newlines.
        event: Its type; "message" when the stream names none.
    """

    data: bytes
    event: str = "message"


class SSEDecoder:
    """Turns the bytes of a `text/event-stream` body into events.

    Lines end in LF, CR LF or CR, and a line may be as long as `max_event_size`. An event that
    the stream leaves unfinished is never delivered, as the standard wants it.

    Args:
        max_event_size: The most bytes that one event may take.
    """

    def __init__(self, max_event_size: int = DEFAULT_MAX_EVENT_SIZE) -> None:
        self._max_event_size = max_event_size
        self._buffer = b""  # has events that were not taken yet, from `_at` on
        self._at = 0
        self._block: bytearray | None = None  # an event that came in several chunks
        self._rest = bytearray()  # of an event whose end has not come
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body, after all events of the bytes before were taken.

        Raises:
            ProtocolError: An event is larger than allowed.
        """
        if self._after_cr or b"\r" in chunk:
            chunk = self._normalised(chunk)
        if self._at_start:
            chunk = self._without_bom(chunk)
        if self._rest:
            chunk = self._complete(chunk)
        self._buffer, self._at = chunk, 0

    def next_event(self) -> ServerSentEvent | None:
        """Return the next event; None where its end has not come.

        Raises:
            ProtocolError: The event is larger than allowed.
        """
        if self._block is not None:
            block, self._block = self._block, None
            if (event := _parsed(block)) is not None:
                return event
        while True:
            buffer, at = self._buffer, self._at
            if at == len(buffer):
                self._buffer, self._at = b"", 0  # it is not kept while more is waited for
                return None
            end = buffer.find(b"\n", at)
            # Gradio sends one line of data for each event, and nothing else.
            if buffer[end : end + 2] == b"\n\n" and buffer.startswith(b"data: ", at):
                if end - at > self._max_event_size:
                    self._check_size(end - at)
                self._at = end + 2
                return ServerSentEvent(buffer[at + 6 : end])
            if end == at:  # an empty line with no event before it
                self._at = at + 1
                continue
            if (end := buffer.find(b"\n\n", at)) < 0:
                self._keep(buffer, at)
                return None
            self._check_size(end - at)
            self._at = end + 2
            if (event := _parsed(buffer[at:end])) is not None:
                return event

    def _normalised(self, chunk: bytes) -> bytes:
        """Return `chunk` with each line end as LF; the LF of a CR LF may come a chunk later."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, chunk: bytes) -> bytes:
        chunk = bytes(self._rest) + chunk
        self._rest.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._rest += chunk
            return b""
        self._at_start = False
        return chunk.removeprefix(_BOM)

    def _complete(self, chunk: bytes) -> bytes:
        """Take the unfinished event, if `chunk` has its end; return the bytes after it."""
        joint = bytes(self._rest[-1:])  # may be the first of the two line ends
        end = (joint + chunk).find(b"\n\n") + 2 - len(joint)
        if end < 2 - len(joint):
            self._keep(chunk, 0)
            return b""
        block, self._rest = self._rest, bytearray()
        block += chunk[:end]
        del block[-2:]
        self._check_size(len(block))
        self._block = block
        return chunk[end:]

    def _keep(self, buffer: bytes, at: int) -> None:
        """Keep the start of an event; comments before it are dropped at once."""
        self._buffer, self._at = b"", 0
        self._rest += buffer[at:]
        has_line = buffer.find(b"\n", at) >= 0  # else there is no more to drop than before
        if has_line and (comments := _COMMENTS.match(self._rest)):
            end = comments.end()
            del comments, self._rest[:end]
        self._check_size(len(self._rest))

    def _check_size(self, size: int) -> None:
        if size > self._max_event_size:
            raise ProtocolError(
                f"An event of the stream is larger than {self._max_event_size} bytes; "
                "raise max_size if that is to be expected."
            )


def _parsed(block: bytes | bytearray) -> ServerSentEvent | None:
    """Return the event in the lines of a block; None where they have no data."""
    if block.count(b"\n") > _MAX_LINES:
        raise ProtocolError(f"An event of the stream has more than {_MAX_LINES} lines.")
    if block.startswith(b"data: ") and b"\n" not in block:
        return ServerSentEvent(bytes(memoryview(block)[6:]))  # it may be large: one copy
    data: list[bytes | bytearray] = []
    event = ""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            event = value.decode(errors="replace")  # Gradio's names are ASCII
        # comments, `id`, `retry` and unknown fields mean nothing to Gradio
    return ServerSentEvent(b"\n".join(data), event or "message") if data else None
