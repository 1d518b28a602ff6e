"""A Qwen2.5 Hugging Face Space, or any Gradio chat app, as a LangChain chat model."""

from __future__ import annotations

try:
    from langchain_qwen_space.chat_models import ChatQwenSpace
except ModuleNotFoundError as exc:
    if (exc.name or "").partition(".")[0] not in {"langchain_core", "pydantic"}:
        raise
    raise ModuleNotFoundError(
        'LangChain is not installed: pip install "qwen-space[langchain]"', name=exc.name
    ) from exc

__all__ = ["ChatQwenSpace"]
