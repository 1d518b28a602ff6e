"""Names for tool calls, which Qwen itself does not give."""

from __future__ import annotations

import os

__all__ = ["new_call_id"]


def new_call_id() -> str:
    """Return a fresh name, `call_` and 24 hexadecimal digits, also after a fork."""
    return f"call_{os.urandom(12).hex()}"
