"""A reply for a pipe: as plain text, or as JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from qwen_space.chat.prompt import make_chat
from qwen_space.chat_model.reply import CallEvent
from qwen_space.chat_model.space import Space
from qwen_space.cli.figures import Figures
from qwen_space.errors import QwenSpaceError
from qwen_space.events import (
    ComponentReceived,
    Event,
    EventStream,
    FileReceived,
    Notice,
    Queued,
    ReplyComponent,
    ReplyFile,
    Rewritten,
    TextDelta,
    ThinkingDelta,
)

__all__ = [
    "describe_component",
    "describe_error",
    "describe_file",
    "describe_place",
    "note",
    "print_json",
    "print_reply",
    "read_whole",
    "strip_control_chars",
    "write",
]

_IN_PYTHON = re.compile(r"raise Timeouts\((?:total|first_token|wake)=\.\.\.\)")

_KEYS = (
    "text",
    "thinking",
    "files",
    "components",
    "model",
    "finish_reason",
    "duration",
    "event_id",
    "space",
    "error",
)

# C0 and C1 but for the tab and the newline, and the characters that turn a line's direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def strip_control_chars(text: str) -> str:
    """Return a text of an app without the characters that could move or mislead a terminal."""
    return _CONTROLS.sub("", text)


def describe_error(error: Exception) -> str:
    """Return the sentence of an error, for the command line."""
    said = _IN_PYTHON.sub("give a longer --timeout", str(error))
    if isinstance(error, OSError) and not isinstance(error, QwenSpaceError) and error.strerror:
        said = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return strip_control_chars(said)


def describe_file(file: ReplyFile) -> str:
    """Return the line of a file of a reply: its name and its address, if that is no picture."""
    named = file.name or file.caption or file.kind
    is_within = file.url.startswith("data:")
    where = f"{file.mime_type}, in the reply (see --json)" if is_within else file.url
    return strip_control_chars(f"{named}: {where}")


def describe_component(component: ReplyComponent) -> str:
    """Return the line of a component of a reply that is neither text nor a file."""
    facts = component.summary
    label, value = facts.get("label", ""), facts.get("value", "")
    shown = "" if value in {"", label} else f" ({value})"
    return strip_control_chars(f"[{component.kind}] {label}{shown}".strip())


async def print_reply(
    space: Space,
    prompt: str,
    files: Sequence[Path] = (),
    *,
    show_thinking: bool = True,
) -> Figures:
    """Print the reply's text as it streams, then a newline, and nothing else.

    Notices of the app go to stderr, and where that is a terminal, thoughts and the queue too.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.
        show_thinking: Show thoughts.

    Returns:
        The reply's tokens and times.

    Raises:
        ValueError: The prompt is empty, or the app does not offer the model.
        QwenSpaceError: The answer does not come to its end.
    """
    chat = make_chat(prompt, files=files)
    figures = Figures(space.config, chat)
    printer = _Printer(show_thinking=show_thinking)
    try:
        async with space.astream_chat(chat) as events:
            async for event in events:
                figures.see(event)
                printer.print(event)
        printer.has_begun = True  # an empty answer is a line too
    finally:
        printer.end()
    return figures


async def print_json(space: Space, prompt: str, files: Sequence[Path] = ()) -> Figures:
    """Print the whole reply as one object of JSON; an error, as one with the part that came before.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.

    Returns:
        The reply's tokens and times.

    Raises:
        ValueError: The prompt is empty.
        QwenSpaceError: The answer does not come to its end; it is printed too.
    """
    chat = make_chat(prompt, files=files)
    try:
        figures = await read_whole(space.astream_chat(chat), Figures(space.config, chat))
    except QwenSpaceError as exc:
        error = {"type": type(exc).__name__, "message": str(exc)}
        _print_object(space, {"text": exc.text, "finish_reason": "error", "error": error})
        raise
    reply = figures.reply
    told = {key: getattr(reply, key) for key in _KEYS if hasattr(reply, key)}
    beside = {key: list(map(asdict, getattr(reply, key))) for key in ("files", "components")}
    _print_object(space, {**told, **beside})
    return figures


def _print_object(space: Space, values: Mapping[str, Any]) -> None:
    whole = {**dict.fromkeys(_KEYS), **values, "space": space.config.url}
    write(f"{json.dumps(whole)}\n")  # in ASCII, which moves no terminal


async def read_whole(
    stream: EventStream[Event] | EventStream[CallEvent], figures: Figures
) -> Figures:
    """Read a reply to its end; notices, and the place in the queue, are lines on stderr.

    Args:
        stream: The events of the reply.
        figures: Get each of them.

    Returns:
        The figures, which have the reply.
    """
    is_seen = sys.stderr.isatty()
    async with stream as events:
        async for event in events:
            figures.see(event)
            if isinstance(event, (Notice, Queued)) and (line := _describe(event, is_seen=is_seen)):
                note(line)
    return figures


class _Printer:
    """Prints the events of a reply.

    Args:
        show_thinking: Show thoughts, where stderr is a terminal.

    Attributes:
        has_begun: Whether a line of the answer was begun.
    """

    def __init__(self, *, show_thinking: bool) -> None:
        self.has_begun = False
        self._is_seen = sys.stderr.isatty()
        self._show_thinking = show_thinking and self._is_seen
        self._is_thinking = False
        self._dim, self._normal = ("\x1b[2m", "\x1b[0m") if _has_styles() else ("", "")

    def print(self, event: Event) -> None:
        """Print an event."""
        match event:
            case ThinkingDelta():
                self._think(event.delta)
                return
            case TextDelta():
                self._stop_thinking()
                write(event.delta)
                self.has_begun = True
                return
        if line := _describe(event, is_seen=self._is_seen):
            self._stop_thinking()
            note(line)

    def end(self) -> None:
        """End the lines that were begun."""
        self._stop_thinking()
        if self.has_begun:
            write("\n")

    def _think(self, thought: str) -> None:
        if self._show_thinking:
            begin = "" if self._is_thinking else self._dim
            self._is_thinking = True
            _say(f"{begin}{strip_control_chars(thought)}")

    def _stop_thinking(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            _say(f"{self._normal}\n")


def _has_styles() -> bool:
    """Whether stderr, as a terminal, may get codes; a console of Windows shows them at times."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not is_plain and sys.platform != "win32"


def _describe(event: Event, *, is_seen: bool) -> str:
    """Return the line of an event that is no text; empty for one that is none of a reader's."""
    match event:
        case Queued(rank=rank) if rank and is_seen:
            return describe_place(event)
        case Rewritten():
            return "the app has rewritten its answer; it goes on after the new text"
        case FileReceived(file):
            return describe_file(file)
        case ComponentReceived(component):
            return describe_component(component)
        case Notice():
            return strip_control_chars(event.message)
    return ""


def describe_place(event: Queued) -> str:
    """Return a place in the queue in words."""
    place = "In the queue" if event.rank is None else f"In the queue, {event.rank} in front"
    return place if event.eta is None else f"{place}, about {event.eta:.0f} s to wait"


def write(text: str) -> None:
    """Print a piece of a reply on stdout; on a terminal, without the codes that could move it."""
    sys.stdout.write(strip_control_chars(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def note(line: str) -> None:
    """Print a line that is no reply, on stderr."""
    _say(f"qwen-space: {line}\n")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
