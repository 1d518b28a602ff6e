"""A reply's events to the responses that LlamaIndex takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
)

from qwen_space.events import Completed, Event, Rewritten, TextDelta

__all__ = ["Piece", "Reply", "chat_response", "completion_response"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A reply as far as it has come.

    Attributes:
        text: All text so far.
        delta: What of it is new; None when the reply was not streamed.
        raw: What the Space says of the reply, once it is complete.
    """

    text: str
    delta: str | None = None
    raw: dict[str, Any] | None = None

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
        return cls(completed.text, delta, raw)


class Reply:
    """One reply while it is streamed."""

    def __init__(self) -> None:
        self._text = ""

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes of the reply; None when it brings no text.

        There is always a last piece, which has the server's final text: agents read that one
        alone. Its delta is empty unless something was still missing.
        """
        match event:
            case TextDelta():
                self._text += event.delta
                return Piece(self._text, event.delta)
            case Rewritten():
                self._text = event.text
                return Piece(event.text, "")
            case Completed():
                return Piece.whole(event, self._missing(event.text))
        return None

    def _missing(self, text: str) -> str:
        return text[len(self._text) :] if text.startswith(self._text) else ""


def chat_response(piece: Piece) -> ChatResponse:
    """Return a piece as the response of a chat, its text as the only block."""
    message = ChatMessage(role=MessageRole.ASSISTANT, content=piece.text)
    return ChatResponse(message=message, delta=piece.delta, raw=piece.raw)


def completion_response(piece: Piece) -> CompletionResponse:
    """Return a piece as the response of a completion."""
    return CompletionResponse(text=piece.text, delta=piece.delta, raw=piece.raw)
