"""LangChain's messages to those of the core."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
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

from qwen_space.chat.media import Media, to_media
from qwen_space.chat.messages import has_text, part_text, split_parts
from qwen_space.tools import InvalidCall, Message, ToolCall, given_call

__all__ = ["to_core_messages"]

_ROLES: dict[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
    FunctionMessage: "tool",
}

# Blocks that say nothing to the model: a model's own thoughts, and calls, which are read apart.
# Answers of other providers have them, and so a person's message made of one.
_SILENT = frozenset(
    {
        "reasoning",
        "thinking",
        "redacted_thinking",
        "reasoning_content",
        "compaction",
        "tool_use",
        "mcp_list_tools",
        "executable_code",
        "code_execution_result",
    }
)
_SILENT_ENDS = ("_call", "_call_chunk", "_tool_use", "_tool_result")  # such as web_search_call


def to_core_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """Return messages as the core has them, in order.

    Raises:
        ValueError: A message holds neither text nor media, is of an unknown kind, or has a call
            without a name.
    """
    return [_message(message) for message in messages]


def _message(message: BaseMessage) -> Message:
    calls = list(_calls(message)) if isinstance(message, AIMessage) else []
    call_id = message.tool_call_id if isinstance(message, ToolMessage) else None
    text, media = _content(message)
    return Message(_role(message), text, calls, call_id, message.name, media)


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise ValueError(f"A message of type {message.type!r} has no place in a chat: leave it out.")


def _content(message: BaseMessage) -> tuple[str, tuple[Media, ...]]:
    content = message.content
    blocks: list[Any] = [content] if isinstance(content, str) else content
    if isinstance(message, AIMessage):
        return split_parts([*_own_parts(blocks), *_said_beside(message)], is_result=True)
    said = [block for block in blocks if not _is_silent(block)]
    is_result = isinstance(message, (ToolMessage, FunctionMessage))
    return split_parts(said, is_result=is_result)


def _own_parts(blocks: Iterable[str | dict[Any, Any]]) -> Iterator[str | Media | None]:
    """Yield a reply's texts and media; texts in a row, which are the deltas of a stream, are one.

    Other blocks are of the tools that a provider runs itself, or its own marks: None.
    """
    for are_texts, group in groupby(blocks, has_text):
        if are_texts:
            yield "".join(map(part_text, group))
        else:
            for block in group:
                with contextlib.suppress(ValueError):  # by an id that only its provider knows
                    yield to_media(block) if isinstance(block, dict) else None


def _said_beside(message: AIMessage) -> Iterator[str]:
    """Yield words of OpenAI's models that are not in the content."""
    yield message.additional_kwargs.get("refusal") or ""
    yield (message.additional_kwargs.get("audio") or {}).get("transcript") or ""


def _is_silent(block: str | dict[Any, Any]) -> bool:
    if isinstance(block, str):
        return False
    kind = str(block.get("type"))
    is_call = kind.endswith(_SILENT_ENDS) and kind != "image_generation_call"  # has a picture
    return is_call or kind in _SILENT or block.keys() == {"cachePoint"}  # of Amazon Bedrock


def _calls(message: AIMessage) -> Iterator[ToolCall | InvalidCall]:
    """Yield a message's calls: the invalid ones, which LangChain keeps apart, come first."""
    for invalid in message.invalid_tool_calls:
        args = invalid["args"] or ""  # of another provider's, only the arguments
        body = args.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        if body == args:
            body = f'{{"name": "{invalid["name"] or ""}", "arguments": {args}}}'
        yield InvalidCall(body, "", id=invalid["id"] or "")
    for call in message.tool_calls:
        yield ToolCall(call["name"], call["args"], call["id"] or "")
    if message.tool_calls or message.invalid_tool_calls:  # some have them elsewhere, too
        return
    if old := message.additional_kwargs.get("function_call"):
        yield given_call(old)
    for block in () if isinstance(message.content, str) else message.content:
        if isinstance(block, dict) and block.get("type") in {"tool_call", "tool_use"}:
            yield given_call(block)
