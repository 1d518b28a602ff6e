"""LangChain's messages to the turns of a chat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from qwen_space.chat import Turn

__all__ = ["turns"]

_ROLES: dict[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
    FunctionMessage: "tool",
}

# Blocks that say nothing to the model: a model's own thoughts, and calls, which are in
# `tool_calls` too. Messages of other providers have them, when this model is their fallback.
_SILENT = frozenset(
    {
        "reasoning",
        "thinking",
        "redacted_thinking",
        "tool_call",
        "tool_call_chunk",
        "tool_use",
        "function_call",
        "invalid_tool_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
    }
)

_TEXTS = {"text": "text", "text-plain": "text", "refusal": "refusal"}  # and where the text is


def turns(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Return messages as turns, in order.

    Raises:
        ValueError: A message holds something else than text, or is of an unknown kind.
    """
    return [Turn(_role(message), _text(message)) for message in messages]


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise ValueError(f"A message of type {message.type!r} has no place in a chat: leave it out.")


def _text(message: BaseMessage) -> str:
    content = message.content
    blocks = [content] if isinstance(content, str) else content
    text = "".join(_block_text(block) for block in blocks)
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return "\n".join(part for part in (text, *map(_call_text, calls)) if part)


def _block_text(block: str | dict[Any, Any]) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind in _SILENT:
        return ""
    if kind in _TEXTS:
        return str(block.get(_TEXTS[kind]) or "")
    raise ValueError(
        f"A content block of type {kind!r} cannot be sent: a Space takes text only. "
        "Leave it out, or describe it in words."
    )


def _call_text(call: Any) -> str:
    """Return a tool call as Qwen2.5's own chat template renders it."""
    body = {"name": call["name"], "arguments": call["args"]}
    return f"<tool_call>\n{json.dumps(body, ensure_ascii=False, default=str)}\n</tool_call>"
