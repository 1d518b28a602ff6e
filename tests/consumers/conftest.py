"""The packages are imported only where these tests are asked for: others do not have them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the files alone unless the marker is asked for."""
    return None if config.option.markexpr == "consumers" else True


def pytest_itemcollected(item: pytest.Item) -> None:
    """Ignore deprecations: the packages use deprecated parts of each other."""
    item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="module")
def _collected() -> Iterator[None]:
    """Collect the connections that OpenAI's client leaves open while no test runs."""
    yield
    gc.collect()
