"""The clients of one Space: one for each event loop, shared by the calls in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from qwen_space import sync

if TYPE_CHECKING:
    from qwen_space.client import SpaceClient

__all__ = ["Clients"]

# As long as a client keeps a connection that nobody uses.
_IDLE = 3.0  # seconds


class Clients:
    """Clients that are made when they are needed, and closed when they are not.

    Calls at the same time in one loop share a client, and so its session. After the last of them
    it is closed, as the loop may end at any moment, and without notice. The bridge's loop does
    not: there the client is kept for a moment, so that the next call finds its connection open.
    """

    def __init__(self) -> None:
        self._shared: dict[asyncio.AbstractEventLoop, _Shared] = {}

    def borrowed(self, make: Callable[[], SpaceClient]) -> _Shared:
        """Return a context manager that gives the client of the running loop.

        Args:
            make: Makes the client, if there is none.
        """
        loop = asyncio.get_running_loop()
        # All at once, as another thread may be adding its own.
        for ended in [each for each in [*self._shared] if each.is_closed()]:
            self._shared.pop(ended, None)  # it was closed under a call, which never left
        if (shared := self._shared.get(loop)) is None:
            shared = self._shared[loop] = _Shared(make(), lambda: self._shared.pop(loop, None))
        return shared


class _Shared:
    """A client, and who uses it.

    Args:
        client: The client.
        forget: Called when it is about to be closed.
    """

    def __init__(self, client: SpaceClient, forget: Callable[[], object]) -> None:
        self._client = client
        self._forget = forget
        self._users = 0
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SpaceClient:
        self._users += 1
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        self._users -= 1
        if self._users:
            return
        if sync.is_bridge():
            self._closing = asyncio.create_task(self._close_later())
        else:
            await self._close()

    async def _close_later(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # of another call, or at the end
            await asyncio.sleep(_IDLE)
        if self._closing is asyncio.current_task():
            self._closing = None
            await self._close()

    async def _close(self) -> None:
        self._forget()
        await self._client.close()
