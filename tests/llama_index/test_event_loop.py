"""No asynchronous call stops its caller's loop.

Time that the loop's thread spends computing is measured in the thread's own CPU time, which does
not depend on what else the machine does; what would wait in it is an error at once, in all tests.
A loop also stops where another thread holds the interpreter. That is measured in the first call of
a process, which reads Qwen's vocabulary in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from operator import sub
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llama_index_qwen_space import QwenSpace

LIMIT = 0.020  # seconds
LONG = "All the words of a long question. " * 1_600


class Words(BaseModel):
    words: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = FunctionTool.from_defaults(add)


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


Clock = Callable[[], float]


async def longest_stop(work: Awaitable[Any], *clocks: Clock) -> float:
    """Return the longest time, in seconds, for which the loop did not turn.

    Args:
        work: What is awaited meanwhile.
        clocks: What to measure by, the shortest time of theirs; the CPU time of the loop's thread
            if none is given.
    """
    clocks = clocks or (time.thread_time,)
    stops: list[float] = []

    async def beat() -> None:
        last = [clock() for clock in clocks]
        while True:
            await asyncio.sleep(0.001)
            now = [clock() for clock in clocks]
            stops.append(min(map(sub, now, last)))
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
import asyncio, sys, time
from llama_index.core.base.llms.types import ChatMessage
from tests.llama_index.test_event_loop import LONG, QwenSpace, longest_stop
clocks = [getattr(time, name) for name in sys.argv[2:]]
llm = QwenSpace(space=sys.argv[1], context_window=50_000)
print(asyncio.run(longest_stop(llm.achat([ChatMessage(LONG)]), *clocks)))
"""


def first_call(space: Any, *clocks: str) -> float:
    command = [sys.executable, "-c", FIRST_CALL, space.url, *clocks]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_first_call_of_a_process_computes_nothing_long_in_the_loop(space: Any) -> None:
    assert first_call(space, "thread_time") < LIMIT


def test_in_the_first_call_of_a_process_no_thread_holds_the_interpreter(space: Any) -> None:
    # A hold passes on the clock, and the process computes. On a busy machine that is also so now
    # and then where threads take turns; a hold is there each time.
    assert any(first_call(space, "perf_counter", "process_time") < LIMIT for _ in range(5))
