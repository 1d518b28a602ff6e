"""Asynchronous context managers that are no generators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import TypeVar

__all__ = ["Entered"]

T = TypeVar("T")


class Entered(AbstractAsyncContextManager[T]):
    """A context manager made of a function that fills an exit stack.

    In place of `contextlib.asynccontextmanager`, whose generator the event loop closes on its
    own when it ends: all generators at once, so that one which is just closing another finds it
    running already, and says so on stderr.

    Args:
        enter: Called on entering, with the stack that is unwound on leaving.
    """

    def __init__(self, enter: Callable[[AsyncExitStack], Awaitable[T]]) -> None:
        self._enter = enter
        self._stack: AsyncExitStack | None = None

    def enter_on(self, stack: AsyncExitStack) -> Awaitable[T]:
        """Enter on a stack of the caller's, which is to leave it too."""
        return self._enter(stack)

    async def __aenter__(self) -> T:
        async with AsyncExitStack() as stack:
            value = await self._enter(stack)
            self._stack = stack.pop_all()
        return value

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._stack is not None  # noqa: S101 - it was entered
        return await self._stack.__aexit__(exc_type, exc, traceback)
