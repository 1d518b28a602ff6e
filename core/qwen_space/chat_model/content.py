"""The parts of messages, for an app that takes text only."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

__all__ = ["decode_text", "join_parts", "name_text", "replace_media"]


def join_parts(parts: Iterable[str | None], *, by: str = "\n") -> str:
    """Return the parts of a message as one text; those that are None are left out."""
    return by.join(part for part in parts if part is not None)


def name_text(name: str | None, text: str) -> str:
    """Return a text after its speaker's name, if there is one."""
    return f"{name}: {text}" if name else text


def decode_text(data: str | bytes, mime_type: str | None) -> str | None:
    """Return the text of a text file in base64; None for a file of another kind."""
    if not (mime_type or "").startswith(("text/", "application/json")):
        return None
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


def replace_media(kind: str, *, is_result: bool) -> str:
    """Return a line in place of a picture or file in a tool's result, which nobody can leave out.

    Args:
        kind: The type of the part.
        is_result: Whether it is part of a tool's result.

    Raises:
        ValueError: It is not.
    """
    if is_result:
        return f"[{kind}: left out, as only text can be read here]"
    raise ValueError(
        f"A content block of type {kind!r} cannot be sent: a Space takes text only. "
        "Leave it out of the message, or describe it in words."
    )
