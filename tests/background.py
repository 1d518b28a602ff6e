"""Enters an asynchronous context manager in a thread of its own, for blocking callers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

__all__ = ["entered"]

T = TypeVar("T")


@contextlib.contextmanager
def entered(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter it in an event loop of its own; give the value that it gives."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background")
    thread.start()
    try:
        value = asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(10)
        try:
            yield value
        finally:
            asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(10)
    finally:  # also where it cannot be entered or left, as the thread would hold up the exit
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
