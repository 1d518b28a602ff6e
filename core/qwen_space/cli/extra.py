"""The extra `cli`, which only some of the commands need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["cli_extra"]

_MODULES = frozenset({"prompt_toolkit", "rich", "shtab"})


@contextlib.contextmanager
def cli_extra(feature: str, otherwise: str) -> Iterator[None]:
    """Say how to install the extra, where an import inside fails for want of it.

    Args:
        feature: The thing that needs it, as a sentence's subject.
        otherwise: The thing that works without it.

    Raises:
        ImportError: The extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        module = (exc.name or "").partition(".")[0]
        if module not in _MODULES:
            raise
        raise ImportError(
            f'{feature} needs {module}: pip install "qwen-space[cli]" ({otherwise}).'
        ) from exc
