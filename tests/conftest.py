"""The local Space that all tests share, and which answers by script; the rules of all tests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

from qwen_space.local import LocalSpace, ScriptedEngine
from tests import gradio_app, light_gradio, thinking_app
from tests import media_app as media_apps
from tests.loops import LOOPS

# The same examples in each run: a failure is of the change at hand. How long they take is the
# machine's affair.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "search", settings.get_profile("repeatable"), derandomize=False, max_examples=2000
)
settings.load_profile("repeatable")

light_gradio.write_no_stubs()

# Their assertions show values too; pytest sees to that by itself in a file of tests only.
pytest.register_assert_rewrite(
    "tests.core.api.served", "tests.fuzz.stream", "tests.llama_index.conformance"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-loop", action="store_true", help="run each asynchronous test on every event loop"
    )
    parser.addoption(
        "--rewrite-outputs",
        action="store_true",
        help="write the outputs of examples into the pages",
    )


def pytest_configure() -> None:
    # A shell lets what it runs in the background ignore it, and each child does so too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector rest: looks at all that is imported are a second, and find none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that a test runs on: asyncio's, unless it or the command asks for more."""
    if config.getoption("--every-loop"):
        return LOOPS
    is_marked = item.get_closest_marker("every_loop") is not None
    names = ["asyncio", "uvloop"] if is_marked else ["asyncio"]
    return {name: LOOPS[name] for name in names if name in LOOPS}


@dataclass
class ScriptedSpace:
    """A local Space whose next replies a test writes down.

    Attributes:
        url: Where it answers.
        engine: The scripted engine; set its `reply`, `delay` or `gate`.
        joins: The bodies that were posted to `/queue/join`, in order.
        paths: The paths of all requests, in order.
        headers: The headers of all requests, in order, with names in lower case.
    """

    url: str
    engine: ScriptedEngine
    joins: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def transcript(self, index: int) -> str:
        """Return the chat of a request as split into its prompt, whichever way it came."""
        prompt, rows, *_ = self.joins[index]["data"]
        if not rows:
            return str(prompt)
        said = [(row["role"].title(), row["content"]) for row in rows]
        texts = [(role, each if isinstance(each, str) else each[0]["text"]) for role, each in said]
        return "\n".join(f"{role}: {text}" for role, text in [*texts, ("User", prompt)]) + (
            "\nAssistant:"
        )

    def reset(self) -> None:
        self.engine.reply = ["Hello", " ", "there", "."]
        self.engine.delay = 0.0
        self.engine.gate = None
        self.engine.requests.clear()
        self.engine.finished = self.engine.failed = self.engine.cancelled = 0
        self.joins.clear()
        self.paths.clear()
        self.headers.clear()


class Recorder:
    """ASGI middleware that records the app's requests."""

    def __init__(self) -> None:
        self.space: ScriptedSpace | None = None

    def __call__(self, app: Any) -> Any:
        async def recording(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or self.space is None:
                await app(scope, receive, send)
                return
            self.space.paths.append(scope["path"])
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.space.headers.append(headers)
            body = bytearray()

            async def tee() -> Any:
                message = await receive()
                body.extend(message.get("body", b""))
                if message["type"] == "http.request" and not message.get("more_body"):
                    self._note(scope["path"], bytes(body))
                return message

            await app(scope, tee, send)

        return recording

    def _note(self, path: str, body: bytes) -> None:
        if path.endswith("/queue/join") and self.space is not None:
            self.space.joins.append(json.loads(body))


@pytest.fixture(scope="session", autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Fail a call that blocks an event loop on our side: in the client and in the adapters.

    Our own loop for blocking callers is one of those. The servers of the tests live in this
    process too, and may block as Gradio does.
    """
    guard = BlockBuster(
        ["qwen_space", "langchain_qwen_space", "llama_index_qwen_space"],
        excluded_modules=["qwen_space.local"],
    )
    # A blocking call in a running loop, as in a notebook, wants to wait.
    blocking = {
        "qwen_space/chat_model/bridge.py": {"run_sync", "iterate_sync"},
        "qwen_space/chat_model/call.py": {"complete", "stream"},
        "qwen_space/chat_model/schema.py": {"_validator"},  # the first imports jsonschema
        "langchain_qwen_space/chat_models.py": {"get_num_tokens"},
        # LlamaIndex itself waits for a thread in `aquery`.
        "qwen_space/cli/demo.py": {"_queried"},
        # LlamaIndex reads its tokenizer's file, where no earlier test had it do so.
        "llama_index/core/memory/memory.py": {"from_defaults"},
    }
    for function in guard.functions.values():
        for file, calls in blocking.items():
            function.can_block_in(file, calls)
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _whole_heap(_no_blocking_calls: None) -> Iterator[None]:
    """Look once more, at the end, at what `_small_heap` has put aside while it was in use."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # pytest collects again after this


@pytest.fixture(scope="module", autouse=True)
def _small_heap(_whole_heap: None) -> None:
    """Keep the garbage collector from all that is imported and kept, half a second each time.

    Many tests collect, to see that nothing is left open. A module leaves reports, caches and
    imports behind, which the next one's tests would walk through.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _light_gradio() -> Iterator[None]:
    """Make Gradio light as the first local Space starts, and no sooner: that imports it."""
    build = LocalSpace._build

    def build_lightly(self: LocalSpace) -> Any:
        light_gradio.lighten()
        return build(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalSpace, "_build", build_lightly)
        yield


@pytest.fixture
def llama_index_loop() -> Iterator[None]:
    """The event loop that LlamaIndex would make for blocking callers, and never close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session")
def _running_space() -> Iterator[ScriptedSpace]:
    recorder = Recorder()
    engine = ScriptedEngine([])
    with LocalSpace(engine, middleware=[recorder], allowed_hosts=["space.test"]) as running:
        recorder.space = ScriptedSpace(running.url, engine)
        yield recorder.space


@pytest.fixture
def space(_running_space: ScriptedSpace) -> Iterator[ScriptedSpace]:
    """A Space that answers "Hello there." until a test sets `space.engine.reply`.

    A stream that a test leaves open fails that test.
    """
    _running_space.reset()
    yield _running_space
    _running_space.engine.wait_idle()


@pytest.fixture(scope="session")
def thinking_space() -> Iterator[str]:
    """The address of an app that thinks, and answers, as the prompt says."""
    with gradio_app.running(thinking_app.build) as url:
        yield url


@pytest.fixture(scope="module")
def media_app() -> Iterator[media_apps.MediaApp]:
    """Return the address of an app that takes media, by its kind, which runs for the module."""
    with contextlib.ExitStack() as stack:
        found: dict[str, str] = {}

        def address(kind: str) -> str:
            if kind not in found:
                found[kind] = stack.enter_context(
                    gradio_app.running(lambda: media_apps.build(kind))
                )
            return found[kind]

        yield address
