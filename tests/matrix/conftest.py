from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.matrix.apps import Apps


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    """Run the app, one environment at a time."""
    apps = Apps(tmp_path_factory.mktemp("apps") / "log")
    yield apps
    apps.stop()
