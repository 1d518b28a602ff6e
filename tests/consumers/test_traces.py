"""Traces as the instrumentation of each framework exports them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tracers import LangChainTracer
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from langsmith import Client
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.instrumentation.langchain import LangchainInstrumentor as LLMetryLangChain
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as LLMetryLlamaIndex
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.replies import tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers

NAME = "Qwen2.5-72B-Instruct"


class Spans(SpanProcessor):
    """Keeps the spans that have ended, and counts those that are open."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []
        self.open = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.open -= 1
        self.ended.append(span)

    def only(self) -> tuple[StatusCode, dict[str, Any]]:
        """Return the status and the attributes of the only span."""
        [span] = self.ended
        assert self.open == 0
        return span.status.status_code, dict(span.attributes or {})


@contextlib.contextmanager
def instrumented(*instrumentors: Any) -> Iterator[Spans]:
    """Have packages export their spans, and give those."""
    spans, provider = Spans(), TracerProvider()
    provider.add_span_processor(spans)
    for each in instrumentors:
        each.instrument(tracer_provider=provider)
    yield spans
    for each in instrumentors:
        each.uninstrument()
    provider.shutdown()


@pytest.fixture
def spans() -> Iterator[Spans]:
    """OpenInference's spans, which Arize Phoenix shows."""
    with instrumented(LlamaIndexInstrumentor(), LangChainInstrumentor()) as spans:
        yield spans


@pytest.fixture(scope="module")
def openllmetry() -> Iterator[Spans]:
    with instrumented(LLMetryLangChain(), LLMetryLlamaIndex()) as spans:
        yield spans  # it instruments LangChain once in a process


@pytest.fixture
def gen_ai_spans(openllmetry: Spans) -> Spans:
    """OpenLLMetry's spans, by OpenTelemetry's conventions."""
    openllmetry.ended.clear()
    openllmetry.open = 0  # it never ends the spans of streams that are left, of any LLM
    return openllmetry


def check(spans: Spans, text: str) -> None:
    """Check that one whole call was exported."""
    status, attributes = spans.only()
    assert status is StatusCode.OK
    assert attributes["openinference.span.kind"] == "LLM"
    assert attributes["llm.model_name"] == NAME
    assert attributes["llm.finish_reason"] == "stop"
    assert attributes["llm.token_count.completion"] > 0
    assert text in attributes["output.value"]


def check_gen_ai(spans: Spans, text: str) -> None:
    """Check that one whole call was exported, by OpenTelemetry's conventions."""
    _, attributes = spans.only()
    assert attributes["gen_ai.request.model"] == attributes["gen_ai.response.model"] == NAME
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.usage.output_tokens"] > 0
    assert text in attributes["gen_ai.output.messages"]


# LlamaIndex

Way = Callable[[QwenSpace], Any]


async def read(stream: Any) -> None:
    async for _ in await stream:
        pass


def messages() -> list[ChatMessage]:
    return [ChatMessage("Hi")]


ENDPOINTS: dict[str, Way] = {
    "chat": lambda llm: llm.chat(messages()),
    "achat": lambda llm: llm.achat(messages()),
    "stream_chat": lambda llm: list(llm.stream_chat(messages())),
    "astream_chat": lambda llm: read(llm.astream_chat(messages())),
    "complete": lambda llm: llm.complete("Hi"),
    "acomplete": lambda llm: llm.acomplete("Hi"),
    "stream_complete": lambda llm: list(llm.stream_complete("Hi")),
    "astream_complete": lambda llm: read(llm.astream_complete("Hi")),
}


async def run(way: Callable[[Any], Any], model: Any) -> None:
    done = await asyncio.to_thread(way, model)
    if asyncio.iscoroutine(done):
        await done


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_each_endpoint_is_one_span_that_ends(
    space: ScriptedSpace, spans: Spans, endpoint: str
) -> None:
    await run(ENDPOINTS[endpoint], QwenSpace(space=space.url, model="72B"))

    check(spans, "Hello there.")


# OpenLLMetry notes the model and the text of a completion, and no more.
@pytest.mark.parametrize("endpoint", ["chat", "achat", "stream_chat", "astream_chat"])
async def test_each_chat_is_one_span_of_openllmetry_s(
    space: ScriptedSpace, gen_ai_spans: Spans, endpoint: str
) -> None:
    llm = QwenSpace(space=space.url, model="72B")
    await llm.aload_metadata()  # a span has its model from its beginning

    await run(ENDPOINTS[endpoint], llm)

    check_gen_ai(gen_ai_spans, "Hello there.")


async def leave(stream: Any) -> None:
    opened = await stream
    await anext(opened)
    await opened.aclose()


def leave_sync(stream: Any) -> None:
    next(stream)
    stream.close()


LEFT: dict[str, Way] = {
    "stream_chat": lambda llm: leave_sync(llm.stream_chat(messages())),
    "astream_chat": lambda llm: leave(llm.astream_chat(messages())),
    "stream_complete": lambda llm: leave_sync(llm.stream_complete("Hi")),
    "astream_complete": lambda llm: leave(llm.astream_complete("Hi")),
}


@pytest.mark.parametrize("endpoint", LEFT)
async def test_the_span_of_a_stream_that_is_left_ends_too(
    space: ScriptedSpace, spans: Spans, endpoint: str
) -> None:
    await run(LEFT[endpoint], QwenSpace(space=space.url, model="72B"))

    assert spans.only()[0] is StatusCode.ERROR  # its generator was closed


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_span_of_a_call_that_fails_has_the_status_error(
    spans: Spans, endpoint: str
) -> None:
    llm = QwenSpace(space="http://127.0.0.1:9", max_retries=0)

    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        await run(ENDPOINTS[endpoint], llm)

    status, _ = spans.only()
    assert status is StatusCode.ERROR


class Person(BaseModel):
    age: int


def test_an_object_is_a_span_around_the_chat(space: ScriptedSpace, spans: Spans) -> None:
    space.engine.reply = ['{"age": 36}']

    QwenSpace(space=space.url, model="72B").structured_predict(Person, PromptTemplate("Who?"))

    inner, outer = spans.ended
    assert (inner.name, outer.name) == ("QwenSpace.chat", "QwenSpace.structured_predict")
    assert inner.parent == outer.context
    assert spans.open == 0


# LangChain


async def read_all(stream: Any) -> None:
    async for _ in stream:
        pass


WAYS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke("Hi"),
    "ainvoke": lambda model: model.ainvoke("Hi"),
    "stream": lambda model: list(model.stream("Hi")),
    "astream": lambda model: read_all(model.astream("Hi")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_is_one_span_that_ends(space: ScriptedSpace, spans: Spans, way: str) -> None:
    await run(WAYS[way], ChatQwenSpace(space=space.url, model="72B"))

    check(spans, "Hello there.")
    assert spans.only()[1]["llm.provider"] == "qwen-space"


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_is_one_span_of_openllmetry_s(
    space: ScriptedSpace, gen_ai_spans: Spans, way: str
) -> None:
    await run(WAYS[way], ChatQwenSpace(space=space.url, model=NAME))  # as it is given

    check_gen_ai(gen_ai_spans, "Hello there.")


KEYS = map("key-{}".format, itertools.count())  # Langfuse keeps one client for each


@pytest.fixture
def langfuse() -> Iterator[tuple[CallbackHandler, Spans]]:
    spans, provider = Spans(), TracerProvider()
    provider.add_span_processor(spans)
    key, exporter = next(KEYS), InMemorySpanExporter()
    client = Langfuse(
        public_key=key, secret_key="secret", tracer_provider=provider, span_exporter=exporter
    )
    yield CallbackHandler(public_key=key), spans
    client.shutdown()


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_is_one_generation_of_langfuse(
    space: ScriptedSpace, langfuse: tuple[CallbackHandler, Spans], way: str
) -> None:
    handler, spans = langfuse
    model = ChatQwenSpace(space=space.url, model="72B").with_config(callbacks=[handler])

    await run(WAYS[way], model)

    _, attributes = spans.only()
    assert attributes["langfuse.observation.model.name"] == NAME
    usage = json.loads(attributes["langfuse.observation.usage_details"])
    assert usage["total"] == usage["input"] + usage["output"] > 0
    assert "Hello there." in attributes["langfuse.observation.output"]


def test_a_span_has_the_tools_and_the_calls(space: ScriptedSpace, spans: Spans) -> None:
    space.engine.reply = [tool_call("Person", age=36)]

    ChatQwenSpace(space=space.url, model="72B").bind_tools([Person]).invoke("Who?")

    attributes = spans.only()[1]
    called = "llm.output_messages.0.message.tool_calls.0.tool_call.function"
    assert json.loads(attributes["llm.tools.0.tool.json_schema"])["function"]["name"] == "Person"
    assert attributes[f"{called}.name"] == "Person"
    assert json.loads(attributes[f"{called}.arguments"]) == {"age": 36}


async def test_the_span_of_an_async_stream_that_is_left_ends_too(
    space: ScriptedSpace, spans: Spans
) -> None:
    stream = ChatQwenSpace(space=space.url, model="72B").astream("Hi")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]

    assert spans.only()[0] is StatusCode.ERROR


class Answer:
    """A response of LangSmith's server."""

    status_code = 200
    text = "{}"

    def json(self) -> dict[str, Any]:
        return {}

    def raise_for_status(self) -> None:
        pass


class Session:
    """Keeps the requests of LangSmith's client."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **kwargs: Any) -> Answer:
        if body := kwargs.get("data"):
            self.runs.append(json.loads(body))
        return Answer()

    def mount(self, *args: Any) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("way", WAYS)
async def test_langsmith_gets_model_tokens_and_reply_and_no_secret(
    space: ScriptedSpace, way: str
) -> None:
    session: Any = Session()
    client = Client(
        api_url="http://127.0.0.1:1", api_key="key", session=session, auto_batch_tracing=False
    )
    model = ChatQwenSpace(
        space=space.url, model="72B", hf_token="hf_verysecret", headers={"x-key": "verysecret"}
    ).with_config(callbacks=[LangChainTracer(client=client)])

    await run(WAYS[way], model)

    begun, ended = session.runs
    metadata = begun["extra"]["metadata"]
    assert (metadata["ls_provider"], metadata["ls_model_name"]) == ("qwen-space", NAME)
    [[generation]] = ended["outputs"]["generations"]
    assert generation["text"] == "Hello there."
    assert generation["generation_info"]["finish_reason"] == "stop"
    usage = ended["extra"]["metadata"]["usage_metadata"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert "verysecret" not in json.dumps(session.runs)
