from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qwen_space.chat_model import bridge
from qwen_space.chat_model.bridge import iterate_sync, run_sync


class Stream:
    """An asynchronous stream that notes its end."""

    def __init__(self, items: list[Any], *, hang: bool = False) -> None:
        self.items = items
        self.hang = hang
        self.notes: list[str] = []
        self.threads: set[str] = set()

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncIterator[Any]]:
        self.notes.append("entered")
        task = asyncio.current_task()
        try:
            yield self._iterate()
        finally:
            assert asyncio.current_task() is task
            self.notes.append("left")

    async def _iterate(self) -> AsyncIterator[Any]:
        self.threads.add(threading.current_thread().name)
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item
        if self.hang:
            await asyncio.Event().wait()


def test_items_come_in_their_order_from_the_bridge_s_thread() -> None:
    stream = Stream([1, 2, 3])

    assert list(iterate_sync(stream)) == [1, 2, 3]
    assert stream.notes == ["entered", "left"]
    assert stream.threads == {"qwen_space"}


def test_an_item_is_there_before_the_next_is_made() -> None:
    gate = threading.Event()

    @contextlib.asynccontextmanager
    async def stream() -> AsyncIterator[AsyncIterator[int]]:
        async def items() -> AsyncIterator[int]:
            yield 1
            assert await asyncio.to_thread(gate.wait, 10)
            yield 2

        yield items()

    iterator = iterate_sync(stream)

    assert next(iterator) == 1
    gate.set()
    assert list(iterator) == [2]


def test_nothing_happens_before_the_first_item_is_asked_for() -> None:
    stream = Stream([1])

    iterator = iterate_sync(stream)
    iterator.close()

    assert stream.notes == []


@pytest.mark.parametrize(
    "leave", [lambda iterator: iterator.close(), lambda iterator: None], ids=["closed", "dropped"]
)
def test_leaving_early_leaves_the_stream_at_once(leave: Callable[[Iterator[int]], None]) -> None:
    stream = Stream([1], hang=True)
    iterator = iterate_sync(stream)
    next(iterator)

    leave(iterator)
    del iterator

    assert stream.notes == ["entered", "left"]


class Planned(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("error", [ValueError("planned"), TimeoutError("planned"), Planned("x")])
@pytest.mark.parametrize("items", [[], [1]])
def test_an_error_passes_after_the_items_before_it(items: list[Any], error: BaseException) -> None:
    stream = Stream([*items, error])
    got: list[Any] = []

    with pytest.raises(type(error)) as caught:
        got.extend(iterate_sync(stream))

    assert caught.value is error
    assert got == items
    assert stream.notes == ["entered", "left"]


def test_an_error_on_entering_passes() -> None:
    @contextlib.asynccontextmanager
    async def stream() -> AsyncIterator[AsyncIterator[int]]:
        raise ValueError("planned")
        yield

    with pytest.raises(ValueError, match="planned"):
        next(iterate_sync(stream))


async def add(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


def test_a_coroutine_is_run() -> None:
    assert run_sync(lambda: add(1, 2)) == 3


def test_a_caller_who_looks_up_now_and_then_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_space.chat_model.bridge._LOOK_UP", 0.001)  # as on Windows
    gate = threading.Event()

    async def work() -> int:
        assert await asyncio.to_thread(gate.wait, 10)
        raise TimeoutError("its own")

    threading.Timer(0.05, gate.set).start()

    with pytest.raises(TimeoutError, match="its own"):
        run_sync(work)
    assert list(iterate_sync(Stream([1, 2]))) == [1, 2]


def test_an_error_of_a_coroutine_passes() -> None:
    async def fail() -> None:
        raise ValueError("planned")

    with pytest.raises(ValueError, match="planned"):
        run_sync(fail)


async def test_it_works_in_a_running_loop() -> None:
    assert run_sync(lambda: add(1, 2)) == 3
    assert list(iterate_sync(Stream([1, 2]))) == [1, 2]


def test_it_works_from_twenty_threads_at_once() -> None:
    with ThreadPoolExecutor(20) as pool:
        sums = list(pool.map(lambda number: run_sync(lambda: add(number, 1)), range(20)))
        lists = list(pool.map(lambda number: list(iterate_sync(Stream([number] * 50))), range(20)))

    assert sums == list(range(1, 21))
    assert lists == [[number] * 50 for number in range(20)]
    assert [each.name for each in threading.enumerate()].count("qwen_space") == 1


def test_its_own_thread_is_refused_as_it_would_wait_for_itself() -> None:
    async def wait_for_itself() -> Any:
        coroutine = add(1, 2)
        try:
            return run_sync(lambda: coroutine)
        finally:
            coroutine.close()

    async def iterate_in_itself() -> Any:
        return list(iterate_sync(Stream([1])))

    for work in (wait_for_itself, iterate_in_itself):
        with pytest.raises(RuntimeError, match="would wait for itself"):
            run_sync(work)


def test_a_bridge_that_is_closed_cancels_its_calls_and_ends_its_thread() -> None:
    made = bridge._Bridge()
    ended = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    started = asyncio.run_coroutine_threadsafe(add(1, 2), made.loop)
    assert started.result(10) == 3
    future = asyncio.run_coroutine_threadsafe(hang(), made.loop)
    made.close()

    assert ended.is_set()
    assert future.cancelled()
    assert made.loop.is_closed()
    assert not made._thread.is_alive()


EXIT = """
import asyncio, contextlib
from qwen_space.chat_model import bridge
from qwen_space.chat_model.bridge import iterate_sync

@contextlib.asynccontextmanager
async def stream():
    async def items():
        yield 1
        await asyncio.Event().wait()
    try:
        yield items()
    finally:
        print("left")

iterator = iterate_sync(stream)
print(next(iterator))
bridge.kept = iterator
"""


def test_a_stream_that_is_open_at_the_interpreter_s_exit_is_left() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", EXIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "1\nleft\n", "")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", [run_sync, lambda work: list(iterate_sync(work))])
def test_ctrl_c_while_a_call_is_being_scheduled_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, how: Callable[[Any], Any], when: str
) -> None:
    run_sync(lambda: add(1, 2))  # the bridge is there
    loop = bridge._bridge().loop
    schedule = loop.call_soon_threadsafe

    @contextlib.asynccontextmanager
    async def streaming() -> AsyncIterator[Any]:
        yield await asyncio.Event().wait()

    async def hanging() -> None:
        async with streaming():
            pass

    def interrupted(callback: Any, *args: Any) -> Any:
        monkeypatch.undo()
        if when == "after":
            schedule(callback, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        how(hanging if how is run_sync else streaming)

    assert run_sync(count_tasks) == 1


async def count_tasks() -> int:
    """Count the tasks that are left once those that are cancelled have ended."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=20)
    return len(asyncio.all_tasks())
