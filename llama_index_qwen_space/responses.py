"""The events of a call as the responses that LlamaIndex takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar

import msgspec
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    VideoBlock,
)

from llama_index_qwen_space.messages import call_blocks, older_calls
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.fast_copy import FastCopy
from qwen_space.chat_model.reply import CallEvent, ChatReply
from qwen_space.events import ReplyFile, Rewritten, TextDelta, ThinkingDelta
from qwen_space.tools import ToolCall

__all__ = [
    "Piece",
    "PieceBuilder",
    "astream_responses",
    "chat_response",
    "completion_response",
    "stream_responses",
    "whole_piece",
]

Response = TypeVar("Response")


class Piece(msgspec.Struct):
    """A reply as far as it has come.

    Attributes:
        text: All text so far.
        delta: The new text; None when the reply was not streamed.
        raw: The facts about the reply, once it is complete.
        thinking: All thoughts so far, which are no part of the text.
        thinking_delta: The new thought; None when there is none.
        calls: The tool calls that are complete so far, which are no part of the text either.
        files: The pictures and files in the reply, once it is complete.
    """

    text: str
    delta: str | None = None
    raw: dict[str, Any] | None = None
    thinking: str = ""
    thinking_delta: str | None = None
    calls: tuple[ToolCall, ...] = ()
    files: tuple[ReplyFile, ...] = ()


class PieceBuilder:
    """Adds up the events of a call.

    There is always a last piece, which has the server's final text: agents read that one alone.
    """

    def __init__(self) -> None:
        self._text = ""
        self._thinking = ""
        self._calls: tuple[ToolCall, ...] = ()

    def add(self, event: CallEvent) -> Piece | None:
        """Return the reply after an event; None where that brings nothing to show."""
        match event:
            case TextDelta():
                self._text += event.delta
                return self._piece(event.delta)
            case Rewritten():
                self._text = event.text
                return self._piece(event.delta)
            case ThinkingDelta():
                self._thinking += event.delta
                return self._piece("", event.delta)
            case ToolCall():
                self._calls = (*self._calls, event)
                return self._piece("")
            case ChatReply():
                last = whole_piece(event)
                is_more = last.text.startswith(self._text)
                last.delta = last.text[len(self._text) :] if is_more else ""
                return last
        return None

    def _piece(self, delta: str, thinking_delta: str | None = None) -> Piece:
        return Piece(self._text, delta, None, self._thinking, thinking_delta, self._calls)


def whole_piece(reply: ChatReply) -> Piece:
    """Return a whole reply."""
    return Piece(
        reply.explained_text,
        None,
        _raw(reply),
        reply.thinking,
        calls=reply.calls,
        files=reply.files,
    )


def _raw(reply: ChatReply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "model": reply.model,
        "event_id": reply.event_id,
        "finish_reason": reply.finish_reason,
        "duration": reply.duration,
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "source": usage.source,
        },
        **_origin(reply),
        **reply.beside,
    }


def _origin(reply: ChatReply) -> dict[str, Any]:
    """Return which of several Spaces answered, and why others did not."""
    if reply.space is None:
        return {}
    failures = [msgspec.structs.asdict(each) for each in reply.failures]
    return {"space": reply.space, **({"fallbacks": failures} if failures else {})}


def stream_responses(
    call: ChatCall, make: Callable[[Piece], Response]
) -> Generator[Response, None, None]:
    """Yield the reply to a call piece by piece, each as the response that is made of it."""
    builder = PieceBuilder()
    with contextlib.closing(call.stream()) as events:
        for event in events:
            if (piece := builder.add(event)) is not None:
                yield make(piece)


async def astream_responses(
    call: ChatCall, make: Callable[[Piece], Response]
) -> AsyncGenerator[Response, None]:
    """Do as `stream_responses`."""
    builder = PieceBuilder()
    async with call.astream() as events:
        async for event in events:
            if (piece := builder.add(event)) is not None:
                yield make(piece)


_BLOCK = FastCopy(TextBlock(text=""))
_MESSAGE = FastCopy(ChatMessage(role=MessageRole.ASSISTANT, blocks=[]))
_RESPONSE = FastCopy(
    ChatResponse(message=ChatMessage(), delta=None, raw=None, additional_kwargs={}),
)


def chat_response(piece: Piece) -> ChatResponse:
    """Return a piece as the response of a chat: blocks of thoughts, of text and of calls."""
    if not (piece.thinking or piece.calls or piece.raw):  # there is one for every token
        message = _MESSAGE.copy(blocks=[_BLOCK.copy(text=piece.text)])
        return _RESPONSE.copy(message=message, delta=piece.delta)
    return ChatResponse(
        message=_message(piece),
        delta=piece.delta,
        raw=piece.raw,
        additional_kwargs=_thinking_delta(piece),
    )


def _message(piece: Piece) -> ChatMessage:
    """Return a piece as a message: its text in one block, even where there is none of it."""
    blocks: list[ContentBlock] = [TextBlock(text=piece.text)]
    if piece.thinking:
        blocks.insert(0, ThinkingBlock(content=piece.thinking))
    blocks += map(_file_block, piece.files)
    if not piece.calls:
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[*blocks, *call_blocks(piece.calls)],
        additional_kwargs={"tool_calls": older_calls(piece.calls)},
    )


def _file_block(file: ReplyFile) -> ContentBlock:
    match file.kind:
        case "image":
            return ImageBlock(url=file.url, image_mimetype=file.mime_type)
        case "audio":
            return AudioBlock(url=file.url, format=(file.mime_type or "").partition("/")[2] or None)
        case "video":
            return VideoBlock(url=file.url, video_mimetype=file.mime_type)
    return DocumentBlock(url=file.url, title=file.name, document_mimetype=file.mime_type)


def completion_response(piece: Piece) -> CompletionResponse:
    """Return a piece as the response of a completion, which is a text with facts beside it."""
    beside: dict[str, Any] = _thinking_delta(piece)
    if piece.thinking:
        beside["thinking"] = piece.thinking
    if piece.calls:
        beside["tool_calls"] = older_calls(piece.calls)
    return CompletionResponse(
        text=piece.text, delta=piece.delta, raw=piece.raw, additional_kwargs=beside
    )


def _thinking_delta(piece: Piece) -> dict[str, Any]:
    """Return the new part of the thoughts, under the name that agents look for."""
    return {} if piece.thinking_delta is None else {"thinking_delta": piece.thinking_delta}
