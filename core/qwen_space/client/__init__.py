"""The asynchronous client of Spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_space.client.client import SpaceClient

__all__ = ["SpaceClient"]


def __getattr__(name: str) -> Any:
    """Import the client when it is first asked for, as aiohttp takes a fifth of a second."""
    if name == "SpaceClient":
        from qwen_space.client.client import SpaceClient

        return SpaceClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
