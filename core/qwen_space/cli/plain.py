"""A reply as plain text, for a pipe."""

from __future__ import annotations

import re
import sys

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import check_prompt
from qwen_space.chat_model.space import Space
from qwen_space.events import Event, Notice, Rewritten, TextDelta

__all__ = ["print_reply", "strip_control_chars"]

# C0 and C1 but for the tab and the newline, and the characters that turn a line's direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def strip_control_chars(text: str) -> str:
    """Return a text of an app without the characters that could move or mislead a terminal."""
    return _CONTROLS.sub("", text)


async def print_reply(space: Space, prompt: str) -> None:
    """Print the reply's text as it streams, then a newline, and nothing else.

    Notices of the app go to stderr.

    Args:
        space: The Space to ask.
        prompt: The question.

    Raises:
        ValueError: The prompt is empty, or the app does not offer the model.
        QwenSpaceError: The answer does not come to its end.
    """
    printed = False
    try:
        async with space.astream_chat([Turn("user", check_prompt(prompt))]) as events:
            async for event in events:
                printed = _print(event) or printed
        printed = True  # an empty answer is a line too
    finally:
        if printed:
            _write("\n")


def _print(event: Event) -> bool:
    """Print an event; return whether it is a part of the reply."""
    match event:
        case TextDelta():
            _write(event.delta)
            return True
        case Rewritten():
            _note("the app has rewritten its answer; it goes on after the new text")
        case Notice():
            _note(strip_control_chars(event.message))
    return False


def _write(text: str) -> None:
    sys.stdout.write(strip_control_chars(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"qwen-space: {line}\n")
