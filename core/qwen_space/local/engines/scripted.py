"""An engine that answers by script, for tests that compare text to the letter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from qwen_space.local.engines.base import Output, Sampling
from qwen_space.local.errors import EngineError

__all__ = ["Script", "ScriptedEngine"]

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Item: TypeAlias = "Output | BaseException"
Script: TypeAlias = "Sequence[Item] | Callable[[Messages], Iterable[Item]]"


class ScriptedEngine:
    """Answers every request with given pieces, and counts the ends of its streams.

    The counts may be read from any thread. The script's own code runs in the Space's event loop
    and must not block; to hold pieces back, use `gate`.

    Args:
        reply: The pieces, or a function that makes them of the messages: text, `Thinking`,
            `Finished`. Where an exception stands in place of a piece, the reply fails, and the
            client is shown its class and message, as a careless app would.
        delay: Seconds before each piece.
        gate: One permit is taken for each item of the reply, and waited for if need be: a test
            lets the reply go on with `gate.release()`.
        slots: How many replies may run at once.
        takes: The kinds of media that the Space takes then.

    Attributes:
        requests: The messages of each request, in order.
        samplings: The options of each request, in order.
        running: Streams that are open now.
        finished: Streams that came to the end of their script.
        failed: Streams that ended with an exception of the script.
        cancelled: Streams that were closed or cancelled before their end.
    """

    name = "a script"

    def __init__(
        self,
        reply: Script,
        *,
        delay: float = 0.0,
        gate: threading.Semaphore | None = None,
        slots: int = 32,
        takes: Iterable[str] = (),
    ) -> None:
        self.reply = reply
        self.takes = frozenset(takes)
        self.delay = delay
        self.gate = gate
        self.slots = slots
        self.requests: list[list[dict[str, Any]]] = []
        self.samplings: list[Sampling] = []
        self.running = self.finished = self.failed = self.cancelled = 0
        self._changed = threading.Condition()

    def start(self) -> None:
        """Do nothing: a script is always ready."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    async def stream(
        self, messages: Messages, sampling: Sampling | None = None
    ) -> AsyncGenerator[Output, None]:
        """Yield the script's pieces."""
        with self._counted(messages, sampling):
            for item in self._items(messages):
                await self._pause()
                if isinstance(item, BaseException):
                    raise _as_shown(item)
                yield item

    def wait_until(
        self, condition: Callable[[ScriptedEngine], bool], timeout: float = 10.0
    ) -> None:
        """Block until `condition(self)` holds; it is looked at whenever a count changes.

        Raises:
            TimeoutError: It did not come to hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"After {timeout:g} seconds: {self!r}")

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Block until no stream is open.

        Raises:
            TimeoutError: One still was.
        """
        self.wait_until(lambda engine: engine.running == 0, timeout)

    def __repr__(self) -> str:
        counts = ("running", "finished", "failed", "cancelled")
        said = ", ".join(f"{name}={getattr(self, name)}" for name in counts)
        return f"ScriptedEngine({said}, requests={len(self.requests)})"

    def _items(self, messages: Messages) -> Iterable[Item]:
        return self.reply(messages) if callable(self.reply) else self.reply

    async def _pause(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        # Polled, for a thread that waits for the permit could not be cancelled.
        while self.gate is not None and not self.gate.acquire(blocking=False):  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    @contextmanager
    def _counted(self, messages: Messages, sampling: Sampling | None) -> Iterator[None]:
        self.samplings.append(sampling or Sampling())
        self._count(running=1, request=[dict(message) for message in messages])
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self._count(running=-1, cancelled=1)
            raise
        except BaseException:
            self._count(running=-1, failed=1)
            raise
        else:
            self._count(running=-1, finished=1)

    def _count(
        self,
        *,
        request: list[dict[str, Any]] | None = None,
        running: int = 0,
        finished: int = 0,
        failed: int = 0,
        cancelled: int = 0,
    ) -> None:
        with self._changed:
            if request is not None:
                self.requests.append(request)
            self.running += running
            self.finished += finished
            self.failed += failed
            self.cancelled += cancelled
            self._changed.notify_all()


def _as_shown(exc: BaseException) -> BaseException:
    if isinstance(exc, EngineError) or not isinstance(exc, Exception):
        return exc
    return EngineError(f"{type(exc).__name__}: {exc}")
