"""The measured work: one reply read to its end, by each client.

A case is a context manager that makes the client, as a program does once, and gives the function
that reads one reply and returns its text. It takes the server's address with a plan and, where each
piece counts, a function that is told of it; without one nothing but the reading is measured.
Nothing of a client is imported before it is asked for.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

__all__ = ["ASYNC", "SYNC", "OnPiece", "Read", "ReadNow"]

OnPiece = Callable[[str], object]
Read = Callable[..., Awaitable[str]]
ReadNow = Callable[..., str]

PROMPT = "Hello"

_APPENDED = re.compile(rb'"append", ?\[[^\]]*\], ?"([^"]*)"')


# Without a framework


@contextlib.asynccontextmanager
async def floor() -> AsyncIterator[Read]:
    """Read the same bytes by the same requests, a session for all, and drop them."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def read(url: str, on_piece: OnPiece | None = None) -> str:
            queue = f"{url}/gradio_api/queue"
            async with session.post(f"{queue}/join", json={"data": [PROMPT]}) as answer:
                await answer.json()
            params = {"session_hash": "0"}
            async with session.get(f"{queue}/data", params=params, timeout=None) as answer:
                async for chunk in answer.content.iter_any():
                    if on_piece is not None:
                        for piece in _APPENDED.findall(chunk):
                            on_piece(piece.decode())
            return ""

        yield read


@contextlib.asynccontextmanager
async def space_client() -> AsyncIterator[Read]:
    from qwen_space import SpaceClient, TextDelta

    clients: dict[str, SpaceClient] = {}

    async def read(url: str, on_piece: OnPiece | None = None) -> str:
        if url not in clients:
            clients[url] = await stack.enter_async_context(SpaceClient(url))
        async with clients[url].stream(PROMPT) as events:
            if on_piece is None:
                pieces = [event.delta async for event in events if isinstance(event, TextDelta)]
                return "".join(pieces)
            pieces = []
            async for event in events:
                if isinstance(event, TextDelta):
                    pieces.append(event.delta)
                    on_piece(event.delta)
        return "".join(pieces)

    async with contextlib.AsyncExitStack() as stack:
        yield read


@contextlib.contextmanager
def gradio_client() -> Iterator[ReadNow]:
    from gradio_client import Client

    clients: dict[str, Client] = {}

    def read(url: str) -> str:
        if url not in clients:
            clients[url] = Client(url, verbose=False, analytics_enabled=False)
        job = clients[url].submit(PROMPT, [], "", "72B", api_name="/model_chat_1")
        for _ in job:
            pass
        text: str = job.result()[1][-1]["content"][0]["text"]
        return text

    yield read


# LangChain


def _langchain_without_io(url: str) -> Any:
    from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk

    from benchmarks.frames import tokens

    pieces = tokens(int(url.rsplit("/", 1)[1].split("-")[1]))

    class Silent(BaseChatModel):
        """Has its tokens already."""

        @property
        def _llm_type(self) -> str:
            return "silent"

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            return generate_from_stream(self._stream())

        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            for piece in pieces:
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            for piece in pieces:
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    return Silent()


def chat_ollama(url: str) -> Any:
    from langchain_ollama import ChatOllama

    return ChatOllama(model="qwen", base_url=url)


def chat_openai(url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="qwen", base_url=f"{url}/v1", api_key="none", stream_usage=False)


def chat_qwen_space(url: str) -> Any:
    from langchain_qwen_space import ChatQwenSpace

    return ChatQwenSpace(space=url)


def _once(make: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that makes a model at the first call for its address, in any thread."""
    lock, models = threading.Lock(), dict[str, Any]()

    def model_of(url: str) -> Any:
        with lock:
            if url not in models:
                models[url] = make(url)
            return models[url]

    return model_of


def _astream(make: Callable[[str], Any]) -> Callable[[], Any]:
    @contextlib.asynccontextmanager
    async def case() -> AsyncIterator[Read]:
        model_of = _once(make)

        async def read(url: str, on_piece: OnPiece | None = None) -> str:
            if on_piece is None:
                return "".join([chunk.content async for chunk in model_of(url).astream(PROMPT)])
            pieces = []
            async for chunk in model_of(url).astream(PROMPT):
                pieces.append(chunk.content)
                on_piece(chunk.content)
            return "".join(pieces)

        yield read

    return case


def _stream(make: Callable[[str], Any]) -> Callable[[], Any]:
    @contextlib.contextmanager
    def case() -> Iterator[ReadNow]:
        model_of = _once(make)

        def read(url: str, on_piece: OnPiece | None = None) -> str:
            if on_piece is None:
                return "".join([chunk.content for chunk in model_of(url).stream(PROMPT)])
            pieces = []
            for chunk in model_of(url).stream(PROMPT):
                pieces.append(chunk.content)
                on_piece(chunk.content)
            return "".join(pieces)

        yield read

    return case


# LlamaIndex


def _llama_index_without_io(url: str) -> Any:
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
    from llama_index.core.llms import CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_chat_callback

    from benchmarks.frames import tokens

    pieces = tokens(int(url.rsplit("/", 1)[1].split("-")[1]))

    def responses() -> Iterator[ChatResponse]:
        text = ""
        for piece in pieces:
            text += piece
            message = ChatMessage(role="assistant", content=text)
            yield ChatResponse(message=message, delta=piece)

    class Silent(CustomLLM):
        """Has its tokens already."""

        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata()

        def complete(self, *args: Any, **kwargs: Any) -> Any:
            return CompletionResponse(text="".join(pieces))

        def stream_complete(self, *args: Any, **kwargs: Any) -> Any:
            return (
                CompletionResponse(text=each.message.content or "", delta=each.delta)
                for each in responses()
            )

        @llm_chat_callback()
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            return responses()

        @llm_chat_callback()
        async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
            async def stream() -> AsyncIterator[ChatResponse]:
                for response in responses():
                    yield response

            return stream()

    return Silent()


def ollama(url: str) -> Any:
    from llama_index.llms.ollama import Ollama

    return Ollama(model="qwen", base_url=url, context_window=32768)


def openai_like(url: str) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(model="qwen", api_base=f"{url}/v1", api_key="none", is_chat_model=True)


def qwen_space(url: str) -> Any:
    from llama_index_qwen_space import QwenSpace

    return QwenSpace(space=url)


def _astream_chat(make: Callable[[str], Any]) -> Callable[[], Any]:
    @contextlib.asynccontextmanager
    async def case() -> AsyncIterator[Read]:
        from llama_index.core.llms import ChatMessage

        model_of = _once(make)

        async def read(url: str, on_piece: OnPiece | None = None) -> str:
            stream = await model_of(url).astream_chat([ChatMessage(role="user", content=PROMPT)])
            if on_piece is None:
                return "".join([chunk.delta or "" async for chunk in stream])
            pieces = []
            async for chunk in stream:
                pieces.append(chunk.delta or "")
                on_piece(chunk.delta or "")
            return "".join(pieces)

        yield read

    return case


def _stream_chat(make: Callable[[str], Any]) -> Callable[[], Any]:
    @contextlib.contextmanager
    def case() -> Iterator[ReadNow]:
        from llama_index.core.llms import ChatMessage

        model_of = _once(make)

        def read(url: str, on_piece: OnPiece | None = None) -> str:
            stream = model_of(url).stream_chat([ChatMessage(role="user", content=PROMPT)])
            if on_piece is None:
                return "".join([chunk.delta or "" for chunk in stream])
            pieces = []
            for chunk in stream:
                pieces.append(chunk.delta or "")
                on_piece(chunk.delta or "")
            return "".join(pieces)

        yield read

    return case


_LANGCHAIN = {
    "without I/O": _langchain_without_io,
    "ChatOllama": chat_ollama,
    "ChatOpenAI": chat_openai,
    "ChatQwenSpace": chat_qwen_space,
}
_LLAMA_INDEX = {
    "without I/O": _llama_index_without_io,
    "Ollama": ollama,
    "OpenAILike": openai_like,
    "QwenSpace": qwen_space,
}

ASYNC: dict[str, Callable[[], Any]] = {
    "floor": floor,
    "SpaceClient": space_client,
    **{f"LangChain astream: {name}": _astream(make) for name, make in _LANGCHAIN.items()},
    **{
        f"LlamaIndex astream_chat: {name}": _astream_chat(each)
        for name, each in _LLAMA_INDEX.items()
    },
}
"""Cases whose read is a coroutine function."""

SYNC: dict[str, Callable[[], Any]] = {
    "gradio_client": gradio_client,
    **{f"LangChain stream: {name}": _stream(make) for name, make in _LANGCHAIN.items()},
    **{
        f"LlamaIndex stream_chat: {name}": _stream_chat(each) for name, each in _LLAMA_INDEX.items()
    },
}
"""Cases whose read is a function."""
