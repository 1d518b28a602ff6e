"""A reply's events to the responses that LlamaIndex takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)

from llama_index_qwen_space.tools import call_blocks, older_calls
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.mould import Mould
from qwen_space.events import Completed, Event, Rewritten, TextDelta, ThinkingDelta
from qwen_space.tools import (
    InvalidCall,
    ParsedReply,
    ReplyParser,
    ReplyPart,
    TextPart,
    ToolBinding,
    ToolCall,
    reasked,
)
from qwen_space.tools.calls import new_call_id

__all__ = [
    "CallingReply",
    "Piece",
    "Reader",
    "Reply",
    "chat_response",
    "completion_response",
    "reply_to",
]


@dataclass(slots=True)  # frozen, it would take twice the time to make
class Piece:
    """A reply as far as it has come.

    Attributes:
        text: All text so far.
        delta: What of it is new; None when the reply was not streamed.
        raw: What the Space says of the reply, once it is complete.
        thinking: All thoughts so far, which are no part of the text.
        thinking_delta: What of them is new; None when nothing is.
        calls: The calls of tools that are complete so far, which are no part of the text either.
    """

    text: str
    delta: str | None = None
    raw: dict[str, Any] | None = None
    thinking: str = ""
    thinking_delta: str | None = None
    calls: tuple[ToolCall, ...] = ()


class Reader(Protocol):
    """Makes pieces of events, and says when to ask once more."""

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes of the reply; None when it brings nothing to show."""

    def again(self, chat: Sequence[Turn]) -> list[Turn] | None:
        """Return the chat to ask with once more, after a `Completed` without a last piece."""


def reply_to(tools: ToolBinding) -> Reader:
    """Return what reads a reply; where there are no tools, one that does not look for calls."""
    return CallingReply(tools) if tools.active else Reply()


class Reply:
    """One reply while it is streamed.

    There is always a last piece, which has the server's final text: agents read that one alone.
    Its delta is empty unless something was still missing.
    """

    def __init__(self) -> None:
        self._text = ""
        self._thinking = ""

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes of the reply; None when it brings neither text nor thought."""
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
                delta = _missing(self._text, event.text)
                return Piece(event.text, delta, _raw(event), event.thinking)
        return None

    def again(self, chat: Sequence[Turn]) -> list[Turn] | None:
        """Return None: what comes is the answer."""
        return None


class CallingReply:
    """A reply in which the model may call tools, while it is streamed.

    What the model writes as a call is no text. A call that is none (cut off, or no JSON) stays
    in the text as the model wrote it, unless asking once more brings a valid one.

    Where a call has to come, text is held back until one is there: it would be taken for the
    answer.

    Args:
        tools: What the model may call, and whether it must.
    """

    def __init__(self, tools: ToolBinding) -> None:
        self._tools = tools
        self._earlier = ""  # the text before the model was asked once more
        self._sent = ""  # the text that was handed out
        self._thinking = ""
        self._refused: tuple[str, str] | None = None  # a reply, and what to say to it
        self._asked_again = False
        self._begin()

    def _begin(self) -> None:
        self._parser = ReplyParser(self._tools, new_call_id)
        self._text = self._earlier
        self._calls: tuple[ToolCall, ...] = ()

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes of the reply; None when it brings nothing to show.

        The last piece has all calls. There is none where the model is to be asked once more.
        """
        match event:
            case TextDelta():
                return self._read(self._parser.feed(event.delta))
            case ThinkingDelta():
                self._thinking += event.delta
                return Piece(self._sent, "", None, self._thinking, event.delta, self._calls)
            case Rewritten():
                self._begin()
                return self._read(self._parser.feed(event.text))
            case Completed():
                self._parser.close()
                return self._last(self._parser.settle(event.text), event)
        return None

    def _read(self, pieces: Sequence[ReplyPart]) -> Piece | None:
        """Take what the parser found; return it if there is something to show."""
        before = self._calls
        for piece in pieces:
            if isinstance(piece, TextPart):
                self._text += piece.delta
            elif isinstance(piece, ToolCall):
                self._calls = self._allowed((*self._calls, piece))
        if self._calls is before and (self._text == self._sent or self._tools.forced):
            return None
        return self._piece(self._text)

    def _piece(self, text: str) -> Piece:
        delta, self._sent = _missing(self._sent, text), text
        return Piece(text, delta, thinking=self._thinking, calls=self._calls)

    def _last(self, parsed: ParsedReply, completed: Completed) -> Piece | None:
        if not self._asked_again and self._is_refused(parsed):
            self._refused = completed.text, self._tools.reask(parsed.invalid)
            self._asked_again = True
            if not self._tools.forced:
                self._earlier += parsed.text
            return None
        self._calls = self._allowed(parsed.calls)
        texts = [self._earlier + parsed.text, *map(_as_written, parsed.invalid)]
        text = "\n".join(filter(None, texts))
        delta = _missing(self._sent, text)
        return Piece(text, delta, _raw(completed), completed.thinking, calls=self._calls)

    def _is_refused(self, parsed: ParsedReply) -> bool:
        is_broken = bool(parsed.invalid) and not parsed.calls
        return is_broken or self._tools.missing_required_call(parsed.calls)

    def _allowed(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        return calls if self._tools.parallel else calls[:1]

    def again(self, chat: Sequence[Turn]) -> list[Turn] | None:
        """Return the chat to ask with once more, if the reply should have had a valid call."""
        if self._refused is None:
            return None
        (reply, question), self._refused = self._refused, None
        self._begin()
        return reasked(chat, reply, question)


def _as_written(call: InvalidCall) -> str:
    return f"<tool_call>\n{call.text}\n</tool_call>"


def _missing(sent: str, text: str) -> str:
    """Return what of a text has not been handed out; nothing if it became another text."""
    return text[len(sent) :] if text.startswith(sent) else ""


def _raw(completed: Completed) -> dict[str, Any]:
    """Return what the Space says of a complete reply."""
    return {
        "model": completed.model,
        "event_id": completed.event_id,
        "finish_reason": completed.finish_reason,
        "duration": completed.duration,
    }


_BLOCK = Mould(TextBlock(text=""))
_MESSAGE = Mould(ChatMessage(role=MessageRole.ASSISTANT, blocks=[]))
_RESPONSE = Mould(
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
    if not piece.calls:
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[*blocks, *call_blocks(piece.calls)],
        additional_kwargs={"tool_calls": older_calls(piece.calls)},
    )


def completion_response(piece: Piece) -> CompletionResponse:
    """Return a piece as the response of a completion, which is a text and what is beside it."""
    beside: dict[str, Any] = _thinking_delta(piece)
    if piece.thinking:
        beside["thinking"] = piece.thinking
    if piece.calls:
        beside["tool_calls"] = older_calls(piece.calls)
    return CompletionResponse(
        text=piece.text, delta=piece.delta, raw=piece.raw, additional_kwargs=beside
    )


def _thinking_delta(piece: Piece) -> dict[str, Any]:
    """Return what is new of the thoughts, under the name that agents look for."""
    return {} if piece.thinking_delta is None else {"thinking_delta": piece.thinking_delta}
