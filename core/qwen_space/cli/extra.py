"""The extras that only some of the commands need."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

__all__ = ["cli_extra", "require_modules"]

_MODULES = frozenset({"prompt_toolkit", "rich", "shtab"})


@contextlib.contextmanager
def cli_extra(feature: str, otherwise: str) -> Iterator[None]:
    """Say how to install the extra `cli`, where an import inside fails for want of it.

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


def require_modules(feature: str, extra: str, *modules: str) -> None:
    """Say how to install an extra, before any work, where one of its modules is missing.

    Args:
        feature: The thing that needs them, as a sentence's subject.
        extra: The extra's name.
        *modules: The modules.

    Raises:
        ImportError: The extra is not installed.
    """
    for module in modules:
        if not _is_installed(module):
            raise ImportError(f'{feature} needs {module}: pip install "qwen-space[{extra}]".')


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False
