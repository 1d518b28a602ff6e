"""The events of a call as LangChain's chunks, and its reply as a message."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from msgspec.structs import asdict

from langchain_qwen_space.callbacks import STATUS, adispatch_status, dispatch_status
from langchain_qwen_space.chunks import (
    call_chunk,
    call_part_chunk,
    file_block,
    reasoning,
    reasoning_chunk,
    text_chunk,
    to_invalid_tool_call,
    to_tool_call,
    with_files,
)
from langchain_qwen_space.errors import typed
from qwen_space.chat_model.arguments import drop_none
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.reply import CallEvent, ChatReply, Part, Thought
from qwen_space.events import Queued, Rewritten, TextDelta, ThinkingDelta
from qwen_space.tokens import Usage
from qwen_space.tools import ArgumentsDelta, CallStarted, InvalidCall, ToolCall

__all__ = ["ChunkBuilder", "agenerate", "generate"]


class ChunkBuilder:
    """Makes the chunks, or the message, of one call.

    Args:
        metadata: Entries for the message's metadata.
        blocks: Whether a message's content is a list of blocks, as in version 1.
    """

    def __init__(self, metadata: Mapping[str, Any], *, blocks: bool) -> None:
        self._given = metadata
        self._blocks = blocks
        self._started = -1  # index of the call whose arguments were streamed last

    def chunks(self, event: CallEvent) -> Sequence[ChatGenerationChunk]:
        """Return the chunks of an event."""
        match event:
            case TextDelta():
                return (text_chunk(event.delta),)
            case Rewritten():  # chunks can only add its new part
                return (text_chunk(event.delta),) if event.delta else ()
            case ThinkingDelta():
                return (reasoning_chunk(event.delta),)
            case CallStarted() | ArgumentsDelta():
                self._started = event.index
                return (call_part_chunk(event),)
            case ToolCall() | InvalidCall():
                is_whole = event.index != self._started
                return (call_chunk(event, blocks=self._blocks),) if is_whole else ()
            case ChatReply():
                return (self._last_chunk(event),)
        return ()

    def result(self, reply: ChatReply) -> ChatResult:
        """Return a whole reply."""
        message = AIMessage(
            self._content(reply),
            tool_calls=[to_tool_call(call) for call in reply.calls],
            invalid_tool_calls=[to_invalid_tool_call(call) for call in reply.invalid],
            additional_kwargs=reasoning(reply.thinking),
            response_metadata=self._metadata(reply),
            usage_metadata=_usage_metadata(reply.usage),
        )
        return ChatResult(
            generations=[ChatGeneration(message=message, generation_info=_info(reply))]
        )

    def _last_chunk(self, reply: ChatReply) -> ChatGenerationChunk:
        """Return the last chunk of a stream: the metadata, and the rest that deltas cannot say."""
        message = AIMessageChunk(
            content=self._file_chunks(reply) or "",
            response_metadata={**self._metadata(reply), **_final(reply)},
            usage_metadata=_usage_metadata(reply.usage),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message, generation_info=_info(reply))

    def _file_chunks(self, reply: ChatReply) -> list[Any]:
        """Return the blocks of files; langchain-core folds blocks of version 1 by their index."""
        files = list(map(file_block, reply.files))
        if not self._blocks:
            return list(files)
        return [{**file, "index": f"lc_file_{place}"} for place, file in enumerate(files)]

    def _content(self, reply: ChatReply) -> str | list[Any]:
        """Return a message's content; as text where langchain-core makes the blocks of it."""
        files = list(map(file_block, reply.files))
        if self._has_blocks(reply):
            return [*map(_block, reply.parts), *files]
        is_first = not (reply.text if self._blocks else reply.parts)
        return with_files(reply.text, files, is_first=is_first)

    def _has_blocks(self, reply: ChatReply) -> bool:
        """Whether a text, with thoughts beside it, does not say in which order all came."""
        kinds = [type(part) for part in reply.parts]
        return self._blocks and kinds not in ([], [str], [Thought], [Thought, str])

    def _metadata(self, reply: ChatReply) -> dict[str, Any]:
        optional = {
            "model_name": reply.model,
            "space": reply.space,
            "fallbacks": [asdict(each) for each in reply.failures],
            "queue": reply.queued and _place(reply.queued, reply.waited),
            "tool_call_errors": [to_invalid_tool_call(each)["error"] for each in reply.invalid],
            "asked_again": reply.asked_again,
            "output_version": "v1" if self._has_blocks(reply) else None,
        }
        return {
            **self._given,
            "finish_reason": reply.finish_reason,
            "duration_ms": round(1000 * reply.duration),
            "event_id": reply.event_id,
            "usage_source": reply.usage.source,
            **reply.beside,
            **{name: value for name, value in optional.items() if value},
        }


def generate(call: ChatCall, builder: ChunkBuilder) -> ChatResult:
    """Return the whole reply to a call."""
    with typed(), contextlib.closing(call.stream(deltas=False)) as events:
        for event in events:
            if isinstance(event, ChatReply):
                result = builder.result(event)
            elif isinstance(event, STATUS):
                dispatch_status(event)
    return result


async def agenerate(call: ChatCall, builder: ChunkBuilder) -> ChatResult:
    """Do as `generate`."""
    with typed():
        async with call.astream(deltas=False) as events:
            async for event in events:
                if isinstance(event, ChatReply):
                    result = builder.result(event)
                elif isinstance(event, STATUS):
                    await adispatch_status(event)
    return result


def _final(reply: ChatReply) -> dict[str, Any]:
    """Return the metadata by which `apply_final_text` replaces text of earlier chunks."""
    final: dict[str, Any] = {}
    if "text" in reply.changed:
        final["final_text"] = reply.text
    if "thinking" in reply.changed:
        final["final_reasoning"] = reply.thinking
    if "calls" in reply.changed:
        final["final_tool_calls"] = [to_tool_call(call) for call in reply.calls]
        final["final_invalid_tool_calls"] = [to_invalid_tool_call(call) for call in reply.invalid]
    return final


def _place(queued: Queued, waited: float | None) -> dict[str, int | None]:
    """Return a place in the queue without floats: langchain-core adds no chunks that have them."""
    times = drop_none({"eta_ms": queued.eta, "waited_ms": waited})
    whole = {name: round(1000 * seconds) for name, seconds in times.items()}
    return {"rank": queued.rank, "queue_size": queued.queue_size, **whole}


def _info(reply: ChatReply) -> dict[str, Any]:
    return {"finish_reason": reply.finish_reason}


def _usage_metadata(usage: Usage) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
    )


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Thought():
            return {"type": "reasoning", "reasoning": part.text}
        case ToolCall():
            return {**to_tool_call(part)}
        case InvalidCall():
            return {**to_invalid_tool_call(part)}
        case text:
            return {"type": "text", "text": text}
