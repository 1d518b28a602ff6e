"""Sharing a client, and keeping it; connections are in test_keeping.py."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from qwen_space.chat_model.bridge import run_sync
from qwen_space.chat_model.client_pool import ClientPool


class Client:
    """Stands in for a `SpaceClient`.

    Attributes:
        found: The endpoint that it has found.
        closed: How often it was closed.
        gone: Set once it is closed.
    """

    def __init__(self, found: Any = "an endpoint") -> None:
        self.found = found
        self.closed = 0
        self.gone = asyncio.Event()

    async def __aenter__(self) -> Client:  # noqa: PYI034 - Self is of Python 3.11
        return self

    async def close(self) -> None:
        self.closed += 1
        self.gone.set()


def made(found: Any = "an endpoint") -> Any:
    return lambda: Client(found)


def in_a_loop_of_its_own(work: Coroutine[Any, Any, Any]) -> Any:
    """Run some work in a loop of which nobody says how it ends."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_calls_at_the_same_time_share_a_client_that_the_last_closes() -> None:
    clients: Any = ClientPool()

    async def share() -> None:
        async with clients.acquire(made()) as one:
            async with clients.acquire(made()) as other:
                assert other is one
            assert one.closed == 0
        assert one.closed == 1

        async with clients.acquire(made()) as later:
            assert later is not one

    in_a_loop_of_its_own(share())


async def test_a_client_that_still_looks_for_the_app_is_lent_to_no_other() -> None:
    clients: Any = ClientPool()

    async with clients.acquire(made(found=None)) as first:
        async with clients.acquire(made(found=None)) as second:
            assert second is not first
        assert second.closed == 1
        first.found = "an endpoint"
        async with clients.acquire(made()) as third:
            assert third is first


def test_each_loop_has_its_own() -> None:
    clients: Any = ClientPool()

    async def with_another_loop() -> None:
        async with clients.acquire(made()) as mine:
            theirs = await asyncio.to_thread(asyncio.run, lend())
            assert theirs is not mine
            assert (mine.closed, theirs.closed) == (0, 1)

    async def lend() -> Any:
        async with clients.acquire(made()) as client:
            return client

    asyncio.run(with_another_loop())


async def borrow(clients: Any) -> Any:
    async with clients.acquire(made()) as client:
        return client


def test_in_the_bridge_the_next_call_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 60.0)
    clients = ClientPool()

    client = run_sync(lambda: borrow(clients))

    assert client.closed == 0
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.0)
    assert run_sync(lambda: borrow(clients)) is client
    run_sync(client.gone.wait)
    assert client.closed == 1
    assert run_sync(lambda: borrow(clients)) is not client


def test_in_a_loop_of_asyncio_run_the_next_call_finds_it_until_the_loop_ends() -> None:
    clients: Any = ClientPool()

    async def borrow_twice() -> Any:
        first = await borrow(clients)
        assert first.closed == 0
        assert await borrow(clients) is first
        return first

    assert asyncio.run(borrow_twice()).closed == 1


async def test_an_idle_client_is_closed_when_nobody_has_its_pool() -> None:
    clients: Any = ClientPool()
    client = await borrow(clients)

    del clients

    await asyncio.wait_for(client.gone.wait(), 2)


async def test_a_call_that_the_end_of_the_loop_may_have_cancelled_leaves_no_client() -> None:
    clients: Any = ClientPool()
    lent: list[Any] = []

    async def borrow_for_ever() -> None:
        async with clients.acquire(made()) as client:
            lent.append(client)
            await asyncio.Event().wait()

    task = asyncio.ensure_future(borrow_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert lent[0].closed == 1


def in_a_daemon_thread(work: Coroutine[Any, Any, Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work)), daemon=True)
    thread.start()
    thread.join()
    return results[0]


def through_a_patched_run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run some work as nest_asyncio does, within a loop of `asyncio.run` maybe."""
    names = {"__name__": "nest_asyncio", "run": in_a_loop_of_its_own, "work": work}
    exec("def patched(): return run(work)", names)
    return names["patched"]()


@pytest.mark.parametrize("run", [in_a_loop_of_its_own, in_a_daemon_thread, through_a_patched_run])
def test_where_the_loop_may_not_end_in_order_no_client_is_kept(run: Callable[..., Any]) -> None:
    clients: Any = ClientPool()

    async def borrow_one() -> int:
        return int((await borrow(clients)).closed)

    assert run(borrow_one()) == 1


async def test_an_idle_client_is_not_closed_under_the_call_that_borrows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 0.01)
    clients, others = ClientPool(), ClientPool()
    for pool in (clients, others):
        pool.kept.add(asyncio.get_running_loop())

    idle = await borrow(clients)
    async with clients.acquire(made()) as borrowed:
        later = await borrow(others)
        await later.gone.wait()  # the first would be, too
        assert borrowed is idle
        assert borrowed.closed == 0
    await idle.gone.wait()


def test_a_closing_pool_keeps_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 60.0)
    clients: Any = ClientPool()

    async def borrow_the_last() -> Any:
        async with clients.acquire(made()) as client:
            clients.is_open = False
            return client

    assert run_sync(borrow_the_last).closed == 1


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
async def test_a_copy_of_a_pool_shares_no_client(copied: Any) -> None:
    clients: Any = ClientPool()

    async with clients.acquire(made()) as mine, copied(clients).acquire(made()) as others:
        assert others is not mine
