"""Turns: the messages of a chat as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Turn", "part_text", "to_turns"]

_SYSTEM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat as plain text, which is all that a Space takes.

    Attributes:
        role: "system", "developer", "user", "assistant", "tool", or any other name.
        text: The text.
    """

    role: str
    text: str

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the system prompt."""
        return self.role in _SYSTEM_ROLES


def to_turns(messages: Iterable[Mapping[str, Any]]) -> list[Turn]:
    """Convert plain `{"role": ..., "content": ...}` messages to turns.

    `content` is a string, None, or a list of strings and `{"type": "text", "text": ...}` parts.

    Raises:
        ValueError: A message has no role, or a part that is no text.
    """
    return [_to_turn(message) for message in messages]


def _to_turn(message: Mapping[str, Any]) -> Turn:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or not role:
        raise ValueError(f'A message has no role: {message!r:.200}; give {{"role", "content"}}.')
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return Turn(role, "".join(map(part_text, parts)))


def part_text(part: Any) -> str:
    """Return the text of one part of a message's content.

    Raises:
        ValueError: The part is something else, such as an image.
    """
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind == "text" and isinstance(text := part.get("text"), str):
        return text
    raise ValueError(
        f"A Space takes text only, so a part of type {kind!r} cannot be sent: leave it out."
    )
