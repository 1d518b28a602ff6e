from __future__ import annotations

import pytest

from qwen_space.client import wakeup


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often whether a Space has woken up, as the tests wait for it."""
    monkeypatch.setattr(wakeup, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(wakeup, "_LONGEST_PAUSE", 0.02)
