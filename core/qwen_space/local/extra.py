"""The packages of the extra `local`, imported only when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from qwen_space.local.errors import MissingExtraError

__all__ = ["require"]


def require(package: str) -> Any:
    """Import `package`, or say how to install it.

    Raises:
        MissingExtraError: It is not installed. A package that is installed and fails to import
            shows its own error.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        if exc.name != package.partition(".")[0]:
            raise
        raise MissingExtraError(package) from exc
