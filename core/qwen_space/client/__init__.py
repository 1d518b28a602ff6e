"""The asynchronous client of one Space."""

from __future__ import annotations

from qwen_space.client.client import SpaceClient

__all__ = ["SpaceClient"]
