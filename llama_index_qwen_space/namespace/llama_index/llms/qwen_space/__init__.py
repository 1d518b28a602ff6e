"""QwenSpace under the name that LlamaIndex's own integrations have.

A piece of the namespace package `llama_index`: no folder above this one may have an `__init__.py`,
or it would hide LlamaIndex.
"""

from __future__ import annotations

from llama_index_qwen_space import QwenSpace

__all__ = ["QwenSpace"]
