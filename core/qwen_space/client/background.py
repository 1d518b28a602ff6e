"""Tasks of the client's own, which end whatever happens to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["BackgroundTasks"]


class BackgroundTasks:
    """Runs coroutines to their end, though the caller was cancelled.

    anyio, and so Starlette, FastAPI and MCP, cancel a task again each time it awaits something,
    so that it can undo nothing by itself.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()  # as the loop holds them weakly

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; a caller who is cancelled meanwhile leaves it running."""
        await asyncio.shield(self.start(work))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a coroutine, and do not wait for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until no task is running."""
        while self._tasks:
            await asyncio.wait([*self._tasks])

    def __bool__(self) -> bool:
        """Whether a task is running."""
        return bool(self._tasks)
