"""What is wrong with a constructor's arguments, without the arguments themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["said_by"]


def said_by(error: ValidationError) -> str:
    """Return what pydantic found, field by field. The error itself also holds all input."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"]
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    )
