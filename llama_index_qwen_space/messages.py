"""LlamaIndex's messages to those of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from qwen_space.chat_model.content import decode_text, join_parts, name_text, replace_media
from qwen_space.tools import Message, ToolCall

__all__ = ["calls_of", "to_core_messages"]

_RESULTS = frozenset({MessageRole.TOOL, MessageRole.FUNCTION})

# Names that other providers have for the assistant.
_ASSISTANTS = frozenset({MessageRole.CHATBOT, MessageRole.MODEL})


def to_core_messages(messages: Sequence[ChatMessage]) -> list[Message]:
    """Return messages as the core has them, in order.

    Raises:
        ValueError: A message holds something that is no text.
    """
    return [_message(message) for message in messages]


def _message(message: ChatMessage) -> Message:
    role, text, beside = _role(message), _text(message), message.additional_kwargs
    if role == MessageRole.USER.value:
        text = name_text(beside.get("name"), text)
    return Message(role, text, tuple(calls_of(message)), beside.get("tool_call_id"))


def _role(message: ChatMessage) -> str:
    assistant = message.role in _ASSISTANTS
    return MessageRole.ASSISTANT.value if assistant else message.role.value


def _text(message: ChatMessage) -> str:
    """Return a message's text, its blocks joined as `ChatMessage.content` joins them."""
    is_result = message.role in _RESULTS
    return join_parts(_block_text(block, is_result=is_result) for block in message.blocks)


def _block_text(block: Any, *, is_result: bool = False) -> str | None:
    """Return a block's text; None for one that says nothing to the model, and for a call."""
    text = None
    match block:
        case TextBlock():
            text = block.text
        case ToolCallBlock() | ThinkingBlock() | CachePoint():
            return None
        case CitableBlock():
            content = [_block_text(each, is_result=is_result) for each in block.content]
            text = join_parts([*filter(None, [block.title, block.source]), *content])
        case CitationBlock():
            cited = _block_text(block.cited_content, is_result=is_result)
            text = join_parts([*filter(None, [block.title, block.source]), cited])
        case DocumentBlock(data=bytes(data)):
            text = decode_text(data, block.document_mimetype)
    return replace_media(block.block_type, is_result=is_result) if text is None else text


def calls_of(message: ChatMessage) -> Iterator[ToolCall]:
    """Yield a message's calls: its blocks, or the calls that LLMs without such blocks left."""
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
