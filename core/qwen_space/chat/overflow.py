"""The sentences by which model servers refuse a chat that is longer than their model takes."""

from __future__ import annotations

import re

__all__ = ["is_overflow"]

_TOO_LONG = re.compile(
    # OpenAI's and llama.cpp's codes, and LiteLLM's class
    r"context.?length.?exceeded|exceed_context_size|ContextWindowExceeded"
    # OpenAI, vLLM, Mistral; vLLM's engine; xAI
    r"|maximum (?:context|model|prompt) length"
    # llama.cpp, llama-cpp-python, exllama, Ollama, Gemma's and MiniMax's servers
    r"|exceed(?:s|ed)?\b[^.\n]{0,40}\bcontext (?:size|window|length|limit)"
    r"|context (?:size|window|length|limit)[^.\n]{0,20}\bexceed(?:s|ed)?\b"
    r"|(?:longer|greater|larger) than the (?:model's )?context (?:size|window|length|limit)"
    # a local Space
    r"|conversation[^.\n]{0,40} does not fit into\b"
    # Anthropic, Bedrock, TGI's forks
    r"|\b(?:prompt|input|conversation|context) is too long\b|\bprompt too long\b"
    # Text Generation Inference
    r"|`?inputs`?[^.\n]{0,40} must (?:have less than|be <=) \d"
    # DashScope, which serves Qwen
    r"|range of input length should be"
    # Gemini, Cohere, Groq
    r"|input token count[^.\n]{0,40}\bexceeds|\btoo many tokens\b"
    r"|reduce the length of (?:the |your )?(?:messages|input|prompt)"
    r"|(?:超出|超过|超過)[^。\n]{0,20}(?:上下文|最大长度|最大輸入|最大输入)",
    re.IGNORECASE,
)


def is_overflow(text: str) -> bool:
    """Whether a server's sentence says that the chat is longer than its model takes.

    Args:
        text: The sentence, of 10,000 characters at most.
    """
    return _TOO_LONG.search(text) is not None
