"""A Space in this process, which gives the events that a test writes down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen_space.chat.messages import Turn
from qwen_space.config import SpaceConfig
from qwen_space.events import Completed, Event, EventStream, Exits, TextDelta
from tests.pieces import cut

__all__ = ["ScriptedSession", "reply_events"]


@dataclass
class ScriptedSession:
    """Stands in for a `Space`.

    Attributes:
        replies: The events of each reply, in order; the last ones are given again and again.
        config: The configuration.
        chats: The chats that were asked.
        options: The options that they were asked with.
        open: How many streams are open.
    """

    replies: Sequence[Sequence[Event]]
    config: SpaceConfig = field(default_factory=SpaceConfig)
    chats: list[list[Turn]] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    open: int = 0

    async def __aenter__(self) -> ScriptedSession:  # noqa: PYI034 - Self is of Python 3.11
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def astream_chat(self, chat: Iterable[Turn], **options: Any) -> EventStream[Event]:
        reply = self.replies[min(len(self.chats), len(self.replies) - 1)]
        self.chats.append(list(chat))
        self.options.append(options)

        async def events() -> AsyncIterator[Event]:
            for event in reply:
                yield event

        async def leave(*_: object) -> None:
            self.open -= 1

        async def enter(exits: Exits) -> AsyncIterator[Event]:
            self.open += 1
            exits.push(leave)
            return events()

        return EventStream(enter)


def reply_events(text: str, *, size: int = 1000, **facts: Any) -> list[Event]:
    """Return the events of a reply that comes in pieces of a size."""
    pieces = cut(text, size)
    return [*map(TextDelta, pieces), Completed(text, 1.0, **facts)]
