"""One call of the model: what is asked, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen_space.callbacks import TOLD, Told
from langchain_qwen_space.chunks import invalid_of, reasoning, valid_of
from langchain_qwen_space.streaming import Streamed
from qwen_space import tokens
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.events import Completed, Event, EventStream, Queued, Started
from qwen_space.tokens.limits import Limits
from qwen_space.tools import InvalidCall, ParsedReply, ToolBinding, ToolCall, parse, reasked
from qwen_space.tools.calls import new_call_id

if TYPE_CHECKING:
    from qwen_space.config import CallOptions

__all__ = ["Asking", "Rendering", "without_deltas"]


class Rendering(TypedDict):
    """How a chat becomes what the model sees."""

    history: Literal["split", "native"]
    system: str | None


class Asking:
    """Asks a chat, and once more where a call had to come and did not.

    Args:
        chat: The turns.
        tools: What the model may call.
        limits: How much the model takes, if that is known.
        rendering: How the chat becomes what the model sees.
        blocks: Whether a message's content is to be a list of blocks, as in version 1.
        metadata: What a message's metadata say in any case.
        reask: Whether it is asked once more.
        arguments: Whether a call's arguments are streamed while they are written.

    Attributes:
        chat: What is to be asked next; None once the answer is there.
    """

    def __init__(
        self,
        chat: list[Turn],
        tools: ToolBinding,
        *,
        limits: Limits | None,
        rendering: Rendering,
        blocks: bool,
        metadata: Mapping[str, Any],
        reask: bool = True,
        arguments: bool = False,
    ) -> None:
        self.chat: list[Turn] | None = chat
        self._tools = tools
        self._limits = limits
        self._rendering = rendering
        self._blocks = blocks
        self._given = metadata
        self._replies: list[Completed] = []
        self._usages: list[tokens.Usage] = []
        self._reask = reask
        self._arguments = arguments
        self._streamed = self._new_streamed()
        self._queued: Queued | None = None
        self._clock = time.monotonic()
        self._waited: float | None = None

    def _new_streamed(self) -> Streamed:
        return Streamed(
            self._tools,
            blocks=self._blocks,
            hold=self._reask and not self._replies,
            arguments=self._arguments,
        )

    def note(self, event: Event) -> None:
        """Take an event of the time before a reply."""
        if isinstance(event, Queued) and self._queued is None:
            self._queued = event
            self._clock = time.monotonic()
        elif isinstance(event, Started) and self._waited is None:
            self._waited = time.monotonic() - self._clock

    def check(self) -> None:
        """Let pass what is to be asked.

        Raises:
            ContextOverflowError: The model does not take that much.
        """
        tokens.check_length(self.chat or (), self._limits, **self._rendering)

    async def acheck(self) -> None:
        """Do as `check`."""
        await tokens.run_off_loop(
            tokens.check_length, self.chat or (), self._limits, **self._rendering
        )

    def count(self, reply: Completed) -> None:
        """Count the tokens of a whole reply, before it is taken."""
        usage = tokens.count_usage(self.chat or (), reply.text, reply.thinking, **self._rendering)
        self._usages.append(usage)

    async def acount(self, reply: Completed) -> None:
        """Do as `count`."""
        usage = await tokens.run_off_loop(
            tokens.count_usage, self.chat or (), reply.text, reply.thinking, **self._rendering
        )
        self._usages.append(usage)

    def chunks(self, event: Event) -> Sequence[ChatGenerationChunk]:
        """Take a reply's next event, and return what is to be handed out now."""
        if not isinstance(event, Completed):
            return self._streamed.chunks(event)
        parsed = self._streamed.end(event)
        if self._asks_again(event, parsed):
            self._streamed = self._new_streamed()
            return ()
        return [*self._streamed.rest(parsed), self._last(event, parsed)]

    def message(self, completed: Completed) -> AIMessage | None:
        """Take a whole reply, and return the message; None where `chat` is to be asked again."""
        parsed = (
            parse(completed.text, self._tools, new_call_id)
            if self._tools.active
            else ParsedReply(completed.text, (), (), (completed.text,))
        )
        if self._asks_again(completed, parsed):
            return None
        return AIMessage(
            self._content(completed, parsed),  # type: ignore[arg-type]
            tool_calls=[valid_of(call) for call in parsed.calls],
            invalid_tool_calls=[invalid_of(call) for call in parsed.invalid],
            additional_kwargs=reasoning(completed.thinking),
            response_metadata=self._metadata(completed, parsed),
            usage_metadata=self._usage(),
        )

    def _asks_again(self, completed: Completed, parsed: ParsedReply) -> bool:
        """Set `chat` to what is to be asked now, and return whether there is such."""
        assert self.chat is not None  # noqa: S101 - this is a reply to it
        again = (
            self._reask and not self._replies and self._tools.missing_required_call(parsed.calls)
        )
        self._replies.append(completed)
        question = self._tools.reask(parsed.invalid) if again else ""
        self.chat = reasked(self.chat, completed.text, question) if again else None
        return again

    def _last(self, completed: Completed, parsed: ParsedReply) -> ChatGenerationChunk:
        """Return the chunk that ends a stream, with what cannot be said before."""
        metadata, streamed = self._metadata(completed, parsed), self._streamed
        if parsed.text != "".join(streamed.sent):
            metadata["final_text"] = parsed.text
        if completed.thinking != "".join(streamed.thoughts):
            metadata["final_reasoning"] = completed.thinking
        if streamed.torn or _calls(parsed.parts) != _calls(streamed.calls):
            metadata["final_tool_calls"] = [valid_of(call) for call in parsed.calls]
            metadata["final_invalid_tool_calls"] = [invalid_of(call) for call in parsed.invalid]
        message = AIMessageChunk(
            content="",
            response_metadata=metadata,
            usage_metadata=self._usage(),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _usage(self) -> UsageMetadata:
        """Return what the replies cost together."""
        return UsageMetadata(
            input_tokens=sum(usage.input_tokens for usage in self._usages),
            output_tokens=sum(usage.output_tokens for usage in self._usages),
            total_tokens=sum(usage.total_tokens for usage in self._usages),
        )

    def _content(self, completed: Completed, parsed: ParsedReply) -> str | list[dict[str, Any]]:
        """Return a message's content; what langchain-core makes blocks of by itself, as text."""
        if not self._blocks or not (parsed.calls or parsed.invalid):
            return parsed.text
        thought = completed.thinking
        first = [{"type": "reasoning", "reasoning": thought}] if thought else []
        return [*first, *map(_block, parsed.parts)]

    def _metadata(self, completed: Completed, parsed: ParsedReply) -> dict[str, Any]:
        metadata = {
            **self._given,
            "finish_reason": _finish_reason(completed, parsed),
            "duration": sum(reply.duration for reply in self._replies),
            "event_id": completed.event_id,
            "usage_source": self._usages[-1].source,
        }
        if completed.model is not None:
            metadata["model_name"] = completed.model
        if self._queued is not None:
            metadata["queue"] = {**asdict(self._queued), "waited": self._waited}
        if parsed.invalid:
            metadata["tool_call_errors"] = [invalid_of(call)["error"] for call in parsed.invalid]
        if len(self._replies) > 1:
            metadata["asked_again"] = True
        if self._blocks and (parsed.calls or parsed.invalid):
            metadata["output_version"] = "v1"
        return metadata


def _calls(parts: Iterable[str | ToolCall | InvalidCall]) -> list[tuple[str | None, object]]:
    """Return the calls among a reply's parts, as far as they can be compared."""
    return [
        (part.name, part.arguments if isinstance(part, ToolCall) else part.text)
        for part in parts
        if not isinstance(part, str)
    ]


def _block(part: str | ToolCall | InvalidCall) -> dict[str, Any]:
    match part:
        case ToolCall():
            return {**valid_of(part)}
        case InvalidCall():
            return {**invalid_of(part)}
        case text:
            return {"type": "text", "text": text}


def _finish_reason(completed: Completed, parsed: ParsedReply) -> str:
    """Return why a reply ended. One that ends within a call did not come to its end."""
    if completed.finish_reason != "stop" or not (parsed.calls or parsed.invalid):
        return completed.finish_reason
    return "error" if parsed.invalid else "tool_calls"


def without_deltas(
    space: Space, chat: Sequence[Turn], options: CallOptions
) -> EventStream[Told | Completed]:
    """Open a stream that has nothing but what comes before the reply, and the whole of it.

    The others would have to come from thread to thread one by one.
    """

    async def enter(stack: AsyncExitStack) -> AsyncIterator[Told | Completed]:
        events = await space.stream(chat, **options).enter_on(stack)
        return (event async for event in events if isinstance(event, (*TOLD, Completed)))

    return EventStream(enter)
