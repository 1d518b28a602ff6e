"""Ways to call the LLM, and to look at the outcome, for all its tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher

from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance.base import Limiter, Listener


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
    listener = Listener(seen=[])
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(listener)
    yield Books(listener.seen)
    dispatcher.event_handlers.remove(listener)
