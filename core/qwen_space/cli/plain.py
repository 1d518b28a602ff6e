"""An answer as plain text: what a pipe gets."""

from __future__ import annotations

import re
import sys

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import check_prompt
from qwen_space.chat_model.space import Space
from qwen_space.events import Event, Notice, Rewritten, TextDelta

__all__ = ["clean", "print_answer"]

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Return text that a terminal only shows: an app's control characters could do more."""
    return _CONTROLS.sub("", text)


async def print_answer(space: Space, prompt: str) -> None:
    """Print the answer's text as it streams, then a newline, and nothing else.

    What the app says beside its answer goes to stderr.

    Args:
        space: Who answers.
        prompt: What to answer.

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
    """Print what an event says; return whether it is a part of the answer."""
    match event:
        case TextDelta():
            _write(event.delta)
            return True
        case Rewritten():
            _note("the app has rewritten its answer; it goes on after the new text")
        case Notice():
            _note(clean(event.message))
    return False


def _write(text: str) -> None:
    sys.stdout.write(clean(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"qwen-space: {line}\n")
