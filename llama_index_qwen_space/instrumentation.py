"""An LLM's endpoints: one LlamaIndex event each, and streams that close when they are left.

LlamaIndex's decorators announce a call, take a slot of the rate limiter and put a generator of
their own around a stream. That generator never closes the one inside it, which then stays open
for as long as a handler keeps the exception that ended it, `LlamaDebugHandler` for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

__all__ = ["ClosingStream", "astreamed", "chat", "completion", "streamed"]

T = TypeVar("T")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def chat(endpoint: Endpoint) -> Endpoint:
    """Announce each call as a chat."""
    return cast("Endpoint", llm_chat_callback()(endpoint))


def completion(endpoint: Endpoint) -> Endpoint:
    """Announce each call as a completion."""
    return cast("Endpoint", llm_completion_callback()(endpoint))


def streamed(announce: Callable[[Endpoint], Endpoint]) -> Callable[[Endpoint], Endpoint]:
    """Announce each call, and close the stream in the moment in which it is left.

    Args:
        announce: `chat` or `completion`.

    Returns:
        A decorator for a function that returns a generator.
    """

    def decorate(endpoint: Endpoint) -> Endpoint:
        def call(self: Any, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            opened: list[Generator[Any, None, None]] = []

            def source(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
                opened.append(endpoint(*args, **kwargs))
                return opened[0]

            return _closing(_announced(announce, source)(self, *args, **kwargs), opened[0])

        return _named_as(endpoint, call)

    return decorate


def astreamed(announce: Callable[[Endpoint], Endpoint]) -> Callable[[Endpoint], Endpoint]:
    """Do as `streamed`, for a coroutine function that returns an asynchronous generator."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        async def call(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            opened: list[AsyncGenerator[Any, None]] = []

            async def source(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
                opened.append(await endpoint(*args, **kwargs))
                return opened[0]

            announced = await _announced(announce, source)(self, *args, **kwargs)
            return ClosingStream(announced, opened)

        return _named_as(endpoint, call)

    return decorate


def _announced(announce: Callable[[Any], Any], source: Callable[..., Any]) -> Callable[..., Any]:
    return cast("Callable[..., Any]", announce(source))


def _named_as(endpoint: Endpoint, call: Callable[..., Any]) -> Endpoint:
    """Give `call` the name and the docstring of `endpoint`, and its signature where spans read it.

    They read a chat's messages by it. For a completion without a prompt, they would raise another
    error by it than LlamaIndex's decorators do.
    """
    functools.update_wrapper(call, endpoint)
    del call.__wrapped__  # type: ignore[attr-defined]
    signature = inspect.signature(endpoint)
    if "messages" in signature.parameters:
        call.__signature__ = signature  # type: ignore[attr-defined]
    return cast("Endpoint", call)


def _closing(
    announced: Generator[T, None, None], source: Generator[T, None, None]
) -> Generator[T, None, None]:
    with contextlib.closing(source), contextlib.closing(announced):
        yield from announced


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

    async def asend(self, value: None) -> T:
        """Return the next item."""
        self._loop = asyncio.get_running_loop()
        try:
            return await self._generator.asend(value)
        except BaseException:
            await self._close_opened()
            raise

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> T:
        """Raise an error where the generator waits."""
        try:
            return await self._generator.athrow(typ, val, tb)
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
