"""The limits of a local Space, so that a stranger at the port cannot fill the machine."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a local Space takes.

    Attributes:
        queue: Jobs that wait; one more is refused with HTTP 503.
        connections: Open connections; one more is refused with HTTP 503.
        reply_seconds: Seconds that a reply may stream; it is cut then, and marked.
        request_bytes: Bytes of a request; a longer one is refused with HTTP 413.
        upload_bytes: Bytes of an uploaded file, where the engine takes files.
        stored_bytes: Bytes of all uploaded files together; the longest unused make room, and an
            upload that finds none is refused with HTTP 507.
        file_seconds: Seconds since its last use for which an uploaded file is kept, though no
            longer than the Space runs; it stays in Gradio's folder if None.
    """

    queue: int = 1000
    connections: int = 900  # a process may have 1,024 open files on many systems
    reply_seconds: float = 1800
    request_bytes: int = 8_000_000
    upload_bytes: int = 32_000_000
    stored_bytes: int = 2_000_000_000
    file_seconds: int | None = None

    def __post_init__(self) -> None:
        for name in fields(self):
            value = getattr(self, name.name)
            if value is not None and value <= 0:
                raise ValueError(f"{name.name}={value!r} must be greater than 0.")
