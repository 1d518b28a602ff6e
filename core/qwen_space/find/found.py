"""A Space that was found, and its endpoint in a few words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from qwen_space.gradio.page.endpoint import Endpoint, Role

__all__ = ["FoundSpace", "describe_inputs"]

_ROLES: dict[Role, str] = {"system": "system prompt", "history": "history", "model": "model"}
_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSpace:
    """A running Space that a chat can use.

    Attributes:
        space: Its id, `owner/name`.
        url: The address of its app.
        likes: How many people like it.
        hardware: The hub's word for the machine that it runs on, such as "zero-a10g".
        models: The models that it offers; without a choice, those that its owner names.
        takes: The inputs that it has beside the prompt: "system prompt", "history", "model",
            "temperature", "top_p", "max_tokens", and files with their types, as "files (image)".
        queue: How many jobs wait there; None if it does not say.
        seconds: How long it took to answer.
    """

    space: str
    url: str
    likes: int
    hardware: str | None
    models: tuple[str, ...]
    takes: tuple[str, ...]
    queue: int | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


def describe_inputs(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the inputs that an endpoint has beside the prompt, by their uses."""
    return tuple(dict.fromkeys(_uses(endpoint)))


def _uses(endpoint: Endpoint) -> Iterator[str]:
    yield from (name for role, name in _ROLES.items() if endpoint.takes(role))
    for name, value in _SAMPLING.items():
        if endpoint.place_sampling({name: value}):
            yield name
    for each in endpoint.media_inputs:
        if each.slot is not None:
            yield f"files ({each.slot.described})"
