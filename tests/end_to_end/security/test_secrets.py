"""The secrets of a call: nothing that a run emits has them, and one origin alone gets them.

Each way to ask runs through each course that a call can take, with everything listening that can
listen. All that is heard is searched.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import pickle
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import SpaceClient, SpaceConfig, Timeouts
from qwen_space.chat_model.space import Space
from tests.end_to_end.faults.acts import ALL, BEGUN, GRADIO, JOINED, ONE, REPLY, app
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import CUT, END, HANG, http, sse
from tests.end_to_end.faults.ways import WAYS, Got, asked_in
from tests.llama_index.conformance.base import Listener
from tests.scripted_server import ScriptedServer, status

in_all_ways = asked_in(tuple(WAYS))  # each has objects and traces of its own

TOKEN = "hf_tokenofthesetests"
PASSWORD = "passwordofthesetests"
HEADER = "headerofthesetests"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
SECRETS = TOKEN, PASSWORD, HEADER, BASIC

OPTIONS: dict[str, Any] = {"hf_token": TOKEN, "headers": {"X-Key": HEADER}, "max_retries": 1}


# Everything that listens


class Runs(BaseTracer):
    """A LangChain tracer that keeps its runs, as LangSmith's sends them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(run)


@dataclass
class Heard:
    """All output of a call.

    Attributes:
        texts: All of it, as text.
        runs: LangChain's traces.
    """

    texts: list[str] = field(default_factory=list)
    runs: Runs = field(default_factory=Runs)

    def options(self, way: str) -> dict[str, Any]:
        """Return the arguments that make a way's framework listen too."""
        if way.startswith("langchain"):
            return {"callbacks": [self.runs]}
        if way.startswith("llama-index"):
            handler = LlamaDebugHandler(print_trace_on_end=True)
            self._handlers.append(handler)
            return {"callback_manager": CallbackManager([handler])}
        return {}

    def __post_init__(self) -> None:
        self._handlers: list[LlamaDebugHandler] = []

    def take_handlers(self) -> None:
        self.texts += [f"{run!r}{run.dict()}" for run in self.runs.seen]
        for handler in self._handlers:
            self.texts += [repr(vars(each)) for each in handler.get_events()]

    def take_error(self, error: BaseException) -> None:
        """Take an error with all that hangs on it, as tools for errors send it away."""
        self.texts += [repr(error), str(error), f"{error}", repr(error.__dict__)]
        self.texts += [repr(pickle.dumps(error)), repr(pickle.loads(pickle.dumps(error)))]
        self.texts += traceback.TracebackException.from_exception(error).format()
        for each in chain(error):
            self.texts += [repr(each), str(each), repr(each.args), repr(vars(each))]

    def secrets(self) -> list[str]:
        """Return the texts that have a secret in them."""
        return [text for text in self.texts if any(secret in text for secret in SECRETS)]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, even where they are not to be shown."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Heard]:
    """Listen to everything; at the end nothing of it may have a secret."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    heard = Heard()
    events, spans = Listener(seen=[]), SimpleSpanHandler()
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    with _logs(heard.texts), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield heard
        heard.take_handlers()
    dispatcher.event_handlers.remove(events)
    dispatcher.span_handlers.remove(spans)
    heard.texts += [f"{each.message!r}{each}" for each in warned]
    heard.texts += [f"{event!r}{event.model_dump()}" for event in events.seen]
    heard.texts += [f"{span!r}" for span in (*spans.completed_spans, *spans.dropped_spans)]
    heard.texts += capfd.readouterr()

    assert len(heard.texts) > 10
    assert heard.secrets() == []


@contextlib.contextmanager
def _logs(texts: list[str]) -> Iterator[None]:
    """Record all loggers, aiohttp's and asyncio's too, with all that a record holds."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(f"{self.format(record)}{vars(record)}")

    handler = Handler()
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    levels = [(each, each.level) for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for each, level in levels:
            each.setLevel(level)


# The courses of a call. Those of the second server are another origin.


@dataclass(frozen=True)
class Course:
    """A Space's acts, and the call's end.

    Attributes:
        ends: The error's name; None for a reply.
        config, join, data: The Space's answers; `{other}` is another origin.
        options: The caller's options.
    """

    ends: str | None
    config: Any = (GRADIO,)
    join: Any = (JOINED,)
    data: Any = tuple(sse(*REPLY, END))
    options: dict[str, Any] = field(default_factory=dict)

    def server(self, other: str = "") -> ScriptedServer:
        scripts = (
            [
                each.replace(b"{other}", other.encode()) if isinstance(each, bytes) else each
                for each in script
            ]
            for script in (self.config, self.join, self.data)
        )
        config, join, data = scripts
        return app(data, config=config, join=join)


AWAY = (http(307, "", Location="{other}/config"),)

COURSES = {
    "success": Course(None),
    "refusal": Course("AuthenticationError", join=(http(401, {"detail": "no"}),)),
    "failure": Course("SpaceStatusError", join=(http(500, "<p>failed</p>"),)),
    "no-json": Course("ProtocolError", join=(http(200, "no JSON"),)),
    "no-http": Course("ProtocolError", join=(b"no HTTP\r\n\r\n", CUT)),
    "broken": Course("StreamInterruptedError", data=tuple(sse(*BEGUN, ONE, CUT))),
    "late": Course(
        "SpaceTimeoutError",
        data=tuple(sse(*BEGUN, ONE, HANG)),
        options={"timeouts": Timeouts(silence=0.5)},
    ),
    "config-is-elsewhere": Course("SpaceStatusError", config=AWAY),
    "join-is-elsewhere": Course("SpaceStatusError", join=AWAY),
    "stream-is-elsewhere": Course("SpaceStatusError", data=AWAY),
}


@pytest.mark.parametrize("course", [pytest.param(COURSES[name], id=name) for name in COURSES])
def test_no_secret_is_heard_of_a_call_and_the_space_alone_gets_them(
    serve: Serve, heard: Heard, course: Course
) -> None:
    def ask(way: str) -> None:
        with serve(ScriptedServer()) as other, serve(course.server(other.url)) as server:
            got = call(heard, way, server.url, course.options)
            assert name_of(got) == course.ends
            assert other.exchanges == []
            assert server.exchanges
            assert all(map(is_kept_to_headers, server.exchanges))

    in_all_ways(ask)


def call(heard: Heard, way: str, url: str, options: dict[str, Any]) -> Got:
    got = WAYS[way](url, **OPTIONS, **options, **heard.options(way))
    heard.texts.append(repr(got))
    if got.error is not None:
        heard.take_error(got.error)
        assert leaking_locals(got.error) == []
    return got


def leaking_locals(error: BaseException) -> list[str]:
    """Return the local variables whose `repr` has a secret, of all frames but the callers' own."""
    return [
        f"{frame.filename}:{frame.lineno} {name} = {value}"
        for each in chain(error)
        for frame in traceback.StackSummary.extract(
            traceback.walk_tb(each.__traceback__), capture_locals=True
        )
        if "/tests/" not in frame.filename
        for name, value in (frame.locals or {}).items()
        if any(each in value for each in (TOKEN, HEADER, PASSWORD, BASIC))
    ]


def name_of(got: Got) -> str | None:
    """Return the name of the core's class of an error; LangChain's are subclasses."""
    if got.error is None:
        assert got.text == ALL
        return None
    kinds = [kind for kind in type(got.error).__mro__ if kind.__module__ == "qwen_space.errors"]
    return kinds[0].__name__


def is_kept_to_headers(exchange: Any) -> bool:
    """Whether a request has the secrets in the headers that they are for, and nowhere else."""
    headers = dict(exchange.headers)
    sent = headers.pop("x-hf-authorization"), headers.pop("x-key")
    rest = f"{exchange.method}{exchange.target}{headers}{exchange.body!r}"
    return sent == (f"Bearer {TOKEN}", HEADER) and not any(each in rest for each in SECRETS)


@pytest.mark.parametrize("space", ["http://space.example", "https://space.example"])
def test_no_password_is_heard_of_a_proxy_that_refuses(
    serve: Serve, heard: Heard, space: str
) -> None:
    def ask(way: str) -> None:
        proxy = ScriptedServer(others={"443": status(407)})  # the path of `CONNECT name:443`
        proxy.config = proxy.join = proxy.data = status(407)
        with serve(proxy):
            address = proxy.url.replace("http://", f"http://user:{PASSWORD}@")
            got = call(heard, way, space, {"proxy": address})
            assert name_of(got) == "SpaceUnreachableError"
            assert proxy.exchanges
            for each in proxy.exchanges:
                assert each.headers["proxy-authorization"] == f"Basic {BASIC}"
                if space.startswith("https"):  # then the proxy cannot read the traffic
                    assert (each.method, TOKEN in str(each)) == ("CONNECT", False)

    in_all_ways(ask)


def test_no_password_is_heard_of_a_proxy_that_is_not_there(
    heard: Heard, unused_tcp_port: int
) -> None:
    def ask(way: str) -> None:
        address = f"http://user:{PASSWORD}@127.0.0.1:{unused_tcp_port}"
        got = call(heard, way, "http://space.example", {"proxy": address})
        assert name_of(got) == "SpaceUnreachableError"

    in_all_ways(ask)


# The objects

MADE = {**OPTIONS, "proxy": f"http://user:{PASSWORD}@127.0.0.1:1"}

OBJECTS = {
    "SpaceConfig": lambda: SpaceConfig(**MADE),
    "SpaceClient": lambda: SpaceClient(**MADE),
    "Space": lambda: Space.from_config(SpaceConfig(**MADE)),
    "ChatQwenSpace": lambda: ChatQwenSpace(**MADE),
    "QwenSpace": lambda: QwenSpace(**MADE),
}
SHOWN = {
    "repr": repr,
    "str": str,
    "format": format,
    "percent": lambda each: "%s %r" % (each, each),  # noqa: UP031 - as loggers do
    "in-a-list": lambda each: repr([{"model": each}]),
}
DUMPED = {
    "ChatQwenSpace": {
        "dumps": dumps,
        "dumpd": dumpd,
        "json": lambda model: model.model_dump_json(),
        "identifying-params": lambda model: model._identifying_params,
        "langsmith-params": lambda model: model._get_ls_params(),
        "cache-key": lambda model: model._get_llm_string(),
        "graph": lambda model: model.bind(stop="x").get_graph().to_json(),
        "pickle": pickle.dumps,
        "dict": lambda model: model.asdict(),
    },
    "QwenSpace": {
        "to_dict": lambda llm: llm.to_dict(),
        "to_json": lambda llm: llm.to_json(),
        "to_payload": lambda llm: llm.to_payload(),
        "metadata": lambda llm: llm.metadata,
        "json": lambda llm: llm.model_dump_json(),
        "pickle": pickle.dumps,
    },
    "SpaceConfig": {"pickle": pickle.dumps},
}


@pytest.mark.parametrize(
    ("name", "show"),
    [pytest.param(name, SHOWN[way], id=f"{name}-{way}") for name in OBJECTS for way in SHOWN]
    + [
        pytest.param(name, show, id=f"{name}-{way}")
        for name, ways in DUMPED.items()
        for way, show in ways.items()
    ],
)
def test_no_object_shows_a_secret(name: str, show: Any) -> None:
    shown = str(show(OBJECTS[name]()))

    assert not any(secret in shown for secret in SECRETS)
