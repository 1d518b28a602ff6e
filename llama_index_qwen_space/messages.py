"""LlamaIndex's messages and tools to those of the core, and a model's calls back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json

from qwen_space.chat.messages import is_text, split_parts
from qwen_space.tools import Message, ToolCall

if TYPE_CHECKING:
    from llama_index.core.schema import ImageNode
    from llama_index.core.tools.types import BaseTool

__all__ = [
    "call_blocks",
    "older_calls",
    "selections",
    "to_arguments",
    "to_core_messages",
    "to_core_prompt",
    "to_schema",
]

_RESULTS = frozenset({MessageRole.TOOL, MessageRole.FUNCTION})

# Names that other providers have for the assistant.
_ASSISTANTS = frozenset({MessageRole.CHATBOT, MessageRole.MODEL})


def to_core_messages(messages: Sequence[ChatMessage]) -> list[Message]:
    """Return messages as the core has them, in order.

    Raises:
        ValueError: A message holds something that is neither text nor media.
    """
    return [_message(message) for message in messages]


def _message(message: ChatMessage) -> Message:
    beside = message.additional_kwargs
    calls = tuple(_read_calls(message))
    is_result = message.role in _RESULTS
    parts = (part for block in message.blocks for part in _parts(block))
    text, media = split_parts(parts, is_result=is_result)
    return Message(
        _role(message), text, calls, beside.get("tool_call_id"), beside.get("name"), media
    )


def to_core_prompt(prompt: str, images: Iterable[ImageNode | ImageBlock]) -> Message:
    """Return a completion's prompt, with the pictures that a reader or a query engine has found."""
    text, media = split_parts([*map(_image, images), prompt])
    return Message("user", text, media=media)


def _image(image: ImageNode | ImageBlock) -> Any:
    if isinstance(image, ImageBlock):
        return _part(image)
    # No ImageBlock, as that looks for the file when it is made, which blocks an event loop.
    found = {
        "base64": image.image,
        "url": image.image_url,
        "path": Path(image.image_path) if image.image_path else None,
    }
    given = {key: value for key, value in found.items() if value}
    return {"type": "image", **given, "mime_type": image.image_mimetype}


def _role(message: ChatMessage) -> str:
    assistant = message.role in _ASSISTANTS
    return MessageRole.ASSISTANT.value if assistant else message.role.value


def _parts(block: Any) -> Iterator[Any]:
    """Yield a block as parts for the core; a citation has several."""
    if not isinstance(block, (CitableBlock, CitationBlock)):
        yield _part(block)
        return
    yield from (block.title, block.source)
    cited = block.content if isinstance(block, CitableBlock) else [block.cited_content]
    for each in cited:
        yield from _parts(each)


def _part(block: Any) -> Any:
    """Return a block as a part for the core; empty for one that says nothing, and for a call."""
    match block:
        case TextBlock():
            return block.text
        case ToolCallBlock() | ThinkingBlock() | CachePoint():
            return ""
        case DocumentBlock(data=bytes(data)) if is_text(block.document_mimetype):
            kind = {"media_type": block.document_mimetype, "type": "base64"}
            return {"type": "document", "source": {**kind, "data": data.decode()}}
        case ImageBlock():
            return _media("image", block.image, block, block.image_mimetype)
        case AudioBlock():
            mime_type = f"audio/{block.format}" if block.format else None
            return _media("audio", block.audio, block, mime_type)
        case VideoBlock():
            return _media("video", block.video, block, block.video_mimetype)
        case DocumentBlock():
            return _media("file", block.data, block, block.document_mimetype, block.title)
    return {"type": block.block_type}


def _media(
    kind: str, data: Any, block: Any, mime_type: str | None, name: str | None = None
) -> dict[str, Any]:
    """Return a block's media; LlamaIndex keeps bytes in base64, as bytes too."""
    source = data.decode("ascii", "replace") if isinstance(data, bytes) else data
    found = {"base64": source, "url": block.url and str(block.url), "path": block.path}
    given = {key: value for key, value in found.items() if value}
    return {"type": kind, **given, "mime_type": mime_type, "name": name}


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
