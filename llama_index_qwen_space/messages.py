"""LlamaIndex's messages to those of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from qwen_space.tools import Message, ToolCall

__all__ = ["calls_of", "to_core_messages"]

# Names that other providers have for the assistant.
_ASSISTANTS = frozenset({MessageRole.CHATBOT, MessageRole.MODEL})


def to_core_messages(messages: Sequence[ChatMessage]) -> list[Message]:
    """Return messages as the core has them, in order.

    Raises:
        ValueError: A message holds something that is no text.
    """
    return [
        Message(
            _role(message),
            _text(message),
            tuple(calls_of(message)),
            message.additional_kwargs.get("tool_call_id"),
        )
        for message in messages
    ]


def _role(message: ChatMessage) -> str:
    assistant = message.role in _ASSISTANTS
    return MessageRole.ASSISTANT.value if assistant else message.role.value


def _text(message: ChatMessage) -> str:
    """Return a message's text, its blocks joined as `ChatMessage.content` joins them."""
    texts = [_block_text(block) for block in message.blocks]
    return "\n".join(text for text in texts if text is not None)


def _block_text(block: Any) -> str | None:
    """Return a block's text; None for one that says nothing to the model, and for a call."""
    match block:
        case TextBlock():
            return block.text
        case ToolCallBlock() | ThinkingBlock() | CachePoint():
            return None
    raise ValueError(
        f"A block of type {block.block_type!r} cannot be sent: a Space takes text only. "
        "Leave it out of the message, or describe it in words."
    )


def calls_of(message: ChatMessage) -> Iterator[ToolCall]:
    """Yield a message's calls: its blocks, or what LLMs without such blocks left in their place."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if not blocks:
        yield from _older_calls(message.additional_kwargs.get("tool_calls") or ())
    for block in blocks:
        yield ToolCall(block.tool_name, block.tool_kwargs, block.tool_call_id or "")


def _older_calls(calls: Iterable[Any]) -> Iterator[ToolCall]:
    """Yield calls that stand in `additional_kwargs`, as OpenAI has them; others are left out."""
    for call in calls:
        given = call if isinstance(call, Mapping) else getattr(call, "__dict__", {})
        function = given.get("function")
        function = function if isinstance(function, Mapping) else getattr(function, "__dict__", {})
        if name := function.get("name"):
            yield ToolCall(name, function.get("arguments") or {}, given.get("id") or "")
