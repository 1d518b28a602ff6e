"""No asynchronous call stops its caller's loop.

Time that the loop's thread spends computing is measured in the thread's own CPU time, which does
not depend on the machine's other work; a blocking wait in it is an error at once, in all tests.
A loop also stops where another thread holds the interpreter. That is measured in the first call of
a process, and in CPU time as well. `tokens.load()` comes before it, as tiktoken holds the
interpreter while it is loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance.tools import ADD

LIMIT = 0.020  # seconds
LONG = "All the words of a long question. " * 1_600


class Words(BaseModel):
    words: str


async def read(stream: Awaitable[Any]) -> None:
    async for _ in await stream:
        pass


CALLS: dict[str, Callable[[QwenSpace], Awaitable[Any]]] = {
    "achat": lambda llm: llm.achat([ChatMessage(LONG)]),
    "acomplete": lambda llm: llm.acomplete(LONG),
    "astream_chat": lambda llm: read(llm.astream_chat([ChatMessage(LONG)])),
    "astream_complete": lambda llm: read(llm.astream_complete(LONG)),
    "achat_with_tools": lambda llm: llm.achat_with_tools([ADD], LONG),
    "astream_chat_with_tools": lambda llm: read(llm.astream_chat_with_tools([ADD], LONG)),
    "astructured_predict": lambda llm: llm.astructured_predict(Words, PromptTemplate(LONG)),
    "astream_structured_predict": lambda llm: read(
        llm.astream_structured_predict(Words, PromptTemplate(LONG))
    ),
}


async def longest_stop(work: Awaitable[Any]) -> float:
    """Return the longest time, in seconds, for which the loop computed without a pause."""
    stops: list[float] = []

    async def beat() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            stops.append(now - last)
            last = now

    gc.collect()
    gc.disable()  # a collection of all that LlamaIndex has imported is no part of the call
    heart = asyncio.create_task(beat())
    try:
        await work
    finally:
        gc.enable()
        heart.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await heart
    return max(stops)


@pytest.mark.parametrize("name", CALLS)
async def test_an_async_call_leaves_the_loop_free(space: Any, name: str) -> None:
    space.engine.reply = ['{"words": "', *["word "] * 80, '"}']
    llm = QwenSpace(space=space.url, context_window=50_000)

    stop = await longest_stop(CALLS[name](llm))

    assert stop < LIMIT
    assert len(space.joins) == 1


FIRST_CALL = """
import asyncio
import sys
import threading
from llama_index.core.base.llms.types import ChatMessage
from qwen_space import tokens
from tests.llama_index.test_event_loop import LONG, Holds, QwenSpace, longest_stop

tokens.load()
holds = Holds()
threading.setprofile(holds)
llm = QwenSpace(space=sys.argv[1], context_window=50_000)
print(asyncio.run(longest_stop(llm.achat([ChatMessage(LONG)]))), holds.longest)
"""


class Holds(threading.local):
    """The longest time, in seconds, for which a thread computes without a turn for others.

    Called by Python before and after each function, those in C too, between which Python gives
    other threads their turn. Some in C give it themselves. To compile a module is no part of a
    call: it is done once, when a package is installed or first imported.
    """

    longest = 0.0
    passed_over = frozenset({"set_default_verify_paths", "compile"})  # the former of TLS contexts

    def __init__(self) -> None:
        self._last = time.thread_time()

    def __call__(self, frame: object, event: str, function: Any) -> None:
        if event != "c_return" or function.__name__ not in self.passed_over:
            Holds.longest = max(Holds.longest, time.thread_time() - self._last)
        self._last = time.thread_time()


@pytest.mark.processes
def test_the_first_call_of_a_process_leaves_the_loop_free(space: Any) -> None:
    command = [sys.executable, "-c", FIRST_CALL, space.url]

    for _ in range(4):  # the least of several, as others use the machine too
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        stop, hold = map(float, done.stdout.split())
        if stop < LIMIT and hold < LIMIT:
            break

    assert stop < LIMIT
    assert 0 < hold < LIMIT, hold
