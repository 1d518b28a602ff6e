"""The command `qwen-space`."""

from __future__ import annotations

from qwen_space.cli.main import main

__all__ = ["main"]
