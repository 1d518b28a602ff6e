"""Qwen2.5 Hugging Face Spaces, and any Gradio chat app, as an LLM of LlamaIndex."""

from __future__ import annotations

from llama_index_qwen_space.base import QwenSpace
from llama_index_qwen_space.structured_output import StructuredOutputError

__all__ = ["QwenSpace", "StructuredOutputError"]
