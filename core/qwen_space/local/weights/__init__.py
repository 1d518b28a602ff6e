"""Models from a path, the caches, the Hugging Face hub, or the package index."""

from __future__ import annotations

from qwen_space.local.weights.cache import cache_folder
from qwen_space.local.weights.find import find_weights

__all__ = ["cache_folder", "find_weights"]
