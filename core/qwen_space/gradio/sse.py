"""Server-Sent Events: bytes to events, however the bytes were cut.

The grammar is that of the HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from qwen_space.errors import ProtocolError

__all__ = ["Reader", "SSEDecoder", "ServerSentEvent", "Shortcut"]

# Gradio sends the whole conversation in one line, twice in each reply.
DEFAULT_MAX_EVENT_SIZE = 64 * 2**20

_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)  # frozen, it would take twice the time to make
class ServerSentEvent:
    """One event of the stream.

    Attributes:
        data: The event's `data` lines, joined by newlines.
        event: Its type; "message" when the stream names none.
    """

    data: str
    event: str = "message"


class Shortcut(NamedTuple):
    """How events look of which no more is wanted than a part.

    Attributes:
        start: The bytes of such an event up to the part.
        rest: Matches the part, which is its first group, and all that follows, the blank line at
            the event's end included.
    """

    start: bytes
    rest: re.Pattern[bytes]


class Reader(Protocol):
    """Whoever reads a decoder's events and may know how the next ones look."""

    @property
    def shortcut(self) -> Shortcut | None:
        """How they do; None where all of the next event is wanted."""


class SSEDecoder:
    """Turns the bytes of a `text/event-stream` body into events.

    Lines end in LF, CR LF or CR, and a line may be as long as `max_event_size`. An event that
    the stream leaves unfinished is never delivered, as the standard wants it.

    Args:
        max_event_size: The most bytes that one event may take.
    """

    def __init__(self, max_event_size: int = DEFAULT_MAX_EVENT_SIZE) -> None:
        self._max_event_size = max_event_size
        self._rest = bytearray()  # of a line whose end has not come
        self._data: list[bytes] = []
        self._size = 0  # of `_data`
        self._event = ""
        self._after_cr = False
        self._at_start = True

    def feed(
        self, chunk: bytes, reader: Reader | None = None
    ) -> Iterator[ServerSentEvent | list[str]]:
        """Take the next bytes of the body and yield the events that they complete.

        To be read to its end before the next bytes are fed. Events that stand before an error
        in the same bytes are yielded before it is raised.

        Args:
            chunk: The bytes.
            reader: Its shortcut is looked up after each event. In place of events that look so, one
                after the other, the list of their parts is yielded; but where an event was cut in
                two, it may be there itself.

        Raises:
            ProtocolError: An event is larger than allowed, or is not UTF-8.
        """
        if self._after_cr or b"\r" in chunk:
            chunk = self._normalised(chunk)
        if b"\n" not in chunk:
            self._rest += chunk
            self._check_size(len(self._rest))
            return
        if self._rest:
            chunk = bytes(self._rest) + chunk
        if len(chunk) > self._max_event_size:  # then the size of each event is to be checked
            reader = None
        at = 0
        is_between = not (self._data or self._event or self._at_start)
        while True:
            if reader is not None and is_between and (shortcut := reader.shortcut) is not None:
                parts, at = _skimmed(chunk, at, shortcut)
                if parts:
                    yield parts
            if (end := chunk.find(b"\n\n", at)) < 0:
                break
            block = chunk[at:end]
            at = end + 2
            # What Gradio sends is one line of data for each event, and nothing else.
            if is_between and block.startswith(b"data: ") and b"\n" not in block:
                if len(block) > self._max_event_size:
                    self._check_size(len(block) - 6)
                yield ServerSentEvent(_decoded(block[6:]))
            else:
                yield from self._lines([*block.split(b"\n"), b""])
                is_between = True
        *lines, self._rest[:] = chunk[at:].split(b"\n")
        yield from self._lines(lines)
        self._check_size(len(self._rest))

    def _lines(self, lines: list[bytes]) -> Iterator[ServerSentEvent]:
        for line in lines:
            if (event := self._line(line)) is not None:
                yield event

    def _normalised(self, chunk: bytes) -> bytes:
        """Return `chunk` with each line end as LF; the LF of a CR LF may come a chunk later."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            more = len(value) + bool(self._data)  # the newline counts: lines may be empty
            self._check_size(more)
            self._data.append(value)
            self._size += more
        elif field == b"event":
            self._event = _decoded(value)
        return None  # comments, `id`, `retry` and unknown fields mean nothing to Gradio

    def _dispatch(self) -> ServerSentEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if not data:
            return None
        return ServerSentEvent(_decoded(b"\n".join(data)), event or "message")

    def _check_size(self, more: int) -> None:
        if self._size + more > self._max_event_size:
            raise ProtocolError(
                f"An event of the stream is larger than {self._max_event_size} bytes; "
                "raise max_size if that is to be expected."
            )


def _skimmed(chunk: bytes, at: int, shortcut: Shortcut) -> tuple[list[str], int]:
    """Return the parts of the events from `at` on that look so, and where the next event begins."""
    start, rest = shortcut
    size, match = len(start), rest.match
    parts = []
    # Equal bytes are compared several times as quickly as a pattern is matched.
    while chunk.startswith(start, at) and (found := match(chunk, at + size)):
        try:
            parts.append(found[1].decode())
        except UnicodeDecodeError:
            break  # it is found again in the event
        at = found.end()
    return parts, at


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"The stream is not UTF-8: {exc}") from exc
