"""LlamaIndex's messages to the turns of a chat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from qwen_space.chat import Turn

__all__ = ["turns"]

# Names that other providers have for the assistant.
_ASSISTANTS = frozenset({MessageRole.CHATBOT, MessageRole.MODEL})


def turns(messages: Sequence[ChatMessage]) -> list[Turn]:
    """Return messages as turns, in order.

    Raises:
        ValueError: A message holds something that is no text.
    """
    return [Turn(_role(message), _text(message)) for message in messages]


def _role(message: ChatMessage) -> str:
    assistant = message.role in _ASSISTANTS
    return MessageRole.ASSISTANT.value if assistant else message.role.value


def _text(message: ChatMessage) -> str:
    """Return a message's text, its blocks joined as `ChatMessage.content` joins them."""
    texts = [_block_text(block) for block in message.blocks]
    return "\n".join(text for text in texts if text is not None)


def _block_text(block: Any) -> str | None:
    """Return a block's text; None for one that says nothing to the model."""
    match block:
        case TextBlock():
            return block.text
        case ToolCallBlock():
            return _call_text(block)
        case ThinkingBlock() | CachePoint():
            return None
    raise ValueError(
        f"A block of type {block.block_type!r} cannot be sent: a Space takes text only. "
        "Leave it out of the message, or describe it in words."
    )


def _call_text(call: ToolCallBlock) -> str:
    """Return a tool call as Qwen2.5's own chat template renders it."""
    body = {"name": call.tool_name, "arguments": call.tool_kwargs}
    return f"<tool_call>\n{json.dumps(body, ensure_ascii=False, default=str)}\n</tool_call>"
