"""The interface of an engine, the model behind the app."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """A model that streams replies.

    `start` and `close` come in pairs, one for each Space that uses the engine, and may block.
    `stream` runs in the Space's event loop and must not. The message of an `EngineError` is shown
    to the user.
    """

    @property
    def name(self) -> str:
        """The model's name, as the page shows it. It may be known only after `start`."""
        ...

    @property
    def slots(self) -> int:
        """How many replies it works on at once."""
        ...

    def start(self) -> None:
        """Get ready to answer."""

    def close(self) -> None:
        """Release what `start` took."""

    def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncGenerator[str, None]:
        """Yield the reply to `messages`, each with a role and a content, piece by piece.

        Closing the generator, or cancelling the task that waits for it, stops the model.
        """
        ...
