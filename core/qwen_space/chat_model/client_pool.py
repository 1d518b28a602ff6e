"""The clients of one Space: one for each event loop, shared by the calls in it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary, finalize, ref

from qwen_space.chat_model.bridge import is_bridge

if TYPE_CHECKING:
    from qwen_space.client.client import SpaceClient

__all__ = ["ClientPool"]

# How long an idle client is kept. Its connections are kept no longer either.
_IDLE = 3.0  # seconds

# Their `run` ends a loop in order: it cancels the tasks that are left, and waits for them.
_RUNNERS = frozenset({"asyncio.runners", "uvicorn._compat"})


class ClientPool:
    """Makes clients when they are needed, and closes them when they are not.

    Calls at the same time in one loop share a client, and so its session. After the last of them
    the client is kept for a moment, so that the next call finds its connection open, if the loop
    is sure to end in order: the bridge's, one of `asyncio.run`, and one of which a caller says so.
    Elsewhere it is closed at once, as the loop may end at any moment, and without notice.

    Args:
        kept: The loops of which a caller says so.

    Attributes:
        is_open: Whether more calls may come; where it is False no idle client is kept.
        kept: As given.
    """

    def __init__(self, kept: WeakSet[asyncio.AbstractEventLoop] | None = None) -> None:
        self.is_open = True
        self.kept = WeakSet() if kept is None else kept
        # Weakly, for a loop that is closed under a call: its client goes when the call does.
        self._shared: WeakValueDictionary[asyncio.AbstractEventLoop, _SharedClient]
        self._shared = WeakValueDictionary()

    def __reduce__(self) -> tuple[type[ClientPool], tuple[()]]:
        return ClientPool, ()  # open connections cannot be used elsewhere

    def acquire(self, make: Callable[[], SpaceClient]) -> _SharedClient:
        """Return a context manager that gives the client of the running loop.

        While a call still discovers the app with it, others get one of their own.

        Args:
            make: Makes a client.
        """
        loop = asyncio.get_running_loop()
        if (shared := self._shared.get(loop)) is None:
            shared = self._shared[loop] = _SharedClient(make(), self)
        return shared if shared.is_ready else _SharedClient(make())

    @property
    def is_empty(self) -> bool:
        """Whether there is no client in any loop."""
        return not self._shared

    def keeps_idle(self, end: BaseException | None) -> bool:
        """Whether an idle client of the running loop is kept.

        Args:
            end: The exception that ended the last call. One that is no `Exception`, such as
                `CancelledError`, may come from the end of the loop, which waits for no new task.
        """
        if not self.is_open:
            return False
        if is_bridge() or asyncio.get_running_loop() in self.kept:
            return True
        return (end is None or isinstance(end, Exception)) and _ends_in_order()

    def forget(self, shared: _SharedClient) -> None:
        """Give it to no other call."""
        loop = asyncio.get_running_loop()
        if self._shared.get(loop) is shared:
            del self._shared[loop]

    async def close(self) -> None:
        """Close the idle client of the running loop; those in use are closed by the last call."""
        self.is_open = False
        if (shared := self._shared.get(asyncio.get_running_loop())) is not None:
            await shared.close_if_idle()


class _SharedClient:
    """A client, and how many calls use it.

    Args:
        client: The client.
        pool: The pool that it belongs to; None where it is for one call.
    """

    def __init__(self, client: SpaceClient, pool: ClientPool | None = None) -> None:
        self._client = client
        self._get_pool = (lambda: None) if pool is None else ref(pool)
        self._users = 0
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it has discovered the app, or no call has begun to."""
        return not self._users or self._client.found is not None

    async def __aenter__(self) -> SpaceClient:
        self._users += 1
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        return await self._client.__aenter__()  # so that the pool, and not its last call, closes it

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        self._users -= 1
        if self._users:
            return
        pool = self._get_pool()
        if pool is not None and pool.keeps_idle(exc):
            self._closing = asyncio.create_task(self._close_later())
        else:
            await self._close()

    async def close_if_idle(self) -> None:
        """Close the client now, if it waits for the next call."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
            await self._close()

    async def _close_later(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # of another call, or at the end
            await self._wait()
        if self._closing is asyncio.current_task():
            self._closing = None
            await self._close()

    async def _wait(self) -> None:
        """Wait until the client was idle for a moment, or nobody has its pool any more.

        The loop has the client meanwhile. If the pool had it, both could be garbage of one circle,
        and be collected with the open session.
        """
        if (pool := self._get_pool()) is None:
            return
        assert self._closing is not None  # noqa: S101 - it runs this
        end = finalize(pool, _cancel, asyncio.get_running_loop(), self._closing)
        end.atexit = False
        del pool
        try:
            await asyncio.sleep(_IDLE)
        finally:
            end.detach()

    async def _close(self) -> None:
        if (pool := self._get_pool()) is not None:
            pool.forget(self)
        await self._client.close()


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """Cancel a task of a loop that may run in another thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(task.cancel)


def _ends_in_order() -> bool:
    """Whether the running loop is one of `asyncio.run`, in a thread that Python waits for."""
    if threading.current_thread().daemon:
        return False
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - there is no other sign
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name == "nest_asyncio":  # its `run` does neither
            return False
        if name in _RUNNERS:
            return True
        frame = frame.f_back
    return False
