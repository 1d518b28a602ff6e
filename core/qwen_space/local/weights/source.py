"""What a source of models says when it has none to give."""

from __future__ import annotations

__all__ = ["Unavailable"]


class Unavailable(Exception):  # noqa: N818 - an answer rather than an error: the next one is asked
    """The source cannot give the model; the message says why, without a full stop."""
