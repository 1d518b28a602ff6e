"""The server that an LLM stands in front of, and the fixtures of all duties."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import LLM

PIECES = ["Hello", " ", "there", "."]
PATIENCE = 20.0  # seconds after which a server that is held back goes on by itself


class Server(Protocol):
    """A model that answers by script; `qwen_space.local.ScriptedEngine` is one.

    Attributes:
        reply: The pieces of all replies, or a function that makes them of the messages.
        gate: Each piece takes a permit of it, where there is one.
        requests: The messages of each request so far, with `role` and `content`.
        running: How many replies are on their way.
        cancelled: How many were given up by the one who asked.
    """

    reply: Any
    gate: threading.Semaphore | None
    requests: list[list[dict[str, Any]]]
    running: int
    cancelled: int

    def wait_until(self, condition: Callable[[Any], bool], timeout: float = ...) -> None:
        """Block until a condition on the server holds, or raise TimeoutError."""


def said_to(server: Server, role: str, request: int = 0) -> str:
    """Return a role's text in a request."""
    said = [each["content"] for each in server.requests[request] if each["role"] == role]
    return "\n".join(str(each) for each in said)


class Listener(BaseEventHandler):
    """Keeps all events."""

    seen: list[Any]

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.seen.append(event)


class Limiter:
    """Lets everything through and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.count += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.count += 1


class Conformance:
    """The parts that a subclass of `LLMConformance` gives, and fixtures that watch the LLM."""

    secret: dict[str, Any] = {}  # noqa: RUF012 - a constant
    takes_images = False

    @pytest.fixture
    def server(self) -> Server:
        raise NotImplementedError("Give the server that the LLM stands in front of.")

    @pytest.fixture
    def make(self, server: Server) -> Callable[..., LLM]:
        raise NotImplementedError("Give a function that makes the LLM.")

    @pytest.fixture
    def llm(self, make: Callable[..., LLM]) -> LLM:
        return make()

    @pytest.fixture(autouse=True)
    def _replies(self, server: Server) -> None:
        server.reply = PIECES

    @pytest.fixture
    def listener(self) -> Iterator[Listener]:
        listener = Listener(seen=[])
        dispatcher = get_dispatcher()
        dispatcher.add_event_handler(listener)
        yield listener
        dispatcher.event_handlers.remove(listener)

    @pytest.fixture
    def spans(self) -> Iterator[SimpleSpanHandler]:
        handler = SimpleSpanHandler()
        dispatcher = get_dispatcher()
        dispatcher.add_span_handler(handler)
        yield handler
        dispatcher.span_handlers.remove(handler)

    @contextlib.contextmanager
    def held(self, server: Server, pieces: int = 0) -> Iterator[threading.Semaphore]:
        """Hold the replies back after so many pieces; `release` lets more go.

        They go by themselves in the end, so that an LLM which blocks fails and does not hang.
        """
        server.gate = gate = threading.Semaphore(pieces)
        timer = threading.Timer(PATIENCE, lambda: gate.release(10_000))
        timer.start()
        try:
            yield gate
        finally:
            timer.cancel()
            gate.release(10_000)
            server.wait_until(lambda each: each.running == 0)
            server.gate = None
