"""The ways to call a model, each with one message as its result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

__all__ = ["every_way", "fold"]


def fold(chunks: Sequence[AIMessageChunk]) -> AIMessageChunk:
    """Return the sum of a stream's chunks, added one by one as they would come."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


async def every_way(model: Any, prompt: Any) -> list[AIMessage]:
    """Return the message of `invoke`, of `ainvoke`, and of the folded streams."""
    return [
        await asyncio.to_thread(model.invoke, prompt),
        await model.ainvoke(prompt),
        fold(await asyncio.to_thread(lambda: list(model.stream(prompt)))),
        fold([chunk async for chunk in model.astream(prompt)]),
    ]
