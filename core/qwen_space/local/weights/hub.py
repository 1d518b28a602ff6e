"""Fetches a model from the Hugging Face hub, into the cache of the hub's own library."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qwen_space.local.errors import require
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import HubFile, Unavailable
from qwen_space.local.weights.progress import megabytes

__all__ = ["from_hub", "from_hub_cache"]

# Seconds: the hub is the first source of several, and may be out of reach.
METADATA_TIMEOUT = 4.0

DIFFERS = "(its SHA-256 differs)"


def from_hub_cache(wanted: HubFile, cache: Cache) -> Path | None:
    """Return the file if the hub's cache has it and its hash is right; delete a damaged one."""
    if wanted.filename is None:
        return None
    found = require("huggingface_hub").try_to_load_from_cache(wanted.repo, wanted.filename)
    if not isinstance(found, str):
        return None
    path = Path(found)
    # The hub's cache calls a large file by its hash, and points to it by name.
    sha256 = wanted.sha256 or _as_sha256(path.resolve().name)
    return path if sha256 is None or _keep_whole(path, sha256, cache) else None


def from_hub(
    wanted: HubFile, cache: Cache, say: Callable[[str], None], *, endpoint: str | None = None
) -> Path:
    """Download the file; the hub's library resumes, caches and shows a bar on a terminal.

    Raises:
        Unavailable: The hub is out of reach, or has no such file.
    """
    hub = require("huggingface_hub")
    try:
        filename = wanted.filename or _choose(_list_files(hub, wanted.repo, endpoint))
        url = hub.hf_hub_url(wanted.repo, filename, endpoint=endpoint)
        stated = hub.get_hf_file_metadata(url, timeout=METADATA_TIMEOUT)
        sha256 = _agree(wanted.sha256, _as_sha256(stated.etag))
        size = f", {megabytes(stated.size)}" if stated.size else ""
        say(f"{filename}{size}, from {wanted.repo} on the Hugging Face hub")
        path = Path(hub.hf_hub_download(wanted.repo, filename, endpoint=endpoint))
    except Unavailable:
        raise
    except Exception as exc:  # the library lets errors of two HTTP libraries through
        first = next((line.strip() for line in str(exc).splitlines() if line.strip()), "")
        raise Unavailable(f"{type(exc).__name__}: {first.rstrip('.')}") from exc
    if sha256 is None or _keep_whole(path, sha256, cache):
        return path
    raise Unavailable(f"the downloaded file is not the expected one {DIFFERS}")


def _list_files(hub: Any, repo: str, endpoint: str | None) -> list[str]:
    # Not list_repo_files: it asks a hub that is out of reach six times, and warns each time.
    info = hub.HfApi(endpoint=endpoint).model_info(repo, timeout=METADATA_TIMEOUT)
    return [each.rfilename for each in info.siblings or ()]


def _agree(pinned: str | None, stated: str | None) -> str | None:
    if pinned and stated and pinned != stated:
        raise Unavailable(f"the hub has another file under this name {DIFFERS}")
    return pinned or stated


def _as_sha256(etag: str | None) -> str | None:
    """Return a large file's etag, which is its SHA-256; None for a small file's, git's hash."""
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None


def _keep_whole(path: Path, sha256: str, cache: Cache) -> bool:
    if cache.is_whole(path, sha256):
        return True
    path.resolve().unlink(missing_ok=True)  # the library would take it for whole
    return False


def _choose(files: Sequence[str]) -> str:
    """Return the GGUF file with four bits a weight, in one part, or else the shortest name."""
    found = [name for name in files if re.search(r"(?<!-of-\d{5})\.gguf$", name, re.IGNORECASE)]
    if not found:
        raise Unavailable("the repository has no GGUF file in one part")
    return min(found, key=_by_bits)


def _by_bits(name: str) -> tuple[bool, bool, int]:
    lower = name.lower()
    return "q4_k_m" not in lower, "q4" not in lower, len(name)
