"""A cache of models, and the sentences that are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_space.local.weights.cache import Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def said() -> list[str]:
    return []
