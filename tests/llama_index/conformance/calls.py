"""The ways to call an LLM."""

from __future__ import annotations

import inspect
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import LLM

ENDPOINTS = [
    f"{prefix}{stream}{kind}"
    for prefix in ("", "a")
    for stream in ("", "stream_")
    for kind in ("chat", "complete")
]
STREAMS = [name for name in ENDPOINTS if "stream" in name]
ASYNC = [name for name in ENDPOINTS if name.startswith("a")]
ASYNC_STREAMS = [name for name in STREAMS if name.startswith("a")]
SYNC_STREAMS = [name for name in STREAMS if not name.startswith("a")]
CHATS = [name for name in ENDPOINTS if "chat" in name]


def text_of(response: Any) -> str:
    if isinstance(response, ChatResponse):
        return response.message.content or ""
    return str(response.text)


def question(endpoint: str, text: str = "Hi") -> Any:
    """Return a prompt, or the messages of a chat, as an endpoint takes it."""
    return [ChatMessage(text)] if "chat" in endpoint else text


async def ask(llm: LLM, endpoint: str, given: Any = "Hi", **kwargs: Any) -> list[Any]:
    """Call an endpoint by its name and return all that it gives: one response, or the chunks."""
    given = question(endpoint, given) if isinstance(given, str) else given
    return await answers(getattr(llm, endpoint)(given, **kwargs))


async def answers(result: Any) -> list[Any]:
    """Return the results of a call of any of the four ways, as a list."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        return [each async for each in result]
    return list(result) if inspect.isgenerator(result) else [result]
