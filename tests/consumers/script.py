"""Scripts of replies, as a model writes them that calls tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["call", "says"]


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def says(*replies: str) -> Any:
    """Return a script that gives one reply after the other, in small pieces."""
    left = list(replies)

    def reply(messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        text = left.pop(0)
        yield from (text[at : at + 5] for at in range(0, len(text), 5))

    return reply
