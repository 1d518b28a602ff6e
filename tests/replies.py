"""Replies by script: one for each request, and tool calls as Qwen writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.pieces import cut

__all__ = ["in_turn", "tool_call"]


def in_turn(*replies: str | list[str]) -> Callable[[Any], list[str]]:
    """Return a script that answers each request with the next reply.

    Args:
        replies: A text comes in pieces that cut its words and tags; a list is the pieces.
    """
    left = list(replies)

    def answer(messages: Any) -> list[str]:
        reply = left.pop(0)
        return cut(reply) if isinstance(reply, str) else reply

    return answer


def tool_call(name: str, /, **arguments: Any) -> str:
    """Return the text of a tool call."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"
