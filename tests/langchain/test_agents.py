"""Agents with tools, against a Space that answers as an obedient model."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, SummarizationMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from tests.obedient import obedient
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

QUESTION = {"messages": [("human", "What is 2 + 2?")]}
LAST = "That is 5, as the tool said."


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Sum(BaseModel):
    """A sum."""

    total: int


@pytest.fixture
def model(space: ScriptedSpace) -> ChatQwenSpace:
    space.engine.reply = obedient()
    return ChatQwenSpace(space=space.url)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("history", ["split", "native"])
async def test_an_agent_calls_its_tool_and_answers(
    space: ScriptedSpace, model: ChatQwenSpace, way: str, history: str
) -> None:
    model = model.model_copy(update={"history": history})
    agent: Any = create_agent(model, tools=[add], system_prompt="Be exact.")

    if way == "invoke":
        state = await asyncio.to_thread(agent.invoke, QUESTION)
    else:
        state = await agent.ainvoke(QUESTION)

    _, called, result, last = state["messages"]
    assert isinstance(called, AIMessage)
    assert isinstance(result, ToolMessage)
    assert [call["args"] for call in called.tool_calls] == [{"a": 2, "b": 2}]
    assert (result.content, result.tool_call_id) == ("4", called.tool_calls[0]["id"])
    assert last.text == LAST
    assert space.joins[0]["data"][2].startswith("Be exact.\n\n# Tools")
    assert "<tool_response>\n4\n</tool_response>" in space.joins[1]["data"][0]


def test_the_result_of_an_invalid_call_goes_back_in_the_order_of_the_calls(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    invalid = "<tool_call>\nadd(2, 2\n</tool_call>"
    space.engine.reply = in_turn(f"{tool_call('add', a=2, b=2)}\n{invalid}", "It is 4.")

    state = create_agent(model, tools=[add]).invoke(QUESTION)

    calls, responses = space.transcript(1).split("User: ", 2)[1:]
    assert calls.index("add(2, 2") < calls.index('"name": "add"')
    assert responses.index("could not be executed") < responses.index("\n4\n")
    assert state["messages"][-1].text == "It is 4."


async def test_an_agent_streams_texts_and_calls(model: ChatQwenSpace) -> None:
    agent: Any = create_agent(model, tools=[add])

    chunks = [
        message
        async for message, metadata in agent.astream(QUESTION, stream_mode="messages")
        if metadata["langgraph_node"] == "model"
    ]

    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    said = "".join(chunk.text for chunk in chunks)
    assert said == f"I will ask a tool.{LAST}"
    assert len([chunk for chunk in chunks if chunk.text]) > 10
    parts = [part for chunk in chunks for part in chunk.tool_call_chunks]
    assert [(part["name"], part["args"]) for part in parts] == [("add", '{"a": 2, "b": 2}')]


async def test_events_of_an_agent_have_each_token_once(model: ChatQwenSpace) -> None:
    agent: Any = create_agent(model, tools=[add])

    events = [event async for event in agent.astream_events(QUESTION, version="v2")]

    streamed = [
        event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"
    ]
    assert "".join(streamed) == f"I will ask a tool.{LAST}"
    assert [event["name"] for event in events if event["event"] == "on_tool_start"] == ["add"]


@pytest.mark.parametrize(
    "response_format",
    [
        pytest.param(Sum, id="class"),
        pytest.param(ToolStrategy(Sum), id="tool-strategy"),
    ],
)
def test_an_agent_gives_an_object(model: ChatQwenSpace, response_format: Any) -> None:
    agent: Any = create_agent(model, response_format=response_format)

    state = agent.invoke({"messages": [("human", "What is 4?")]})

    assert state["structured_response"] == Sum(total=4)


@pytest.mark.parametrize("last", ['{"total": 4}', '```json\n{"total": 4}\n```'])
def test_an_agent_with_tools_gives_the_object_that_the_model_writes_without_a_call(
    space: ScriptedSpace, model: ChatQwenSpace, last: str
) -> None:
    space.engine.reply = in_turn(tool_call("add", a=2, b=2), last)
    agent: Any = create_agent(model, tools=[add], response_format=ToolStrategy(Sum))

    assert agent.invoke(QUESTION)["structured_response"] == Sum(total=4)


def test_an_agent_that_relies_on_the_provider_gives_an_object_where_the_model_writes_only_that(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = in_turn("It is four.", 'Here:\n```json\n{"total": 4}\n```')
    agent: Any = create_agent(model, response_format=ProviderStrategy(Sum))

    state = agent.invoke({"messages": [("human", "What is 4?")]})

    assert state["structured_response"] == Sum(total=4)
    assert json.loads(state["messages"][-1].text) == {"total": 4}
    assert "JSON schema" in space.joins[0]["data"][0]
    assert "There is no JSON in the reply" in space.joins[1]["data"][0]


def test_an_agent_goes_on_after_a_retry(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = in_turn([ValueError("the app broke")], tool_call("add", a=2, b=2), LAST)
    retry = ModelRetryMiddleware(initial_delay=0, on_failure="error")
    agent: Any = create_agent(model, tools=[add], middleware=[retry])

    state = agent.invoke(QUESTION)

    assert state["messages"][-1].text == LAST
    assert len(space.joins) == 3


def test_an_agent_with_a_memory_is_summarized(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    summaries = SummarizationMiddleware(
        ChatQwenSpace(space=space.url), trigger=("messages", 5), keep=("messages", 2)
    )
    agent: Any = create_agent(
        model, tools=[add], middleware=[summaries], checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "1"}}

    for _ in range(3):
        state = agent.invoke(QUESTION, thread)

    first, *_, last = state["messages"]
    assert "summary" in first.text
    assert last.text == LAST
    assert len(state["messages"]) < 9


async def test_a_graph_of_ones_own_calls_tools(model: ChatQwenSpace) -> None:
    bound = model.bind_tools([add])

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", tools_condition)
    builder.add_edge("tools", "ask")

    state = await builder.compile().ainvoke(QUESTION)  # type: ignore[arg-type]

    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    assert state["messages"][-1].text == LAST
