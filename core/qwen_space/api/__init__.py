"""OpenAI's interface over a Space, or several: for programs that speak to nothing else."""

from __future__ import annotations

from qwen_space.api.app import ApiOptions, create_app

__all__ = ["ApiOptions", "create_app"]
