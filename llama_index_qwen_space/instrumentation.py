"""An LLM's endpoints: one LlamaIndex event each, and streams that close when they are left.

LlamaIndex's decorators announce a call, take a slot of the rate limiter and put a generator of
their own around a stream. That generator never closes the one inside it, which then stays open
for as long as a handler keeps the exception that ended it, `LlamaDebugHandler` for one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from qwen_space.chat_model.closing_stream import ClosingStream

__all__ = ["astreamed", "chat", "completion", "streamed"]

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
