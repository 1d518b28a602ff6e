"""A reply's events to the responses that LlamaIndex takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)

from qwen_space.events import Completed, Event, Rewritten, TextDelta, ThinkingDelta

__all__ = ["Piece", "Reply", "chat_response", "completion_response"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A reply as far as it has come.

    Attributes:
        text: All text so far.
        delta: What of it is new; None when the reply was not streamed.
        raw: What the Space says of the reply, once it is complete.
        thinking: All thoughts so far, which are no part of the text.
        thinking_delta: What of them is new; None when nothing is.
    """

    text: str
    delta: str | None = None
    raw: dict[str, Any] | None = None
    thinking: str = ""
    thinking_delta: str | None = None

    @classmethod
    def whole(cls, completed: Completed, delta: str | None = None) -> Piece:
        """Return the complete reply.

        Without a count of tokens, which a Space does not tell: LlamaIndex then estimates.
        """
        raw = {
            "model": completed.model,
            "event_id": completed.event_id,
            "finish_reason": completed.finish_reason,
            "duration": completed.duration,
        }
        return cls(completed.text, delta, raw, completed.thinking)


class Reply:
    """One reply while it is streamed."""

    def __init__(self) -> None:
        self._text = ""
        self._thinking = ""

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes of the reply; None when it brings neither text nor thought.

        There is always a last piece, which has the server's final text: agents read that one
        alone. Its delta is empty unless something was still missing.
        """
        match event:
            case TextDelta():
                self._text += event.delta
                return Piece(self._text, event.delta, thinking=self._thinking)
            case ThinkingDelta():
                self._thinking += event.delta
                return Piece(self._text, "", None, self._thinking, event.delta)
            case Rewritten():
                self._text = event.text
                return Piece(event.text, event.delta, thinking=self._thinking)
            case Completed():
                return Piece.whole(event, self._missing(event.text))
        return None

    def _missing(self, text: str) -> str:
        return text[len(self._text) :] if text.startswith(self._text) else ""


def chat_response(piece: Piece) -> ChatResponse:
    """Return a piece as the response of a chat: a block of thoughts, if any, and its text's."""
    blocks: list[ContentBlock] = [ThinkingBlock(content=piece.thinking)] if piece.thinking else []
    return ChatResponse(
        message=ChatMessage(
            role=MessageRole.ASSISTANT, blocks=[*blocks, TextBlock(text=piece.text)]
        ),
        delta=piece.delta,
        raw=piece.raw,
        additional_kwargs=_thinking_delta(piece),
    )


def completion_response(piece: Piece) -> CompletionResponse:
    """Return a piece as the response of a completion, which has no place for thoughts."""
    thinking = {"thinking": piece.thinking} if piece.thinking else {}
    return CompletionResponse(
        text=piece.text,
        delta=piece.delta,
        raw=piece.raw,
        additional_kwargs={**thinking, **_thinking_delta(piece)},
    )


def _thinking_delta(piece: Piece) -> dict[str, str]:
    """Return what is new of the thoughts, under the name that agents look for."""
    return {} if piece.thinking_delta is None else {"thinking_delta": piece.thinking_delta}
