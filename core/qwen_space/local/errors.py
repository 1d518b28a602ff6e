"""Errors of the app, of the engine behind it and of the search for a model."""

from __future__ import annotations

import importlib
from typing import Any

from qwen_space.errors import QwenSpaceError

__all__ = [
    "ContextError",
    "EngineError",
    "LocalSpaceError",
    "MissingExtraError",
    "StartError",
    "WeightsError",
    "require",
]


class LocalSpaceError(QwenSpaceError):
    """Base of the errors of a Space of one's own."""


class StartError(LocalSpaceError):
    """The Space, or the engine behind it, could not be started."""


class EngineError(LocalSpaceError):
    """The engine could not answer.

    Attributes:
        message: A sentence for the page and the client: no address, key or path.
        detail: The cause, for the operator's log; without secrets.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message, detail)
        self.message = message
        self.detail = detail

    def __str__(self) -> str:
        return self.message


class ContextError(EngineError):
    """The conversation is longer than the model's context."""


class MissingExtraError(LocalSpaceError, ImportError):
    """A package of the extra `local`, or of `transformers`, is not installed.

    Attributes:
        package: The import that failed.
        extras: The extras that have it.
    """

    def __init__(self, package: str, extras: str = "local") -> None:
        super().__init__(package, extras)
        self.package = package
        self.extras = extras

    def __str__(self) -> str:
        return (
            f"A Space of one's own needs {self.package}, which is not installed. "
            f'Install it with: pip install "qwen-space[{self.extras}]"'
        )


class WeightsError(LocalSpaceError):
    """No model could be had.

    Attributes:
        tried: Each source and why it failed, in the order in which they were tried.
    """

    def __init__(self, tried: tuple[tuple[str, str], ...]) -> None:
        super().__init__(tried)
        self.tried = tried

    def __str__(self) -> str:
        attempts = "".join(f"\n  - {source}: {reason}" for source, reason in self.tried)
        return (
            f"No model could be had. Tried:{attempts}\n"
            "Check the network, or give a model: `--model PATH` for a GGUF file on this machine, "
            "`--base-url URL` for a server that speaks OpenAI's chat completions, such as Ollama."
        )


def require(package: str, extras: str = "local") -> Any:
    """Import a package of an extra when something first needs it.

    Args:
        package: The import.
        extras: The extras to install, where it is missing.

    Raises:
        MissingExtraError: The package is not installed. The ImportError of a package that is
            installed passes.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        if exc.name != package.partition(".")[0]:
            raise
        raise MissingExtraError(package, extras) from exc
