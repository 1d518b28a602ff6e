"""Ways to call the LLM, and to look at the outcome, for all its tests."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler

from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance.base import Limiter

Ask = Callable[..., Awaitable[list[Any]]]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QWEN_SPACE_URL", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def llm(space: Any) -> QwenSpace:
    return QwenSpace(space=space.url)


@pytest.fixture
def held(space: Any) -> Callable[[int], threading.Semaphore]:
    """Let the reply come by so many pieces only; more with `release()` of the gate returned."""

    def hold(pieces: int) -> threading.Semaphore:
        space.engine.gate = gate = threading.Semaphore(pieces)
        return gate

    return hold


@pytest.fixture
def ask() -> Ask:
    """Call an endpoint by its name and return all that it gives: one response, or the chunks."""
    return _ask


async def _ask(llm: QwenSpace, endpoint: str, given: Any = "Hi", **kwargs: Any) -> list[Any]:
    if "chat" in endpoint and isinstance(given, str):
        given = [ChatMessage(given)]
    result = getattr(llm, endpoint)(given, **kwargs)
    if endpoint.startswith("a"):
        result = await result
    if endpoint.startswith("astream"):
        return [chunk async for chunk in result]
    return list(result) if endpoint.startswith("stream") else [result]


class _Listener(BaseEventHandler):
    seen: list[Any]

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.seen.append(event)


@dataclass
class Books:
    """LlamaIndex's record of the calls."""

    events: list[Any]
    tokens: TokenCountingHandler = field(
        default_factory=lambda: TokenCountingHandler(tokenizer=str.split)
    )
    limiter: Limiter = field(default_factory=Limiter)

    def keep(self, llm: QwenSpace) -> QwenSpace:
        llm.callback_manager = CallbackManager([self.tokens])
        llm.rate_limiter = self.limiter
        return llm

    def named(self, end: str) -> list[Any]:
        return [event for event in self.events if event.class_name().endswith(end)]


@pytest.fixture
def books() -> Iterator[Books]:
    listener = _Listener(seen=[])
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(listener)
    yield Books(listener.seen)
    dispatcher.event_handlers.remove(listener)
