"""Server-Sent Events: bytes to events, however the bytes were cut.

The grammar is that of the HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qwen_space.errors import ProtocolError

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "Events", "SSEDecoder"]

# Gradio sends the whole conversation in one line, twice in each reply.
DEFAULT_MAX_EVENT_SIZE = 64 * 2**20

_TOGETHER = 2**14  # bytes whose events are split at once, which stay in the processor's cache
_MAX_LINES = 10_000  # of one event; Gradio sends one

_BOM = b"\xef\xbb\xbf"
_COMMENTS = re.compile(rb"(?::[^\n]*\n)+")
_LF = ord("\n")  # `in` finds a number in bytes ten times as quickly as bytes

Events = tuple[str, list[bytes]]
"""The type of successive events, "message" where the stream names none, and the data of each."""


class SSEDecoder:
    """Turns the bytes of a `text/event-stream` body into events.

    Lines end in LF, CR LF or CR, and a line may be as long as `max_event_size`. An event that
    the stream leaves unfinished is never delivered, as the standard wants it.

    Args:
        max_event_size: The most bytes that one event may take.
    """

    def __init__(self, max_event_size: int = DEFAULT_MAX_EVENT_SIZE) -> None:
        self._max_event_size = max_event_size
        self._rest = bytearray()  # of an event whose end has not come
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[Events]:
        """Take the next bytes of the body, and yield the events that they complete.

        To be read to its end before the next bytes are fed. Events that stand before an error in
        the same bytes are yielded before it is raised.

        Raises:
            ProtocolError: An event is larger than allowed.
        """
        if self._after_cr or b"\r" in chunk:
            chunk = self._normalised(chunk)
        if self._at_start:
            chunk = self._without_bom(chunk)
        at = self._end_of_rest(chunk)
        if at < 0:
            self._keep(chunk)
            return
        if at > 0 and (events := self._complete(chunk[:at])) is not None:
            yield events
            del events  # it may be large
        while (end := _last_end(chunk, at)) >= 0:
            # Gradio sends one line of data for each event, and nothing else.
            data = chunk[at + 6 : end].split(b"\n\ndata: ")
            is_plain = chunk.startswith(b"data: ", at) and _LF not in b"".join(data)
            if is_plain and end - at <= self._max_event_size:
                yield "message", data
            else:
                yield from self._blocks(chunk[at : end + 2])
            at = end + 2
        self._keep(chunk[at:])

    def _blocks(self, text: bytes) -> Iterator[Events]:
        """Yield the events in blocks of lines, each with an empty line at its end."""
        at = 0
        while at < len(text):
            if text[at] == _LF:  # an empty line with no event before it
                at += 1
                continue
            end = text.find(b"\n\n", at)
            self._check_size(end - at)
            if (events := _parsed(text[at:end])) is not None:
                yield events
            at = end + 2

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

    def _end_of_rest(self, chunk: bytes) -> int:
        """Return where the unfinished event ends in `chunk`: 0 without one, -1 if it goes on."""
        if not self._rest:
            return 0
        if self._rest.endswith(b"\n") and chunk.startswith(b"\n"):
            return 1
        end = chunk.find(b"\n\n")
        return end if end < 0 else end + 2

    def _complete(self, end: bytes) -> Events | None:
        """Return the unfinished event, which ends so; None where it has no data."""
        block, self._rest = self._rest, bytearray()
        block += end
        del block[-2:]
        self._check_size(len(block))
        return _parsed(block)

    def _keep(self, start: bytes) -> None:
        """Keep the start of an event; comments before it are dropped at once."""
        self._rest += start if self._rest else start.lstrip(b"\n")
        # Without a line's end there is no more to drop than before.
        if _LF in start and (comments := _COMMENTS.match(self._rest)):
            end = comments.end()
            del comments, self._rest[:end]
        self._check_size(len(self._rest))

    def _check_size(self, size: int) -> None:
        if size > self._max_event_size:
            raise ProtocolError(
                f"An event of the stream is larger than {self._max_event_size} bytes; "
                "raise max_size if that is to be expected."
            )


def _last_end(chunk: bytes, at: int) -> int:
    """Return where the last event ends of those that are looked at together; -1 if none does."""
    end = chunk.rfind(b"\n\n", at, at + _TOGETHER)
    return end if end >= 0 else chunk.find(b"\n\n", at)


def _parsed(block: bytes | bytearray) -> Events | None:
    """Return the event in the lines of a block; None where they have no data."""
    if block.count(b"\n") > _MAX_LINES:
        raise ProtocolError(f"An event of the stream has more than {_MAX_LINES} lines.")
    if block.startswith(b"data: ") and b"\n" not in block:
        return "message", [bytes(memoryview(block)[6:])]  # it may be large: one copy
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
    return (event or "message", [b"\n".join(data)]) if data else None
