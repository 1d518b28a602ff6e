"""One call of the LLM: what is asked of the Space, and a second time if need be."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from llama_index_qwen_space.responses import Piece, Reader, reply_to
from qwen_space import tokens
from qwen_space.chat.messages import Turn
from qwen_space.chat_model import bridge as sync
from qwen_space.chat_model.space import Space
from qwen_space.events import Completed
from qwen_space.tokens.limits import Limits
from qwen_space.tools import ToolBinding

if TYPE_CHECKING:
    from qwen_space.config import CallOptions

__all__ = ["Asking"]

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Asking:
    """A call of the LLM, in the four ways in which it can be made.

    Where a tool has to be called and is not, or a call is broken, the model is asked once more,
    for which another slot of the rate limiter is taken. The tokens of both times are counted.

    Attributes:
        space: Who is asked.
        chat: What.
        options: How.
        tools: What the model may call.
        limits: What the model takes, if that is known: what is longer is not sent.
        limiter: LlamaIndex's rate limiter, or None.
    """

    space: Space
    chat: list[Turn]
    options: CallOptions
    tools: ToolBinding
    limits: Limits | None
    limiter: Any

    def whole(self) -> Piece:
        """Return the complete reply."""
        return sync.run(self.awhole)

    async def awhole(self) -> Piece:
        """Return the complete reply."""
        course = _Course(self.chat, reply_to(self.tools))
        await self._acheck_length()
        while True:
            completed = await self.space.acomplete(course.chat, **self.options)
            usage = await self._ausage(course.chat, completed)
            if (piece := course.end(completed, usage)) is not None:
                return replace(piece, delta=None)
            if self.limiter is not None:
                await self.limiter.async_acquire()

    def stream(self, response: Callable[[Piece], Response]) -> Generator[Response, None, None]:
        """Yield the reply piece by piece, each as what `response` makes of it."""
        course = _Course(self.chat, reply_to(self.tools))
        tokens.check_length(self.chat, self.limits, **self._counting())
        while True:
            with contextlib.closing(self.space.iterate(course.chat, **self.options)) as events:
                for event in events:
                    if isinstance(event, Completed):
                        piece = course.end(event, self._usage(course.chat, event))
                    else:
                        piece = course.take(event)
                    if piece is not None:
                        yield response(piece)
            if course.is_over:
                return
            if self.limiter is not None:
                self.limiter.acquire()

    async def astream(
        self, response: Callable[[Piece], Response]
    ) -> AsyncGenerator[Response, None]:
        """Yield the reply piece by piece, each as what `response` makes of it."""
        course = _Course(self.chat, reply_to(self.tools))
        await self._acheck_length()
        while True:
            async with self.space.stream(course.chat, **self.options) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        piece = course.end(event, await self._ausage(course.chat, event))
                    else:
                        piece = course.take(event)
                    if piece is not None:
                        yield response(piece)
            if course.is_over:
                return
            if self.limiter is not None:
                await self.limiter.async_acquire()

    async def _acheck_length(self) -> None:
        await tokens.run_off_loop(tokens.check_length, self.chat, self.limits, **self._counting())

    def _usage(self, chat: Sequence[Turn], reply: Completed) -> tokens.Usage:
        return tokens.count_usage(chat, reply.text, reply.thinking, **self._counting())

    async def _ausage(self, chat: Sequence[Turn], reply: Completed) -> tokens.Usage:
        return await tokens.run_off_loop(
            tokens.count_usage, chat, reply.text, reply.thinking, **self._counting()
        )

    def _counting(self) -> _Counting:
        config = self.space.config
        return {"history": config.history, "system": config.system_prompt}


class _Counting(TypedDict):
    history: tokens.History
    system: str | None


class _Course:
    """How far a call has come.

    Args:
        chat: What is asked.
        reply: Reads the events.

    Attributes:
        chat: What is asked now.
        is_over: Whether the last piece is there.
    """

    def __init__(self, chat: list[Turn], reply: Reader) -> None:
        self.chat = chat
        self.is_over = False
        self.take = reply.take
        self._again = reply.again
        self._usage: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0}

    def end(self, completed: Completed, usage: tokens.Usage) -> Piece | None:
        """Return the last piece; None where the model is to be asked once more, with `chat`."""
        self._usage["prompt_tokens"] += usage.input_tokens
        self._usage["completion_tokens"] += usage.output_tokens
        piece, asked = self.take(completed), self._again(self.chat)
        if asked is not None:
            self.chat = asked
        if piece is None:
            return None
        self.is_over = True
        total = self._usage["prompt_tokens"] + self._usage["completion_tokens"]
        counted = {**self._usage, "total_tokens": total, "source": usage.source}
        return replace(piece, raw={**(piece.raw or {}), "usage": counted})
