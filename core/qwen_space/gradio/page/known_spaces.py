"""The table of known Spaces, for those whose `/config` does not answer, or does not tell.

The figures are those that the Spaces' own pages send, as far as that is known.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.gradio.page.endpoint import Endpoint, Input

__all__ = ["QWEN_2_5", "get_known_endpoint"]

_SIZES = ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")

_QUERY_HISTORY_SYSTEM = (
    Input("prompt", "query", parameter="query"),
    Input("history", "history", [], parameter="history", kind="chatbot"),
    Input("system", "system", DEFAULT_SYSTEM_PROMPT, parameter="system"),
)

QWEN_2_5 = Endpoint(
    api_name="model_chat_1",
    fn_index=3,
    trigger_id=25,
    inputs=(
        *_QUERY_HISTORY_SYSTEM,
        Input("model", "radio", "72B", _SIZES, parameter="radio", kind="radio"),
    ),
    output=1,
)
"""The endpoint of the public Qwen2.5 Space; it also stands in for an app without `/config`."""

_QWEN_2 = Endpoint("model_chat", 0, 11, _QUERY_HISTORY_SYSTEM, output=1)

_QWEN_3_SETTINGS = {
    "model": "qwen3-235b-a22b",
    "sys_prompt": "You are a helpful and harmless assistant.",
    "thinking_budget": 38,  # thousands of tokens
}
_QWEN_3_MODELS = tuple(
    f"qwen3-{size}" for size in ("235b-a22b", "32b", "30b-a3b", "14b", "8b", "4b", "1.7b", "0.6b")
)
_QWEN_3 = Endpoint(
    api_name="add_message",
    fn_index=13,
    trigger_id=31,
    inputs=(
        Input("prompt", "query", parameter="input_value"),
        Input("settings", "settings", _QWEN_3_SETTINGS, _QWEN_3_MODELS, kind="state"),
        Input(None, "state", kind="state"),
        Input(None, "state", kind="state"),
    ),
    output=5,
    protocol="sse_v3",
    prefix="/gradio_api",
)

_ENDPOINTS = {
    "qwen-qwen2-5.hf.space": QWEN_2_5,
    "qwen-qwen2-72b-instruct.hf.space": _QWEN_2,
    "qwen-qwen2-5-max-demo.hf.space": replace(_QWEN_2, protocol="sse_v3", prefix="/gradio_api"),
    "qwen-qwen3-demo.hf.space": _QWEN_3,
}


def get_known_endpoint(url: str) -> Endpoint | None:
    """Return the endpoint of the Space at `url`, or None if it is not in the table."""
    return _ENDPOINTS.get(urlsplit(url).hostname or "")
