"""Chunks: the parts of a stream.

langchain-core folds them in four ways, which all have to give the same message. A chunk is of
one kind. A call is one chunk, sent once it is known to be valid, as half a call would be taken
for a whole one. It has an index of its own, away from those that texts are given. The arguments
of an invalid call are the model's own text, tag included, which nothing takes for JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.messages import ToolCall as LangChainCall
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from qwen_space.chat.media import MediaKind
from qwen_space.chat_model.fast_copy import FastCopy
from qwen_space.events import ReplyFile
from qwen_space.tools import ArgumentsDelta, CallStarted, InvalidCall, ToolCall, call_text
from qwen_space.tools.calls import to_json

__all__ = [
    "apply_final_text",
    "apply_final_texts",
    "call_chunk",
    "call_part_chunk",
    "file_block",
    "reasoning",
    "reasoning_chunk",
    "text_chunk",
    "to_invalid_tool_call",
    "to_tool_call",
    "with_files",
]

_FIRST_INDEX = 1000  # of calls; versions 1 and 3 count texts from 0

_MESSAGE = FastCopy(AIMessageChunk(content=""))
_CHUNK = FastCopy(ChatGenerationChunk(message=AIMessageChunk(content="")))


def text_chunk(text: str) -> ChatGenerationChunk:
    """Return `ChatGenerationChunk(message=AIMessageChunk(content=text))`, made faster.

    There is one for every token.
    """
    return _CHUNK.copy(text=text, message=_MESSAGE.copy(content=text))


def reasoning_chunk(thought: str) -> ChatGenerationChunk:
    """Return a chunk of the model's thoughts."""
    message = AIMessageChunk(content="", additional_kwargs=reasoning(thought))
    return ChatGenerationChunk(message=message)


def reasoning(thinking: str) -> dict[str, Any]:
    """Return thoughts under the name that langchain-core makes reasoning blocks of."""
    return {"reasoning_content": thinking} if thinking else {}


def call_chunk(call: ToolCall | InvalidCall, *, blocks: bool) -> ChatGenerationChunk:
    """Return a whole call as a chunk.

    Args:
        call: The call.
        blocks: Whether contents are lists of blocks, as in version 1. langchain-core makes such
            a block of a valid call, but not of an invalid one.
    """
    index = _FIRST_INDEX + call.index
    if isinstance(call, ToolCall):
        args = to_json(call.arguments)
        chunk = tool_call_chunk(name=call.name, args=args, id=call.id, index=index)
        return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))
    args = call_text(call)
    chunk = tool_call_chunk(name=call.name, args=args, id=call.id, index=index)
    if not blocks:
        return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))
    message = AIMessageChunk(
        content=[{**to_invalid_tool_call(call), "index": index}],
        tool_call_chunks=[chunk],
        response_metadata={"output_version": "v1"},
    )
    return ChatGenerationChunk(message=message)


def call_part_chunk(part: CallStarted | ArgumentsDelta) -> ChatGenerationChunk:
    """Return the beginning of a call, or more of its arguments, as a chunk."""
    index = _FIRST_INDEX + part.index
    if isinstance(part, CallStarted):
        chunk = tool_call_chunk(name=part.name, args="", id=part.id, index=index)
    else:
        chunk = tool_call_chunk(args=part.delta, index=index)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))


def to_tool_call(call: ToolCall) -> LangChainCall:
    """Return a call as LangChain has it."""
    return tool_call(name=call.name, args=dict(call.arguments), id=call.id)  # type: ignore[arg-type]


def to_invalid_tool_call(call: InvalidCall) -> InvalidToolCall:
    """Return an invalid call as LangChain has it."""
    error = f"{call.reason[:1].upper()}{call.reason[1:]}."
    return invalid_tool_call(name=call.name, args=call_text(call), id=call.id, error=error)


def file_block(file: ReplyFile) -> dict[str, Any]:
    """Return a file of a reply as a content block of LangChain's."""
    block: dict[str, Any] = {"type": file.kind, "url": file.url}
    if file.mime_type is not None:
        block["mime_type"] = file.mime_type
    if file.name is not None:
        block["extras"] = {"filename": file.name}
    return block


def with_files(text: str, files: Sequence[Any], *, is_first: bool) -> str | list[Any]:
    """Return a message's content, to the letter as langchain-core folds it from chunks.

    Args:
        text: The text.
        files: The blocks of files, which the last chunk has.
        is_first: Whether that is the only chunk; any other leaves a text, which may be empty.
    """
    if not files:
        return text
    return list(files) if is_first else [text, *files]


# Where the app changed text that chunks had given

_MEDIA = frozenset(get_args(MediaKind))
_FINAL = ("final_text", "final_reasoning", "final_tool_calls", "final_invalid_tool_calls")


def apply_final_text(message: AIMessage) -> AIMessage:
    """Return a message that was folded from chunks as the app ended on it.

    Chunks cannot take anything back. So the last one has the reply, where they do not add up to it.
    """
    metadata = message.response_metadata
    final = {key: metadata[key] for key in _FINAL if key in metadata}
    if not final:
        return message
    text = final.get("final_text", message.text)
    beside = dict(message.additional_kwargs)
    streamed: Any = beside.pop("reasoning_content", "")
    thought = final.get("final_reasoning", streamed)
    calls = final.get("final_tool_calls", message.tool_calls)
    invalid = final.get("final_invalid_tool_calls", message.invalid_tool_calls)
    others = {key: value for key, value in metadata.items() if key not in _FINAL}
    parts = [] if isinstance(message.content, str) else message.content
    files = [each for each in parts if isinstance(each, dict) and each.get("type") in _MEDIA]
    changed = message.model_copy(
        update={
            "content": with_files(text, files, is_first=not (text or thought or calls or invalid)),
            "tool_calls": calls,
            "invalid_tool_calls": invalid,
            "additional_kwargs": {**beside, **reasoning(thought)},
            "response_metadata": others,
        }
    )
    return _in_blocks(changed) if others.get("output_version") == "v1" else changed


def apply_final_texts(result: ChatResult) -> ChatResult:
    """Return a result with its messages, and their texts, as the app ended on them."""
    for place, generation in enumerate(result.generations):
        before = generation.message
        if isinstance(before, AIMessage) and (after := apply_final_text(before)) is not before:
            made = ChatGeneration(message=after, generation_info=generation.generation_info)
            result.generations[place] = made
    return result


def _in_blocks(message: AIMessage) -> AIMessage:
    """Return a message with its content as version 1 has it."""
    thought = message.additional_kwargs.get("reasoning_content")
    blocks: list[Any] = [{"type": "reasoning", "reasoning": thought}] if thought else []
    if message.text:
        blocks.append({"type": "text", "text": message.text})
    files = [each for each in message.content if not isinstance(each, str)]
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    return message.model_copy(update={"content": [*blocks, *calls, *files]})
