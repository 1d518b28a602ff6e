"""A reply for a pipe: as plain text, or as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from qwen_space.chat_model.space import Space
from qwen_space.errors import QwenSpaceError
from qwen_space.events import (
    ComponentReceived,
    Event,
    FileReceived,
    Notice,
    ReplyComponent,
    ReplyFile,
    Rewritten,
    TextDelta,
)

__all__ = [
    "describe_component",
    "describe_error",
    "describe_file",
    "print_json",
    "print_reply",
    "strip_control_chars",
]

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
    """Return the sentence of an error, without the number of the system's errors."""
    said = str(error)
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


async def print_reply(space: Space, prompt: str, files: Sequence[Path] = ()) -> None:
    """Print the reply's text as it streams, then a newline, and nothing else.

    Notices of the app go to stderr.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.

    Raises:
        ValueError: The prompt is empty, or the app does not offer the model.
        QwenSpaceError: The answer does not come to its end.
    """
    printed = False
    try:
        async with space.astream(prompt, files=files) as events:
            async for event in events:
                printed = _print(event) or printed
        printed = True  # an empty answer is a line too
    finally:
        if printed:
            _write("\n")


async def print_json(space: Space, prompt: str, files: Sequence[Path] = ()) -> None:
    """Print the whole reply as one object of JSON; an error, as one with the part that came before.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.

    Raises:
        ValueError: The prompt is empty.
        QwenSpaceError: The answer does not come to its end; it is printed too.
    """
    try:
        reply = await space.acomplete(prompt, files=files)
    except QwenSpaceError as exc:
        error = {"type": type(exc).__name__, "message": str(exc)}
        _print_object(space, {"text": exc.text, "finish_reason": "error", "error": error})
        raise
    told = {key: getattr(reply, key) for key in _KEYS if hasattr(reply, key)}
    beside = {key: list(map(asdict, getattr(reply, key))) for key in ("files", "components")}
    _print_object(space, {**told, **beside})


def _print_object(space: Space, values: Mapping[str, Any]) -> None:
    whole = {**dict.fromkeys(_KEYS), **values, "space": space.config.url}
    _write(f"{json.dumps(whole)}\n")  # in ASCII, which moves no terminal


def _print(event: Event) -> bool:
    """Print an event; return whether it is a part of the reply."""
    match event:
        case TextDelta():
            _write(event.delta)
            return True
        case Rewritten():
            _note("the app has rewritten its answer; it goes on after the new text")
        case FileReceived(file):
            _note(describe_file(file))
        case ComponentReceived(component):
            _note(describe_component(component))
        case Notice():
            _note(strip_control_chars(event.message))
    return False


def _write(text: str) -> None:
    sys.stdout.write(strip_control_chars(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"qwen-space: {line}\n")
