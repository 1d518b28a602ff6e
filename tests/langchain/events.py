"""A model whose Space is in this process, and gives the events that a test writes down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from langchain_qwen_space import ChatQwenSpace
from qwen_space.config import SpaceConfig
from qwen_space.events import Event, EventStream

__all__ = ["model_of"]


@dataclass
class Scripted:
    """Stands in for a `Space`: gives the same events for each call.

    Attributes:
        events: What it gives.
    """

    events: Sequence[Event]
    config: SpaceConfig = field(default_factory=SpaceConfig)

    def stream(self, chat: Any, **options: Any) -> EventStream[Event]:
        async def events() -> AsyncIterator[Event]:
            for event in self.events:
                yield event

        async def enter(stack: AsyncExitStack) -> AsyncIterator[Event]:
            return events()

        return EventStream(enter)


def model_of(events: Sequence[Event], **arguments: Any) -> Any:
    model = ChatQwenSpace(space="http://127.0.0.1:1", **arguments)
    scripted = Scripted(events)
    object.__setattr__(model, "_open_space", lambda: scripted)
    return model
