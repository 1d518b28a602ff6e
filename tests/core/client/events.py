"""The events of a reply, collected."""

from __future__ import annotations

from typing import Any

from qwen_space import Event, SpaceClient, TextDelta


def deltas(events: list[Event]) -> list[str]:
    return [event.delta for event in events if isinstance(event, TextDelta)]


async def collect_events(client: SpaceClient, prompt: str = "Hi", **options: Any) -> list[Event]:
    async with client.stream(prompt, **options) as events:
        return [event async for event in events]
