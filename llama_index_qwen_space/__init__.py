"""Qwen2.5 Hugging Face Spaces, and any Gradio chat app, as an LLM of LlamaIndex."""

from __future__ import annotations

try:
    from llama_index_qwen_space.base import QwenSpace
    from llama_index_qwen_space.structured_output import StructuredOutputError
except ModuleNotFoundError as exc:
    if (exc.name or "").partition(".")[0] not in {"llama_index", "pydantic"}:
        raise
    raise ModuleNotFoundError(
        'LlamaIndex is not installed: pip install "qwen-space[llama-index]"', name=exc.name
    ) from exc

__all__ = ["QwenSpace", "StructuredOutputError"]
