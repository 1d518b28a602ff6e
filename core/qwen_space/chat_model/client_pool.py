"""The clients of one Space: one for each event loop, shared by the calls in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from qwen_space.chat_model import bridge as sync

if TYPE_CHECKING:
    from qwen_space.client.client import SpaceClient

__all__ = ["Clients"]

# How long a client is kept that nobody uses. Its connections are kept no longer either.
_IDLE = 3.0  # seconds


class Clients:
    """Clients that are made when they are needed, and closed when they are not.

    Calls at the same time in one loop share a client, and so its session. After the last of them
    it is closed, as the loop may end at any moment, and without notice. The bridge's loop does
    not: there the client is kept for a moment, so that the next call finds its connection open.

    Attributes:
        are_kept: Whether any is: False once nobody will borrow them any more.
    """

    def __init__(self) -> None:
        self.are_kept = True
        # Weakly, for a loop that is closed under a call: its client goes when the call does.
        self._shared: WeakValueDictionary[asyncio.AbstractEventLoop, _Shared]
        self._shared = WeakValueDictionary()

    def __reduce__(self) -> tuple[type[Clients], tuple[()]]:
        return Clients, ()  # what is open here cannot be used elsewhere

    def borrowed(self, make: Callable[[], SpaceClient]) -> _Shared:
        """Return a context manager that gives the client of the running loop.

        While a call with it is still finding out what the app is, and where, others get one of
        their own.

        Args:
            make: Makes a client.
        """
        loop = asyncio.get_running_loop()
        if (shared := self._shared.get(loop)) is None:
            shared = self._shared[loop] = _Shared(make(), self)
        return shared if shared.is_settled else _Shared(make())

    def forget(self, shared: _Shared) -> None:
        """Lend it no more."""
        loop = asyncio.get_running_loop()
        if self._shared.get(loop) is shared:
            del self._shared[loop]


class _Shared:
    """A client, and how many use it.

    Args:
        client: The client.
        clients: Those to which it belongs; None where it is for one call.
    """

    def __init__(self, client: SpaceClient, clients: Clients | None = None) -> None:
        self._client = client
        self._clients = clients
        self._users = 0
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it has found out what the app is, or nobody has begun to."""
        return not self._users or self._client.found is not None

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
        if self._clients is not None and self._clients.are_kept and sync.is_bridge():
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
        if self._clients is not None:
            self._clients.forget(self)
        await self._client.close()
