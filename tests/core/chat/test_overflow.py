"""Sentences of model servers, as their logs and bug reports have them."""

from __future__ import annotations

import pytest

from qwen_space.chat.overflow import is_overflow


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "Error code: 400 - {'error': {'message': \"This model's maximum context length is 8192 "
            "tokens. However, you requested 8203 tokens (7691 in the messages, 512 in the "
            'completion). Please reduce the length of the messages or completion."}}',
            id="openai-vllm",
        ),
        pytest.param(
            "The decoder prompt (length 8357) is longer than the maximum model length of 8192. "
            "Make sure that `max_model_len` is no smaller than the number of text tokens.",
            id="vllm-engine",
        ),
        pytest.param(
            "the request exceeds the available context size, try increasing it", id="llama.cpp-old"
        ),
        pytest.param(
            "request (5120 tokens) exceeds the available context size (4096 tokens), try "
            "increasing it",
            id="llama.cpp",
        ),
        pytest.param(
            "Requested tokens (1062) exceed context window of 1024", id="llama-cpp-python"
        ),
        pytest.param(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: "
            "1900 `inputs` tokens and 500 `max_new_tokens`",
            id="tgi",
        ),
        pytest.param("`inputs` must have less than 1024 tokens. Given: 5000", id="tgi-inputs"),
        pytest.param(
            "The input (210000 tokens) is longer than the model's context length (200000 tokens).",
            id="sglang",
        ),
        pytest.param(
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 6000]",
            id="dashscope",
        ),
        pytest.param("prompt is too long: 215000 tokens > 200000 maximum", id="anthropic"),
        pytest.param(
            "The input token count (1200000) exceeds the maximum number of tokens allowed.",
            id="gemini",
        ),
        pytest.param(
            "Prompt contains 32769 tokens and 0 draft tokens, too large for model with 32768 "
            "maximum context length",
            id="mistral",
        ),
        pytest.param("prompt too long; exceeded max context length by 12 tokens", id="ollama"),
        pytest.param(
            "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException",
            id="litellm",
        ),
        pytest.param(
            "The conversation of 5120 tokens does not fit into the 4096 tokens that the model can "
            "read. Clear the chat or shorten the message.",
            id="a-local-space",
        ),
        pytest.param("input length and `max_tokens` exceed context limit: 199759 + 8192", id="sum"),
        pytest.param("输入长度超过模型的最大长度限制", id="chinese"),
    ],
)
def test_a_refusal_of_a_chat_that_is_too_long_is_known(text: str) -> None:
    assert is_overflow(text)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "'context'",
        "The context of this session has expired.",
        "Request timed out: it took too long",
        "You have exceeded your GPU quota (60s requested vs. 40s left)",
        "The queue is full",
        "too many requests",
        "Please enter a longer prompt.",
        "max_tokens must be at least 1",
        "list index out of range",
        "The prompt must not be empty.",
        "Your file exceeds the maximum size of 10 MB.",
    ],
)
def test_another_failure_is_no_overflow(text: str) -> None:
    assert not is_overflow(text)
