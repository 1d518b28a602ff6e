"""A Qwen2.5 Hugging Face Space, or any Gradio chat app, as a LangChain chat model."""

from __future__ import annotations

from langchain_qwen_space.chat_models import ChatQwenSpace

__all__ = ["ChatQwenSpace"]
