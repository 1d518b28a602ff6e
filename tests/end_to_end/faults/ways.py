"""The ways to ask, of the core and of both frameworks, each with the same face.

Each takes a blocking call; an asynchronous one runs in an event loop of its own.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    Completed,
    Event,
    QwenSpaceError,
    Rewritten,
    SpaceClient,
    TextDelta,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.config import SpaceLike, make_config

__all__ = ["DIFFERING", "PROMPT", "WAYS", "Got", "InWays", "asked_in"]

PROMPT = "What is a Space?"

_CHAT = [Turn("user", PROMPT)]
_MESSAGES = [ChatMessage(PROMPT)]

Said = tuple[str, str | None]  # the new text, and the whole reply where it is known


@dataclass
class Got:
    """The outcome of a call for its caller.

    Attributes:
        added: All that was streamed, put together.
        text: The whole reply, if it came to its end.
        error: The error that was raised, if any.
    """

    added: str = ""
    text: str | None = None
    error: QwenSpaceError | None = None

    def take(self, said: Said) -> None:
        piece, text = said
        self.added += piece
        self.text = self.text if text is None else text


def _blocking(ask: Callable[..., Iterator[Said]]) -> Callable[..., Got]:
    def call(url: SpaceLike, **options: Any) -> Got:
        got = Got()
        try:
            for said in ask(url, **options):
                got.take(said)
        except QwenSpaceError as exc:
            got.error = exc
        return got

    return call


def _asynchronous(ask: Callable[..., AsyncIterator[Said]]) -> Callable[..., Got]:
    async def read(url: SpaceLike, **options: Any) -> Got:
        got = Got()
        try:
            async for said in ask(url, **options):
                got.take(said)
        except QwenSpaceError as exc:
            got.error = exc
        return got

    return lambda url, **options: asyncio.run(read(url, **options))


# The core


def _of_event(event: Event) -> Said:
    match event:
        case TextDelta() | Rewritten():
            return event.delta, None
        case Completed():
            return "", event.text
    return "", None


async def _client_stream(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    async with SpaceClient(url, **options) as client, client.stream(PROMPT) as events:
        async for event in events:
            yield _of_event(event)


async def _client_complete(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    async with SpaceClient(url, **options) as client:
        yield "", (await client.complete(PROMPT)).text


def _space_iterate(url: SpaceLike, **options: Any) -> Iterator[Said]:
    return map(_of_event, Space.from_config(make_config(url, **options)).stream_chat(_CHAT))


def _space_complete(url: SpaceLike, **options: Any) -> Iterator[Said]:
    yield "", Space.from_config(make_config(url, **options)).chat(_CHAT).text


# LangChain


def _of_chunk(chunk: AIMessage, added: str) -> Said:
    """Return a chunk's text; the last has metadata, and in them the text where it changed."""
    metadata = chunk.response_metadata
    return chunk.text, metadata.get("final_text", added) if "finish_reason" in metadata else None


def _langchain_stream(url: SpaceLike, **options: Any) -> Iterator[Said]:
    added = ""
    for chunk in ChatQwenSpace(space=url, **options).stream(PROMPT):
        added += chunk.text
        yield _of_chunk(chunk, added)


async def _langchain_astream(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    added = ""
    async for chunk in ChatQwenSpace(space=url, **options).astream(PROMPT):
        added += chunk.text
        yield _of_chunk(chunk, added)


def _langchain_invoke(url: SpaceLike, **options: Any) -> Iterator[Said]:
    yield "", ChatQwenSpace(space=url, **options).invoke(PROMPT).text


async def _langchain_ainvoke(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    yield "", (await ChatQwenSpace(space=url, **options).ainvoke(PROMPT)).text


# LlamaIndex


def _of_response(response: ChatResponse) -> Said:
    """Return a chunk's text; the last has `raw`, and the server's final text."""
    text = response.message.content or ""
    return response.delta or "", None if response.raw is None else text


def _llama_index_stream_chat(url: SpaceLike, **options: Any) -> Iterator[Said]:
    return map(_of_response, QwenSpace(space=url, **options).stream_chat(_MESSAGES))


async def _llama_index_astream_chat(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    async for response in await QwenSpace(space=url, **options).astream_chat(_MESSAGES):
        yield _of_response(response)


def _llama_index_chat(url: SpaceLike, **options: Any) -> Iterator[Said]:
    yield _of_response(QwenSpace(space=url, **options).chat(_MESSAGES))


async def _llama_index_achat(url: SpaceLike, **options: Any) -> AsyncIterator[Said]:
    yield _of_response(await QwenSpace(space=url, **options).achat(_MESSAGES))


WAYS: dict[str, Callable[..., Got]] = {
    "core-stream": _asynchronous(_client_stream),
    "core-complete": _asynchronous(_client_complete),
    "core-sync-iterate": _blocking(_space_iterate),
    "core-sync-complete": _blocking(_space_complete),
    "langchain-stream": _blocking(_langchain_stream),
    "langchain-astream": _asynchronous(_langchain_astream),
    "langchain-invoke": _blocking(_langchain_invoke),
    "langchain-ainvoke": _asynchronous(_langchain_ainvoke),
    "llama-index-stream_chat": _blocking(_llama_index_stream_chat),
    "llama-index-astream_chat": _asynchronous(_llama_index_astream_chat),
    "llama-index-chat": _blocking(_llama_index_chat),
    "llama-index-achat": _asynchronous(_llama_index_achat),
}


# The paths that can differ once an answer is wrong below the client: events read in a loop, a
# blocking stream that the bridge carries and LangChain's errors, a whole reply for LlamaIndex.
DIFFERING = ("core-stream", "langchain-stream", "llama-index-achat")

InWays = Callable[..., None]


def asked_in(ways: Sequence[str]) -> InWays:
    """Return a function that asks in some ways at once, and fails if any fails, saying which."""

    def ask_in_each(ask: Callable[[str], None], at_once: int = 12) -> None:
        with ThreadPoolExecutor(at_once) as pool:
            asked = {way: pool.submit(ask, way) for way in ways}

        failed = {way: error for way, each in asked.items() if (error := each.exception())}
        assert not failed, "\n\n".join(
            f"{way}: {''.join(traceback.format_exception(error))}" for way, error in failed.items()
        )

    return ask_in_each
