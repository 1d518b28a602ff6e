"""Defaults from the environment, which only the adapters and the command line read."""

from __future__ import annotations

import os

from qwen_space.config.addresses import DEFAULT_SPACE, HUB, is_hugging_face

__all__ = ["default_hub", "default_space", "split_spaces", "token_for"]


def default_space() -> str | list[str]:
    """Return the Space that `QWEN_SPACE_URL` names, or the public one; several as a list."""
    return split_spaces(os.environ.get("QWEN_SPACE_URL") or "") or DEFAULT_SPACE


def split_spaces(given: str) -> str | list[str]:
    """Return Spaces that commas separate, as a list; one alone as a text."""
    names = [name for name in map(str.strip, given.split(",")) if name]
    return names if len(names) > 1 else "".join(names)


def default_hub() -> str:
    """Return the address of the Hugging Face hub: `HF_ENDPOINT`, as its own client reads it."""
    return os.environ.get("HF_ENDPOINT") or HUB


def token_for(url: str, given: str | None) -> str | None:
    """Return the token to send to a Space, or None.

    A token that was given goes to whatever Space it was given with. The one in `HF_TOKEN` was
    put there for Hugging Face, so no other host gets it.

    Args:
        url: The Space's address.
        given: The token that the caller gave; an empty one says that none is to be sent.
    """
    if given is not None:
        return given or None
    return (os.environ.get("HF_TOKEN") or None) if is_hugging_face(url) else None
