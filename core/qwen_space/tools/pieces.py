"""What a reply is made of: text and calls, while it is written and as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qwen_space.tools.calls import InvalidCall, ToolCall

__all__ = ["ArgumentsDelta", "CallStarted", "Parsed", "Piece", "TextPiece"]


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that is no part of a call.

    Attributes:
        delta: The new text.
    """

    delta: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call has begun, and its name is known.

    Attributes:
        index: Its place among the calls of the reply.
        id: The call's name.
        name: The tool's name.
    """

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """A piece of a call's arguments, as JSON. All of them together are `ToolCall.text`.

    The call may still turn out to be invalid: act on `ToolCall` alone.

    Attributes:
        index: The call's place among the calls of the reply.
        delta: The new piece.
    """

    index: int
    delta: str


Piece = TextPiece | CallStarted | ArgumentsDelta | ToolCall | InvalidCall


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole reply.

    Attributes:
        text: All text outside of calls.
        calls: The calls, in order.
        invalid: What was meant as calls and is none, in order.
        parts: The texts, calls and invalid calls in the order in which they came.
    """

    text: str
    calls: tuple[ToolCall, ...]
    invalid: tuple[InvalidCall, ...]
    parts: tuple[str | ToolCall | InvalidCall, ...]

    @classmethod
    def of(cls, parts: Iterable[str | ToolCall | InvalidCall]) -> Parsed:
        """Return a reply that is made of these parts."""
        parts = tuple(parts)
        return cls(
            text="".join(part for part in parts if isinstance(part, str)),
            calls=tuple(part for part in parts if isinstance(part, ToolCall)),
            invalid=tuple(part for part in parts if isinstance(part, InvalidCall)),
            parts=parts,
        )
