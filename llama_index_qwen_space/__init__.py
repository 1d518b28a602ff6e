"""Qwen2.5 Hugging Face Spaces, and any Gradio chat app, as an LLM of LlamaIndex."""

from __future__ import annotations

from llama_index_qwen_space.model import QwenSpace

__all__ = ["QwenSpace"]
