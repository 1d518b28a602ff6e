"""The ways to call a model, each with one result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk

__all__ = ["every_object", "every_way", "fold"]


def fold(chunks: Sequence[AIMessageChunk]) -> AIMessageChunk:
    """Return the sum of a stream's chunks, added one by one as they would come."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


async def every_way(model: Any, prompt: Any, join: Callable[[Any], Any] = fold) -> list[Any]:
    """Return the results of `invoke`, of `ainvoke`, and of the streams, whose chunks are joined."""
    return [
        await asyncio.to_thread(model.invoke, prompt),
        await model.ainvoke(prompt),
        join(await asyncio.to_thread(lambda: list(model.stream(prompt)))),
        join([chunk async for chunk in model.astream(prompt)]),
    ]


async def every_object(structured: Any, prompt: Any = "Who?") -> list[Any]:
    """Return the object of each way; of a stream it is the last one, which is whole."""
    return await every_way(structured, prompt, join=lambda objects: objects[-1])
