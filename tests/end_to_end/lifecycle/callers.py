"""Each way to ask a Space and to be told piece by piece, or at the end, by its name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import SpaceClient, SpaceConfig, TextDelta
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.provider import Qwen_Qwen_2_5

__all__ = ["ASYNC_STREAMS", "CALLS", "STREAMS", "KeepsErrors", "KeepsErrorsAsync"]

HI = [Turn("user", "Hi")]


def space(url: str) -> Space:
    return Space.from_config(SpaceConfig(space=url))


class KeepsErrors(BaseCallbackHandler):
    """Keeps errors, and so the traceback and its frames."""

    def __init__(self) -> None:
        self.kept: list[BaseException] = []

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.kept.append(error)


class KeepsErrorsAsync(AsyncCallbackHandler):
    """Does as `KeepsErrors`."""

    def __init__(self) -> None:
        self.kept: list[BaseException] = []

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.kept.append(error)


_kept: list[Any] = []  # handlers, for as long as the tests run


def langchain(url: str, *more: AsyncCallbackHandler) -> ChatQwenSpace:
    handlers: list[BaseCallbackHandler] = [KeepsErrors(), *more]
    _kept.extend(handlers)
    return ChatQwenSpace(space=url, callbacks=handlers)


def llama_index(url: str) -> QwenSpace:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    _kept.append(handler)
    return QwenSpace(space=url, callback_manager=CallbackManager([handler]))


# Asynchronous streams


async def _client_stream(url: str) -> AsyncGenerator[str, None]:
    async with SpaceClient(url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, TextDelta):
                yield event.delta


async def _space_stream(url: str) -> AsyncGenerator[str, None]:
    async with space(url).astream_chat(HI) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                yield event.delta


def _provider_stream(url: str) -> AsyncGenerator[str, None]:
    class Here(Qwen_Qwen_2_5):
        pass

    Here.url = url
    return Here.create_async_generator("qwen-2.5", [{"role": "user", "content": "Hi"}])


def _langchain_astream(url: str) -> Any:
    return langchain(url, KeepsErrorsAsync()).astream("Hi")


def _langchain_chain(url: str) -> Any:
    return (langchain(url) | StrOutputParser()).astream("Hi")


async def _langchain_events(url: str) -> AsyncGenerator[Any, None]:
    async for event in langchain(url).astream_events("Hi", version="v2"):
        if event["event"] == "on_chat_model_stream":
            yield event


async def _llama_index_astream(url: str) -> AsyncGenerator[Any, None]:
    async for chunk in await llama_index(url).astream_complete("Hi"):
        yield chunk


ASYNC_STREAMS: dict[str, Callable[[str], Any]] = {
    "client": _client_stream,
    "space": _space_stream,
    "provider": _provider_stream,
    "langchain": _langchain_astream,
    "langchain-chain": _langchain_chain,
    "langchain-events": _langchain_events,
    "llama-index": _llama_index_astream,
}


# Blocking streams: but for a chain of LangChain's, which reads its model to the end when it is left


def _space_iterate(url: str) -> Generator[str, None, None]:
    for event in space(url).stream_chat(HI):
        if isinstance(event, TextDelta):
            yield event.delta


def _langchain_stream(url: str) -> Any:
    return langchain(url).stream("Hi")


def _llama_index_stream(url: str) -> Any:
    return llama_index(url).stream_complete("Hi")


STREAMS: dict[str, Callable[[str], Any]] = {
    "space": _space_iterate,
    "langchain": _langchain_stream,
    "llama-index": _llama_index_stream,
}


# Whole replies


async def _client_complete(url: str) -> str:
    async with SpaceClient(url) as client:
        return (await client.complete("Hi")).text


async def _space_complete(url: str) -> str:
    return (await space(url).achat(HI)).text


async def _langchain_invoke(url: str) -> str:
    return str((await langchain(url, KeepsErrorsAsync()).ainvoke("Hi")).text)


async def _llama_index_complete(url: str) -> str:
    return (await llama_index(url).acomplete("Hi")).text


async def _read(stream: AsyncGenerator[Any, None]) -> str:
    return "".join([str(piece) async for piece in stream])


def _reading(stream: Callable[[str], Any]) -> Callable[[str], Awaitable[str]]:
    return lambda url: _read(stream(url))


CALLS: dict[str, Callable[[str], Awaitable[str]]] = {
    "client-complete": _client_complete,
    "space-complete": _space_complete,
    "langchain-invoke": _langchain_invoke,
    "llama-index-complete": _llama_index_complete,
    **{name: _reading(stream) for name, stream in ASYNC_STREAMS.items()},
}
