"""Fetches a model from the Hugging Face hub, into the cache that the hub's own tools use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qwen_space.local.extra import require
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import HubFile
from qwen_space.local.weights.progress import megabytes
from qwen_space.local.weights.source import Unavailable

__all__ = ["from_hub", "from_hub_cache"]

# The hub is asked first, and where it cannot be reached nobody wants to wait for that.
PATIENCE = 4.0


def from_hub_cache(wanted: HubFile, cache: Cache) -> Path | None:
    """Return the file if it has been downloaded before, by whatever tool, and is whole."""
    if wanted.filename is None:
        return None
    found = require("huggingface_hub").try_to_load_from_cache(wanted.repo, wanted.filename)
    if not isinstance(found, str):
        return None
    path = Path(found)
    # The hub's cache calls a large file by its hash, and points to it by name.
    sha256 = wanted.sha256 or _as_sha256(path.resolve().name)
    if sha256 is None or cache.is_whole(path, sha256, wanted.size):
        return path
    path.resolve().unlink(missing_ok=True)  # damaged: it would be taken for whole again
    return None


def from_hub(
    wanted: HubFile,
    cache: Cache,
    say: Callable[[str], None],
    *,
    progress: bool,
    endpoint: str | None = None,
) -> Path:
    """Return the file, downloaded if need be.

    Raises:
        Unavailable: It cannot be had.
    """
    hub = require("huggingface_hub")
    with _explained():
        filename = wanted.filename or _choose(hub, wanted.repo, endpoint)
        url = hub.hf_hub_url(wanted.repo, filename, endpoint=endpoint)
        stated = hub.get_hf_file_metadata(url, timeout=PATIENCE)
    sha256 = _agreed(wanted, _as_sha256(stated.etag))
    size = f", {megabytes(stated.size)}" if stated.size else ""
    say(f"{filename}{size}, from {wanted.repo} on the Hugging Face hub")
    with _explained(), _bars(hub, shown=progress):
        path = Path(hub.hf_hub_download(wanted.repo, filename, endpoint=endpoint))
    if sha256 is not None and not cache.is_whole(path, sha256):
        path.resolve().unlink(missing_ok=True)
        raise Unavailable("what came is not the file that it should be (its SHA-256 differs)")
    return path


def _agreed(wanted: HubFile, stated: str | None) -> str | None:
    """The hash that the file must have: a difference is seen before anything is downloaded."""
    if wanted.sha256 and stated and wanted.sha256 != stated:
        raise Unavailable("the hub has another file there than it should (its SHA-256 differs)")
    return wanted.sha256 or stated


def _as_sha256(etag: str | None) -> str | None:
    """A large file's etag is its SHA-256; a small one's is git's hash, which is of no use."""
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None


def _choose(hub: Any, repo: str, endpoint: str | None) -> str:
    """The repository's file that suits best: 4 bits in one file, where there is a choice."""
    files: list[str] = hub.HfApi(endpoint=endpoint).list_repo_files(repo)
    found = [
        name
        for name in files
        if name.lower().endswith(".gguf") and not re.search(r"-of-\d+\.", name)
    ]
    if not found:
        raise Unavailable("it has no GGUF file in one piece")
    return min(found, key=lambda name: ("q4_k_m" not in name.lower(), "q4" not in name, len(name)))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Unavailable:
        raise
    except Exception as exc:
        # The hub's library lets errors of two HTTP libraries and of its own through.
        first = next((line.strip() for line in str(exc).splitlines() if line.strip()), "")
        raise Unavailable(f"{type(exc).__name__}: {first.rstrip('.')}") from exc


@contextmanager
def _bars(hub: Any, *, shown: bool) -> Iterator[None]:
    if shown or hub.utils.are_progress_bars_disabled():
        yield
        return
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        hub.utils.enable_progress_bars()
