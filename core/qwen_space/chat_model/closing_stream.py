"""An asynchronous generator that closes others with it, in the moment in which it is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar

__all__ = ["ClosingStream"]

T = TypeVar("T")


class ClosingStream(AsyncGenerator[T, None]):
    """An asynchronous generator, and those that it has opened, which are closed with it.

    No generator itself: the event loop closes those on its own when it ends, all at once, and one
    that was closing another by then would find it running already. For one that is dropped, the
    loop is told to close it, as it is for generators.

    Args:
        generator: The generator.
        opened: The generators that it reads; the list may change.
    """

    def __init__(
        self, generator: AsyncGenerator[T, None], opened: Sequence[AsyncGenerator[Any, None]]
    ) -> None:
        self._generator = generator
        self._opened = opened
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it is open

    # OpenInference asks these of a stream.

    @property
    def ag_frame(self) -> Any:
        """The generator's frame; None once it is over."""
        return self._inner.ag_frame

    @property
    def ag_running(self) -> bool:
        """Whether the generator is being asked for an item."""
        return bool(self._inner.ag_running)

    @property
    def ag_await(self) -> Any:
        """The object that the generator waits for."""
        return self._inner.ag_await

    @property
    def ag_code(self) -> Any:
        """The generator's code."""
        return self._inner.ag_code

    @property
    def _inner(self) -> Any:
        return self._generator

    async def __anext__(self) -> T:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        try:
            return await self._generator.__anext__()
        except BaseException:
            await self._close_opened()
            raise

    async def asend(self, value: None) -> T:
        """Return the next item."""
        return await self.__anext__()

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> T:
        """Raise an error where the generator waits."""
        thrown = (typ,) if val is None and tb is None else (typ, val, tb)
        try:
            return await self._generator.athrow(*thrown)
        except BaseException:
            await self._close_opened()
            raise

    async def aclose(self) -> None:
        """Close the generator, and those that it has opened."""
        self._loop = None
        await _close(self._generator, self._opened)

    async def _close_opened(self) -> None:
        self._loop = None
        for stream in self._opened:
            await stream.aclose()

    def __del__(self) -> None:
        if (loop := self._loop) is None:
            return
        both = self._generator, self._opened
        with contextlib.suppress(RuntimeError):  # the loop has ended, and closed its generators
            loop.call_soon_threadsafe(lambda: loop.create_task(_close(*both)))


async def _close(
    generator: AsyncGenerator[Any, None], opened: Sequence[AsyncGenerator[Any, None]]
) -> None:
    try:
        await generator.aclose()
    finally:
        for stream in opened:
            await stream.aclose()
