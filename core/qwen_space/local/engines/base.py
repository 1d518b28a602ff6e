"""The interface of an engine, the model behind the app."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = ["Engine", "Finished", "Output", "Sampling", "Thinking"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The options of one reply; the engine's own where None.

    Attributes:
        temperature: 0 takes the likeliest token each time.
        top_p: The share of the likeliest tokens to choose from.
        max_tokens: Tokens after which the reply is cut.
        model: One of the engine's `models`.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning, which comes before the reply.

    Attributes:
        text: The piece.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a reply, where the engine tells of it.

    Attributes:
        is_cut: Whether the reply ended at the limit of its tokens.
        prompt_tokens: Tokens of the prompt; None if unknown.
        cached_tokens: Those of them that the engine had computed for an earlier turn.
        tokens: Tokens of the reply.
    """

    is_cut: bool = False
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    tokens: int | None = None


Output: TypeAlias = "str | Thinking | Finished"


class Engine(Protocol):
    """A model that streams replies.

    `start` and `close` come in pairs, one for each Space that uses the engine, and may block.
    `stream` runs in the Space's event loop and must not. The message of an `EngineError` is shown
    to the user; any other exception is only logged.

    An engine may have further attributes: `models`, the names to choose from, `context`, the
    tokens that its model takes, `defaults`, its `Sampling` where a reply has none, and `takes`, the
    kinds of media that it takes ("image", "audio", "video"). The content of a message with media is
    a list of OpenAI's content parts.
    """

    @property
    def name(self) -> str:
        """The model's name, as the page shows it. It may be known only after `start`."""
        ...

    @property
    def slots(self) -> int:
        """The number of replies that may run at once."""
        ...

    def start(self) -> None:
        """Get ready to answer."""

    def close(self) -> None:
        """Release the resources of `start`."""

    def stream(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling
    ) -> AsyncGenerator[Output, None]:
        """Yield the reply to `messages`, each with a role and a content, piece by piece.

        Closing the generator, or cancelling the task that waits for it, stops the model.
        """
        ...
