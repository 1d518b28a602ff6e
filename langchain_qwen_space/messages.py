"""LangChain's messages to those of the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolMessage,
)

from qwen_space.chat_model.content import decode_text, join_parts, name_text, replace_media
from qwen_space.tools import Message, ToolCall
from qwen_space.tools.calls import to_json

__all__ = ["to_core_messages"]

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

# In an assistant's message, tools that another provider ran itself; their use is in its text.
_RUN_ELSEWHERE = ("executable_code", "non_standard")
_ENDS_RUN_ELSEWHERE = (
    "_approval_request",
    "_call",
    "_call_output",
    "_execution_result",
    "_list_tools",
    "_tool_result",
    "_tool_use",
)


def to_core_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """Return messages as the core has them, in order.

    Raises:
        ValueError: A message holds something else than text, or is of an unknown kind.
    """
    return [_message(message) for message in messages]


def _message(message: BaseMessage) -> Message:
    role, text = _role(message), _text(message)
    if isinstance(message, AIMessage):
        calls = [
            ToolCall(call["name"], call["args"], call["id"] or "") for call in message.tool_calls
        ]
        return Message(role, text, calls)
    if isinstance(message, ToolMessage):
        return Message(role, text, call_id=message.tool_call_id)
    return Message(role, name_text(message.name, text) if role == "user" else text)


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise ValueError(f"A message of type {message.type!r} has no place in a chat: leave it out.")


def _text(message: BaseMessage) -> str:
    content = message.content
    blocks: list[Any] = [content] if isinstance(content, str) else content
    if not isinstance(message, AIMessage):
        is_result = isinstance(message, (ToolMessage, FunctionMessage))
        return join_parts(_block_text(block, is_result=is_result) for block in blocks)
    said = [_block_text(block) for block in blocks if not _was_run_elsewhere(block)]
    text = join_parts(said, by="")  # the deltas of a stream, and the texts around calls
    return "\n".join(part for part in (text, *map(_as_written, message.invalid_tool_calls)) if part)


def _as_written(call: InvalidToolCall) -> str:
    """Return an invalid call as the model wrote it; of another provider's, something like it."""
    args = call["args"] or ""
    if args.startswith("<tool_call>"):
        return args
    return f'<tool_call>\n{{"name": "{call["name"] or ""}", "arguments": {args}}}\n</tool_call>'


def _was_run_elsewhere(block: str | dict[Any, Any]) -> bool:
    kind = "" if isinstance(block, str) else str(block.get("type"))
    return kind in _RUN_ELSEWHERE or kind.endswith(_ENDS_RUN_ELSEWHERE)


def _block_text(block: Any, *, is_result: bool = False) -> str | None:
    """Return a block's text; None for one that says nothing to the model."""
    if isinstance(block, str):
        return block
    kind = str(block.get("type"))
    if kind in _SILENT:
        return None
    text = _TEXTS[kind](block) if kind in _TEXTS else None
    return replace_media(kind, is_result=is_result) if text is None else text


def _search_result(block: Mapping[str, Any]) -> str:
    heading = [block.get("title"), block.get("source")]
    return join_parts([*filter(None, heading), *map(_block_text, block.get("content") or ())])


def _document(block: Mapping[str, Any]) -> str | None:
    """Return an Anthropic document's text; None for a file in another format."""
    source = block.get("source") or {}
    if source.get("type") == "content":
        content = source.get("content") or ()
        text = content if isinstance(content, str) else join_parts(map(_block_text, content))
    elif source.get("type") == "text":
        text = source.get("data") or ""
    else:
        return None
    return join_parts([*filter(None, [block.get("title"), block.get("context")]), text])


def _file(block: Mapping[str, Any]) -> str | None:
    """Return a text file's text; None for a file of another kind, and for one that is elsewhere."""
    if (text := block.get("text")) is not None:
        return str(text)
    data = block.get("base64") or block.get("data")
    return decode_text(data, block.get("mime_type") or "text/plain") if data else None


def _json(block: Mapping[str, Any]) -> str:
    return to_json(next((block[key] for key in ("json", "data", "value") if key in block), None))


_TEXTS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "document": _document,
    "file": lambda block: _file(block) if block.get("mime_type") else None,
    "json": _json,
    "refusal": lambda block: str(block.get("refusal") or ""),
    "search_result": _search_result,
    "text": lambda block: str(block.get("text") or ""),
    "text-plain": _file,
}
