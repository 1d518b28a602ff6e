"""A file of the cache is whole, or it is fetched again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_space.local.weights import cache_folder
from qwen_space.local.weights.cache import Cache
from tests.core.local.weights.content import CONTENT, sha256


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"QWEN_SPACE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/qwen-space")),
        ({}, Path.home() / ".cache" / "qwen-space"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: Path
) -> None:
    for name in ("QWEN_SPACE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert cache_folder() == folder


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        pytest.param(lambda path: None, True, id="untouched"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), True, id="only-its-time"),
        pytest.param(lambda path: path.write_bytes(CONTENT[::-1]), False, id="same-length"),
        pytest.param(lambda path: path.write_bytes(CONTENT[:-1]), False, id="cut"),
        pytest.param(lambda path: path.unlink(), False, id="gone"),
    ],
)
def test_a_changed_file_is_not_whole(
    cache: Cache, tmp_path: Path, change: Callable[[Path], object], whole: bool
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    os.utime(path, ns=(5, 5))
    assert cache.is_whole(path, sha256(CONTENT), len(CONTENT))

    change(path)

    assert cache.is_whole(path, sha256(CONTENT), len(CONTENT)) is whole


def test_a_file_is_hashed_once(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    assert cache.is_whole(path, sha256(CONTENT))

    monkeypatch.setattr(Cache, "verify", lambda *_: pytest.fail("hashed again"))

    assert cache.is_whole(path, sha256(CONTENT))
