"""`qwen-space demo`: a Space's answers, streamed through LangChain and through LlamaIndex."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from qwen_space.cli.extra import require_modules
from qwen_space.cli.serve import add_engine_options, end_on_sigterm, make_space, port, wait_for_end
from qwen_space.cli.waiting import waiting
from qwen_space.config import SpaceConfig, Timeouts
from qwen_space.events import Notice, Queued, Started

__all__ = ["add_demo"]

CHAIN_QUESTION = "Why does a chat feel quicker when the answer is streamed?"
PAGES_QUESTION = "What happens on the server when a stream is left early?"

_FRAMEWORKS = ("langchain_core", "llama_index.core", "bm25s")

_PATIENT = Timeouts(connect=60.0, first_token=None, silence=600.0)  # the machine may be slow


def add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    demo = commands.add_parser(
        "demo",
        help="stream answers through LangChain and LlamaIndex, from a Space of your own",
        description="Start a Space of your own on this machine, and stream one answer through "
        "LangChain and one through LlamaIndex.",
    )
    demo.add_argument("--space", metavar="URL", help="ask this Space instead of a local one")
    demo.add_argument("--keep", action="store_true", help="leave the local Space running")
    demo.add_argument("--port", type=port, default=0, help="of the local Space (default: any)")
    add_engine_options(demo, max_tokens=200)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    require_modules("The demo", "all", *_FRAMEWORKS)
    if options.space is not None:
        _show_both(options.space)
        return
    end_on_sigterm()
    with waiting("the model, and its engine to load", _say):
        space = make_space(options)
    with contextlib.ExitStack() as stack:
        with waiting(f"Gradio to load, and to start with {space.engine.name}", _say):
            stack.enter_context(space)
        _show_both(space.url, space.engine.name)
        if options.keep:
            _say(f"\nThe Space goes on at {space.url} (Ctrl-C stops it)")
            wait_for_end()
    _say("\nThe Space has stopped. --keep leaves it running, to chat on its page.")


def _show_both(space: str, model: str | None = None) -> None:
    """Show both frameworks on one Space."""
    _say(f"Space     {SpaceConfig(space=space).url}  (open it in a browser: its page)")
    _say(f"Model     {model or 'that of the Space'}")
    _title("LangChain", "prompt | ChatQwenSpace() | StrOutputParser(), with astream()")
    with waiting("LangChain to load", _say):
        chain = _chain(space)
    asyncio.run(_show(CHAIN_QUESTION, chain.astream({"question": CHAIN_QUESTION})))
    _title("LlamaIndex", "a streaming query engine over these docs, with QwenSpace()")
    with waiting("LlamaIndex to load, and the pages to be indexed", _say):
        engine = _query_engine(space)
    sources: list[Any] = []
    asyncio.run(_show(PAGES_QUESTION, _queried(engine, sources)))
    for source in sources:
        _say(f"Source    {source.metadata['page']} ({source.score:.2f}): {_start_of(source.text)}")


def _chain(space: str) -> Any:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from langchain_qwen_space import ChatQwenSpace

    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer in two short sentences."), ("human", "{question}")]
    )
    return prompt | ChatQwenSpace(space=space, timeouts=_PATIENT) | StrOutputParser()


def _query_engine(space: str) -> Any:
    from llama_index_qwen_space import QwenSpace
    from qwen_space.cli.demo_pages import make_query_engine

    return make_query_engine(QwenSpace(space=space, timeouts=_PATIENT))


async def _queried(engine: Any, sources: list[Any]) -> AsyncIterator[str]:
    response = await engine.aquery(PAGES_QUESTION)
    sources.extend(response.source_nodes)
    async for piece in response.async_response_gen():
        yield piece


async def _show(question: str, answer: AsyncIterator[str]) -> None:
    """Print a question, the queue, the answer as it streams, and its speed."""
    _say(f"Question  {question}")
    with _queue_shown(), waiting("the first token", _say) as end_of_wait:
        start = time.monotonic()
        times = []
        async for piece in answer:
            if piece:
                end_of_wait()
                times.append(time.monotonic())
                print(piece, end="", flush=True)
    print()
    _say(_speed(start, times))


def _speed(start: float, times: list[float]) -> str:
    if not times:
        return "(an empty answer)"
    span = times[-1] - times[0]
    rate = f", then {(len(times) - 1) / span:.0f} tokens/s" if span else ""
    return f"({len(times)} tokens; the first after {times[0] - start:.2f} s{rate})"


@contextlib.contextmanager
def _queue_shown() -> Iterator[None]:
    """Print the queue's state while inside: the client logs it."""
    logger = logging.getLogger("qwen_space.client")
    handler, level = _QueuePrinter(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _QueuePrinter(logging.Handler):
    """Prints the events of the queue."""

    def emit(self, record: logging.LogRecord) -> None:
        match getattr(record, "space_event", None):
            case Queued(rank=rank, eta=eta):
                wait = "" if eta is None else f", about {eta:.0f} s to wait"
                _say(f"Queue     {'next' if not rank else f'{rank} in front'}{wait}")
            case Started():
                _say("Queue     started")
            case Notice(message=message):
                _say(f"Notice    {message}")


def _start_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _title(name: str, subject: str) -> None:
    print(f"\n== {name}: {subject}\n", flush=True)


def _say(line: str) -> None:
    print(line, flush=True)
