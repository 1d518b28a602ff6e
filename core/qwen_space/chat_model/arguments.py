"""What is wrong with a constructor's arguments, without the arguments themselves."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["refuse_unknown", "said_by"]


def refuse_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Let a constructor take no argument but those that it knows.

    Args:
        owner: The class's name.
        given: The names of the arguments.
        known: The names that there are.

    Raises:
        ValueError: There is no such argument; it names the one that may be meant.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names)}."
            raise ValueError(f"{owner} has no argument {name!r}. {hint}")


def said_by(error: ValidationError) -> str:
    """Return what pydantic found, field by field. The error itself also holds all input."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(_said(each["loc"], each["msg"]) for each in found)


def _said(place: Iterable[int | str], message: str) -> str:
    """Return a sentence about a field; pydantic puts words of its own before those of ours."""
    message = message.removeprefix("Value error, ")
    field = ".".join(map(str, place))
    return f"{field}: {message}" if field else message
