"""LlamaIndex's messages and tools to those of the core, and a model's calls back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json

from qwen_space.chat.messages import join_parts, part_text
from qwen_space.tools import Message, ToolCall

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

__all__ = [
    "call_blocks",
    "older_calls",
    "selections",
    "to_arguments",
    "to_core_messages",
    "to_schema",
]

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
    beside = message.additional_kwargs
    calls = tuple(_read_calls(message))
    return Message(
        _role(message), _text(message), calls, beside.get("tool_call_id"), beside.get("name")
    )


def _role(message: ChatMessage) -> str:
    assistant = message.role in _ASSISTANTS
    return MessageRole.ASSISTANT.value if assistant else message.role.value


def _text(message: ChatMessage) -> str:
    is_result = message.role in _RESULTS
    return join_parts(_block_text(block, is_result=is_result) for block in message.blocks)


def _block_text(block: Any, *, is_result: bool) -> str:
    """Return a block's text; empty for one that says nothing to the model, and for a call."""
    match block:
        case TextBlock():
            return block.text
        case ToolCallBlock() | ThinkingBlock() | CachePoint():
            return ""
        case CitableBlock():
            content = [_block_text(each, is_result=is_result) for each in block.content]
            return join_parts([block.title, block.source, *content])
        case CitationBlock():
            cited = _block_text(block.cited_content, is_result=is_result)
            return join_parts([block.title, block.source, cited])
        case DocumentBlock(data=bytes(data)):
            kind = {"media_type": block.document_mimetype, "type": "base64"}
            part = {"type": "document", "source": {**kind, "data": data.decode()}}
            return part_text(part, is_result=is_result)
    return part_text({"type": block.block_type}, is_result=is_result)


# Calls


def _read_calls(message: ChatMessage) -> Iterator[ToolCall]:
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


def call_blocks(calls: Iterable[ToolCall]) -> list[ToolCallBlock]:
    """Return calls as the blocks of a message."""
    return [
        ToolCallBlock(
            tool_call_id=call.id, tool_name=call.name, tool_kwargs=_arguments(call.arguments)
        )
        for call in calls
    ]


def older_calls(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Return calls as they were before there were blocks for them.

    LlamaIndex looks for this list when it streams an object by function calling, and when it
    asks whether a message is a call rather than an answer.
    """
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
        for call in calls
    ]


def selections(message: ChatMessage) -> list[ToolSelection]:
    """Return the calls of a message as LlamaIndex's agents take them."""
    return [
        ToolSelection(tool_id=call.id, tool_name=call.name, tool_kwargs=_arguments(call.arguments))
        for call in _read_calls(message)
    ]


def _arguments(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return a call's arguments; of JSON that is not complete yet, as far as it has come."""
    if not isinstance(arguments, str):
        return dict(arguments)
    try:
        read = parse_partial_json(arguments)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


# Tools


def to_schema(tool: BaseTool | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as OpenAI describes one, under its own name and at any length.

    `ToolMetadata.to_openai_tool` changes a name that OpenAI would not take, and LlamaIndex then
    does not find the tool under the name that the model calls.
    """
    if isinstance(tool, Mapping):
        return tool
    return {
        "type": "function",
        "function": {
            "name": tool.metadata.get_name(),
            "description": tool.metadata.description,
            "parameters": tool.metadata.get_parameters_dict(),
        },
    }


def to_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat's keyword arguments with OpenAI's names in place of LlamaIndex's."""
    rest = dict(kwargs)
    if rest.pop("tool_required", False) and rest.get("tool_choice") in (None, "auto"):
        rest["tool_choice"] = "required"
    if (parallel := rest.pop("allow_parallel_tool_calls", None)) is not None:
        rest["parallel_tool_calls"] = parallel
    return rest
