from __future__ import annotations

import asyncio
import threading

import pytest

from qwen_space.client import wakeup


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The test's pauses of a second and longer, which are not waited for."""
    made: list[float] = []
    sleep, thread = asyncio.sleep, threading.get_ident()

    async def pause(seconds: float) -> None:
        # A server of an earlier test may still sleep in a thread of its own.
        is_long = seconds >= 1 and threading.get_ident() == thread
        if is_long:
            made.append(seconds)
        await sleep(0 if is_long else seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often whether a Space has woken up, as the tests wait for it."""
    monkeypatch.setattr(wakeup, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(wakeup, "_LONGEST_PAUSE", 0.02)
