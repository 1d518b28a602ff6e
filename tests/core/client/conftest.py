from __future__ import annotations

import asyncio

import pytest

from qwen_space.client import wakeup


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a second and longer, which are not waited for."""
    made: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        if seconds >= 1:
            made.append(seconds)
        await sleep(0 if seconds >= 1 else seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often whether a Space has woken up, as the tests wait for it."""
    monkeypatch.setattr(wakeup, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(wakeup, "_LONGEST_PAUSE", 0.02)
