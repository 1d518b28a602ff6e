"""Finds Spaces that a chat can use, among those that the Hugging Face hub lists as running."""

from __future__ import annotations

from qwen_space.find.find import afind_spaces, find_spaces
from qwen_space.find.found import FoundSpace

__all__ = ["FoundSpace", "afind_spaces", "find_spaces"]
