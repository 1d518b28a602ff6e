"""Names that other models have for their arguments, and ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["find_remedies", "rename", "resolve_names"]

_NAMES = {
    "space": (
        *("api_base", "base_url", "endpoint_url", "host", "openai_api_base", "repo_id"),
        *("inference_server_url", "server_url"),
        *("space_id", "space_name", "src", "url"),
    ),
    "hf_token": ("api_key", "hf_api_key", "huggingfacehub_api_token", "openai_api_key", "token"),
    "max_tokens": ("max_completion_tokens", "max_new_tokens", "num_predict"),
    "inputs": ("additional_kwargs", "extra_body", "generate_kwargs", "model_kwargs"),
    "context_window": ("n_ctx", "num_ctx"),
    "endpoint": ("api_name",),
    "headers": ("default_headers", "extra_headers"),
    "model": ("model_id", "model_name"),
    "proxy": ("http_proxy", "openai_proxy"),
    "stop": ("stop_sequences",),
    "system_prompt": ("system", "system_message"),
    "timeout": ("request_timeout",),
    "verify": ("ssl_verify",),
}
"""Our names, and those that other models have."""

_ALIASES = {name: ours for ours, names in _NAMES.items() for name in names}

_INPUT = 'It goes to an input of the app, if that has one: inputs={{"{0}": ...}}.'
_JSON = 'Give response_format={"type": "json_object"} with the call.'
_TOOLS = "Give it with the call, or with LangChain's bind_tools."
_NO_USE = "A Space has no use for it: leave it out."
_WINDOW = 'Give profile={"max_input_tokens": ...}, or ask the app with load_profile().'
_CLIENT = "The client is made here: give headers, proxy, verify or timeout."
_REMEDIES = {
    **{
        name: _INPUT.format(name)
        for name in (
            *("seed", "top_k", "min_p", "typical_p", "repetition_penalty", "do_sample"),
            *("frequency_penalty", "presence_penalty", "repeat_penalty", "enable_thinking"),
            *("mirostat", "mirostat_eta", "mirostat_tau", "repeat_last_n", "tfs_z"),
            *("enable_search", "think", "thinking", "reasoning"),
        )
    },
    **dict.fromkeys(["json_mode", "response_format", "format"], _JSON),
    **dict.fromkeys(["tools", "tool_choice", "parallel_tool_calls", "strict"], _TOOLS),
    **dict.fromkeys(["context_window", "n_ctx", "num_ctx"], _WINDOW),
    **dict.fromkeys(
        [
            *("client", "async_client", "root_client", "root_async_client", "http_client"),
            *("http_async_client", "async_http_client", "client_kwargs", "async_client_kwargs"),
            *("sync_client_kwargs", "http_socket_options", "httpx_kwargs", "server_kwargs"),
            "cookies",
        ],
        _CLIENT,
    ),
    **dict.fromkeys(
        [
            *("n", "logprobs", "top_logprobs", "logit_bias", "user", "organization", "api_version"),
            *("stream_usage", "keep_alive", "reuse_client", "device_map", "task", "store"),
            *("reasoning_effort", "is_chat_model", "dashscope_api_key", "openai_organization"),
            *("incremental_output", "result_format", "return_full_text", "truncation", "provider"),
            *("model_provider", "service_tier", "use_responses_api", "validate_model_on_init"),
            *("model_path", "n_batch", "n_gpu_layers", "num_gpu", "num_thread", "verbosity"),
            *("adapter_id", "dimensions", "stopping_ids", "truncate", "watermark", "cache_dir"),
            *("max_workers", "download_files", "session_hash", "analytics_enabled"),
        ],
        _NO_USE,
    ),
    **dict.fromkeys(["functions", "function_call"], "Give tools and tool_choice in their place."),
    "fn_index": 'Give the function\'s number as endpoint, such as endpoint="#0".',
    "llm": "The Space is the model: give space, and model for one of several.",
    "proxies": "Give proxy: its address is for all requests.",
    "prefix_messages": "Give system_prompt, or messages with each call.",
    "streaming": "stream_chat, stream_complete and their asynchronous twins stream.",
    **dict.fromkeys(
        ["tokenizer", "tokenizer_name", "tiktoken_model_name"],
        "Tokens are counted with Qwen's vocabulary: install the extra `tokens`.",
    ),
}
"""Sentences on names of other models for which there is no argument."""


def resolve_names(owner: str, given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return a constructor's arguments under their own names.

    Args:
        owner: The class's name.
        given: The arguments, maybe by the names that other models have for them.
        known: The names of the class's arguments.

    Raises:
        ValueError: There is no such argument, and the error names the one to give instead; or
            it is given twice.
    """
    names = list(known)
    resolved: dict[str, Any] = {}
    for name, value in given.items():
        meant = name if name in names else _ALIASES.get(name, name)
        if meant not in names:
            raise ValueError(f"{owner} has no argument {name!r}. {_hint(name, names)}")
        if meant in resolved:
            raise ValueError(f"{name!r} is {meant!r}, which is given twice: leave one out.")
        resolved[meant] = value
    return resolved


def _hint(name: str, names: list[str]) -> str:
    if name in _REMEDIES:
        return _REMEDIES[name]
    import difflib  # for this alone

    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names)}."


def rename(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return a call's keyword arguments, those by other models' names under ours.

    Args:
        given: The arguments.
        known: The names that a call takes; ours win where both are given.
    """
    names = set(known)
    renamed = {name: _ALIASES.get(name, name) for name in given}
    ours = {name for name in given if renamed[name] not in names or renamed[name] in given}
    return {name if name in ours else renamed[name]: value for name, value in given.items()}


def find_remedies(names: Iterable[str]) -> list[str]:
    """Return the sentences on names of other models for which there is no argument."""
    found = {_REMEDIES[name] for name in names if name in _REMEDIES}
    return sorted(found - {_NO_USE})
