"""Callbacks and traces: a reply's tokens, the place in the queue, the end of a call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    get_usage_metadata_callback,
)
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from langchain_qwen_space import ChatQwenSpace
from qwen_space.events import Completed, Notice, Queued, Rewritten, Started, TextDelta
from tests.langchain.events import model_of

if TYPE_CHECKING:
    from conftest import ScriptedSpace


# Tokens


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(token)


class AsyncTokens(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(token)


def test_a_callback_sees_each_token_once_and_before_the_caller(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["one ", "two"]
    space.engine.delay = 0.02
    handler = Tokens()

    seen = [len(handler.tokens) for _ in model.stream("Hi", config={"callbacks": [handler]})]

    assert "".join(handler.tokens) == "one two"
    assert seen == [1, 2, 3]


async def test_an_async_callback_sees_each_token_once(model: ChatQwenSpace) -> None:
    handler = AsyncTokens()

    async for _ in model.astream("Hi", config={"callbacks": [handler]}):
        pass

    assert "".join(handler.tokens) == "Hello there."


@pytest.mark.parametrize("streaming", [True, False])
async def test_streaming_makes_invoke_tell_the_callbacks(
    space: ScriptedSpace, streaming: bool
) -> None:
    handler = Tokens()
    model = ChatQwenSpace(space=space.url, streaming=streaming, callbacks=[handler])

    answer = await model.ainvoke("Hi")

    assert answer.text == "Hello there."
    assert "".join(handler.tokens) == ("Hello there." if streaming else "")


# The queue


class Custom(BaseCallbackHandler):
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


class AsyncCustom(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_chain_s_callbacks_learn_of_the_queue(model: ChatQwenSpace, way: str) -> None:
    chain = ChatPromptTemplate.from_template("{word}") | model | StrOutputParser()
    handler = Custom()
    config: Any = {"callbacks": [handler]}

    if way == "invoke":
        chain.invoke({"word": "Hi"}, config)
    else:
        list(chain.stream({"word": "Hi"}, config))

    names = [name for name, _ in handler.events]
    assert names == ["qwen_space_queued", "qwen_space_started"]
    assert handler.events[0][1].keys() == {"rank", "queue_size", "eta"}
    assert handler.events[1][1].keys() == {"eta"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="contexts do not reach tasks before 3.11")
@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_a_chain_s_async_callbacks_learn_of_the_queue(model: ChatQwenSpace, way: str) -> None:
    chain = ChatPromptTemplate.from_template("{word}") | model | StrOutputParser()
    handler = AsyncCustom()
    config: Any = {"callbacks": [handler]}

    if way == "ainvoke":
        await chain.ainvoke({"word": "Hi"}, config)
    else:
        _ = [piece async for piece in chain.astream({"word": "Hi"}, config)]

    assert [name for name, _ in handler.events] == ["qwen_space_queued", "qwen_space_started"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="contexts do not reach tasks before 3.11")
async def test_events_tell_the_place_in_the_queue(model: ChatQwenSpace) -> None:
    async def ask(word: str) -> str:
        return (await model.ainvoke(word)).text

    events = [event async for event in RunnableLambda(ask).astream_events("Hi", version="v2")]

    custom = [event for event in events if event["event"] == "on_custom_event"]
    assert [event["name"] for event in custom] == ["qwen_space_queued", "qwen_space_started"]
    assert custom[0]["data"]["rank"] == 0


async def test_a_model_outside_a_chain_dispatches_no_events(model: ChatQwenSpace) -> None:
    handler = Custom()
    config: Any = {"callbacks": [handler]}

    answer = await model.ainvoke("Hi", config)
    chunks = [chunk async for chunk in model.astream("Hi", config)]

    assert handler.events == []
    for metadata in (answer.response_metadata, chunks[-1].response_metadata):
        assert metadata["queue"].keys() == {"rank", "queue_size", "eta_ms", "waited_ms"}


def test_the_metadata_hold_the_first_place_in_the_queue() -> None:
    before = [Queued(3, 4, 12.5), Queued(1, 2, 5.0), Started(2.0), Notice("Hello")]

    answer = model_of([*before, Completed("", 1.0)]).invoke("Hi")

    queue = answer.response_metadata["queue"]
    waited = queue.pop("waited_ms")
    assert queue == {"rank": 3, "queue_size": 4, "eta_ms": 12500}
    assert waited >= 0


@pytest.mark.parametrize("streaming", [False, True])
def test_a_graph_s_custom_stream_has_the_queue(model: ChatQwenSpace, streaming: bool) -> None:
    def ask(state: MessagesState) -> dict[str, Any]:
        if streaming:
            return {"messages": [AIMessage(str([chunk.text for chunk in model.stream("Hi")]))]}
        return {"messages": [model.invoke("Hi")]}

    graph: Any = StateGraph(MessagesState).add_node(ask).add_edge(START, "ask").compile()

    written = list(graph.stream({"messages": []}, stream_mode="custom"))

    assert [name for each in written for name in each] == [
        "qwen_space_queued",
        "qwen_space_started",
    ]


# Traces


class Traced(BaseCallbackHandler):
    """Keeps the result that a tracer is given at the end of a call."""

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.asked_model = kwargs["invocation_params"]["model"]
        self.versions = kwargs["metadata"]["lc_versions"]

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        [[self.generation]] = response.generations


@pytest.mark.parametrize("streaming", [False, True])
def test_a_trace_has_the_final_text_and_the_reason_for_the_end(streaming: bool) -> None:
    reply = "The answer."
    model = model_of(
        [TextDelta("Thinking..."), Rewritten(reply, reply), Completed(reply, 1.0, model="72B")],
        streaming=streaming,
    )
    tracer = Traced()

    model.invoke("Hi", {"callbacks": [tracer]})

    assert tracer.generation.text == reply
    assert tracer.generation.message.text == reply
    assert tracer.generation.generation_info["finish_reason"] == "stop"
    assert tracer.generation.message.response_metadata["model_name"] == "Qwen2.5-72B-Instruct"


def test_a_model_has_one_name_everywhere(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, model="7B")
    name = "Qwen2.5-7B-Instruct"
    tracer = Traced()

    with get_usage_metadata_callback() as usage:
        answer = model.invoke("Hi", {"callbacks": [tracer]})

    assert tracer.asked_model == name  # OpenLLMetry's `gen_ai.request.model`
    assert answer.response_metadata["model_name"] == name
    assert model.profile is not None
    assert model.profile["name"] == name
    assert model._get_ls_params()["ls_model_name"] == name
    assert list(usage.usage_metadata) == [name]


def test_a_trace_names_the_versions_of_langchain_too(model: ChatQwenSpace) -> None:
    tracer = Traced()

    model.invoke("Hi", {"callbacks": [tracer]})

    assert {"langchain-core", "qwen-space"} <= tracer.versions.keys()


def test_langsmith_learns_provider_model_and_stop(model: ChatQwenSpace) -> None:
    params = model._get_ls_params(stop=["x"], model="7B", temperature=0.5)

    assert params["ls_provider"] == "qwen-space"
    assert params["ls_model_name"] == "Qwen2.5-7B-Instruct"
    assert params["ls_temperature"] == 0.5
    assert params["ls_stop"] == ["x"]
    assert model._llm_type == "chat-qwen-space"
