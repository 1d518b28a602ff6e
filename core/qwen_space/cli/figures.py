"""The figures of a reply: its tokens and its times."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qwen_space import tokens
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.reply import CallEvent, ChatReply
from qwen_space.config import SpaceConfig
from qwen_space.events import Completed, Event, Rewritten, TextDelta, ThinkingDelta

__all__ = ["Figures"]

_LEAST = 0.1  # seconds between the first piece and the end that make a rate


class Figures:
    """Times the events of one reply, from now on, and counts its tokens at its end.

    Args:
        config: The configuration of the Space.
        chat: The turns that are sent.

    Attributes:
        reply: The completed reply.
    """

    def __init__(self, config: SpaceConfig, chat: Sequence[Turn]) -> None:
        self._config = config
        self._chat = chat
        self._start = time.monotonic()
        self._first: float | None = None  # seconds until the first piece of text or thoughts
        self._end = 0.0
        self.reply: Completed | ChatReply = Completed("", 0.0)

    def see(self, event: Event | CallEvent) -> None:
        """Take the time of an event; the last one is the completed reply."""
        self._end = time.monotonic() - self._start
        if self._first is None and isinstance(event, (TextDelta, ThinkingDelta, Rewritten)):
            self._first = self._end
        if isinstance(event, (Completed, ChatReply)):
            self.reply = event

    def describe(self) -> str:
        """Return the figures of the whole reply in a line."""
        used = self._count()
        about = "" if used.source == "qwen.tiktoken" else "about "
        counts = f"{about}{used.input_tokens} tokens in, {used.output_tokens} out"
        if self._first is None:
            return f"{counts}; {self._end:.2f} s"
        span = self._end - self._first
        rate = f", {used.output_tokens / span:.0f} tokens/s" if span >= _LEAST else ""
        return f"{counts}; {self._end:.2f} s, the first after {self._first:.2f} s{rate}"

    def _count(self) -> tokens.Usage:
        if isinstance(self.reply, ChatReply):
            return self.reply.usage
        return tokens.count_usage(
            self._chat,
            self.reply.text,
            self.reply.thinking,
            history=self._config.history,
            system=self._config.system_prompt,
        )
