"""The one bridge from blocking callers to asynchronous code.

A daemon thread runs an event loop for the whole process. It works inside a running loop, as in
a notebook, from any number of threads, and again in the child of a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import queue
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

import msgspec

from qwen_space.config import DEFAULT_MAX_QUEUE

__all__ = ["is_bridge", "iterate_sync", "run_sync"]

T = TypeVar("T")

_UNWIND = 5.0  # seconds that a stream may take to close

_LOOK_AGAIN = 0.02  # seconds

# Seconds. On Windows a lock that is waited for without a limit does not see Ctrl-C.
_LOOK_UP = 0.1 if sys.platform == "win32" else None


def is_bridge() -> bool:
    """Whether the running loop is the bridge's, which ends with the program, and in order."""
    bridge = _Process.bridge
    return bridge is not None and bridge.loop is asyncio.get_running_loop()


def run_sync(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in the bridge's loop and return its result.

    Args:
        work: Makes the coroutine.

    Raises:
        RuntimeError: The caller is the bridge's own loop, which would wait for itself.
    """
    bridge = _bridge()
    bridge.refuse_own_thread()
    call = _Call(bridge, work)
    # A Ctrl-C may come at any point: none is between the start and the `try`.
    try:
        call.start()
        return _result_of(call.future)
    except concurrent.futures.CancelledError:
        bridge.end_thread_if_closed()
        raise
    except BaseException:
        call.cancel()  # it does nothing to one that has ended
        raise


def iterate_sync(
    stream: Callable[[], AbstractAsyncContextManager[AsyncIterator[T]]],
    *,
    max_queue: int = DEFAULT_MAX_QUEUE,
) -> Generator[T, None, None]:
    """Yield the items of an asynchronous stream, each as soon as it is there.

    The stream is entered, read and left in one task of the bridge's loop. It is entered when
    the first item is asked for, and left when the generator ends, is closed or is dropped.
    Items that the caller has not asked for yet wait in memory, up to a limit; then the stream
    waits.

    Args:
        stream: Makes the asynchronous context manager that gives the iterator.
        max_queue: How many items may wait in memory.

    Raises:
        RuntimeError: The caller is the bridge's own loop, or the child of a fork that asks a
            stream of its parent for more.
    """
    bridge = _bridge()
    bridge.refuse_own_thread()
    items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()

    async def pump() -> None:
        end = _End()
        try:
            async with stream() as iterator:
                async for item in iterator:
                    items.put(item)
                    while items.qsize() >= max_queue:  # noqa: ASYNC110 - read by a thread
                        await asyncio.sleep(_LOOK_AGAIN)
        except BaseException as exc:
            end = _End(exc)
            if isinstance(exc, asyncio.CancelledError):
                raise
        finally:
            call.unwound.set()
            items.put(end)

    call = _Call(bridge, pump)
    try:
        call.start()
        while not isinstance(item := _next_of(items), _End):
            yield item
            bridge.refuse_other_process()
        if isinstance(item.error, asyncio.CancelledError):
            bridge.end_thread_if_closed()
        if item.error is not None:
            raise item.error
    finally:
        if bridge.is_here():  # in the child of a fork it is the parent's to leave
            call.cancel()
            if not bridge.is_own_thread():  # where the garbage collector may have brought us
                call.unwound.wait(_UNWIND)


def _result_of(future: concurrent.futures.Future[T]) -> T:
    if _LOOK_UP is not None:
        while not concurrent.futures.wait([future], _LOOK_UP).done:
            pass
    return future.result()


def _next_of(items: queue.SimpleQueue[T]) -> T:
    while _LOOK_UP is not None:
        with contextlib.suppress(queue.Empty):
            return items.get(timeout=_LOOK_UP)
    return items.get()


class _End(msgspec.Struct, frozen=True):
    """The end of a stream, in place of an item."""

    error: BaseException | None = None


class _Call(Generic[T]):
    """One coroutine that a thread has run in the bridge's loop.

    In place of `asyncio.run_coroutine_threadsafe`, whose future a Ctrl-C can lose after the
    coroutine was scheduled: it would run for nobody.

    Attributes:
        future: The result.
        unwound: Set when the coroutine has ended, or never begins.
    """

    def __init__(self, bridge: _Bridge, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.unwound = threading.Event()
        self._loop = bridge.loop
        self._work = work
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """Run the coroutine."""
        self._loop.call_soon_threadsafe(self._start)

    def cancel(self) -> None:
        """Cancel the coroutine, whether it was started or not."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and has cancelled it
            self._loop.call_soon_threadsafe(self._cancel)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._finish)

    async def _run(self) -> T:
        return await self._work()

    def _cancel(self) -> None:
        if self._task is None:  # interrupted before it was scheduled
            self.unwound.set()
        else:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        self.unwound.set()
        if task.cancelled():
            self.future.cancel()
            self.future.set_running_or_notify_cancel()
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())


class _Bridge:
    """A thread that runs an event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="qwen_space", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def is_here(self) -> bool:
        """Whether this is the process in which it was made, and so its thread lives."""
        return os.getpid() == self._process

    def refuse_other_process(self) -> None:
        if not self.is_here():
            raise RuntimeError(
                "A stream that was begun in another process, before a fork, cannot be read in "
                "this one: begin another."
            )

    def refuse_own_thread(self) -> None:
        if self.is_own_thread():
            raise RuntimeError(
                "A blocking call from inside qwen_space's own event loop would wait for itself: "
                "use the asynchronous form."
            )

    def end_thread_if_closed(self) -> None:
        """End the caller's thread, quietly, where it waited at the end of the program.

        Only daemon threads do, and Python would print their errors.
        """
        if self._closed and threading.current_thread() is not threading.main_thread():
            raise SystemExit

    def close(self) -> None:
        """Cancel the tasks that still run, and end the thread."""
        self._closed = True
        # Until Python 3.10 these two are not asyncio's, nor the built-in ones.
        with contextlib.suppress(
            concurrent.futures.CancelledError, concurrent.futures.TimeoutError
        ):
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(_UNWIND)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_UNWIND)
        if not self._thread.is_alive():
            self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()


class _Process:
    """The bridge of this process, if one was needed yet."""

    bridge: _Bridge | None = None
    lock = threading.Lock()

    @classmethod
    def forget(cls) -> None:
        """Forget the parent's bridge: its thread does not live in the child of a fork."""
        cls.bridge = None
        cls.lock = threading.Lock()

    @classmethod
    def close(cls) -> None:
        if cls.bridge is not None:
            bridge, cls.bridge = cls.bridge, None
            bridge.close()


def _bridge() -> _Bridge:
    with _Process.lock:
        if _Process.bridge is None:
            _Process.bridge = _Bridge()
        return _Process.bridge


atexit.register(_Process.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.forget)
