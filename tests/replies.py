"""Replies by script: one for each request, and tool calls as Qwen writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.pieces import cut

__all__ = ["in_turn", "tool_call"]


def in_turn(*replies: str | list[Any]) -> Callable[[Any], list[Any]]:
    """Return a script that answers each request with the next reply.

    Args:
        replies: A text comes in pieces that cut its words and tags. A list has the pieces, or the
            error at which the job fails.
    """
    left = list(replies)

    def answer(messages: Any) -> list[Any]:
        reply = left.pop(0)
        return cut(reply) if isinstance(reply, str) else reply

    return answer


def tool_call(name: str, /, **arguments: Any) -> str:
    """Return the text of a tool call."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"
