"""LangGraph's packages, against a Space that answers by script."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_handoff_tool, create_swarm

from langchain_qwen_space import ChatQwenSpace
from tests.obedient import obedient
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers

QUESTION = {"messages": [("human", "What is 2 + 2?")]}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# deepagents


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_a_deep_agent_writes_a_file_reads_it_and_answers(
    space: ScriptedSpace, way: str
) -> None:
    space.engine.reply = in_turn(
        tool_call("write_file", file_path="/sum.txt", content="2 + 2 = 4"),
        tool_call("read_file", file_path="/sum.txt"),
        "It is 4.",
    )
    agent: Any = create_deep_agent(model=ChatQwenSpace(space=space.url), tools=[add])

    if way == "ainvoke":
        state = await agent.ainvoke(QUESTION)
    else:
        async for state in agent.astream(QUESTION, stream_mode="values"):  # noqa: B007
            pass

    assert "2 + 2 = 4" in str(state["files"]["/sum.txt"])
    assert state["messages"][-1].text == "It is 4."


async def test_a_deep_agent_s_sub_agent_answers_for_it(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(
        tool_call("task", description="Add 2 and 2", subagent_type="adder"),
        tool_call("add", a=2, b=2),
        "The sum is 4.",
        "The adder says 4.",
    )
    adder: Any = {
        "name": "adder",
        "description": "Adds numbers.",
        "system_prompt": "Add.",
        "tools": [add],
    }
    agent: Any = create_deep_agent(model=ChatQwenSpace(space=space.url), subagents=[adder])

    state = await agent.ainvoke(QUESTION)

    results = [each.text for each in state["messages"] if isinstance(each, ToolMessage)]
    assert results == ["The sum is 4."]
    assert state["messages"][-1].text == "The adder says 4."


# Several agents


def test_a_supervisor_hands_over_and_gets_the_answer(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(
        tool_call("transfer_to_adder"),
        tool_call("add", a=2, b=2),
        "The sum is 4.",
        "The answer is 4.",
    )
    model = ChatQwenSpace(space=space.url)
    adder: Any = create_agent(model, tools=[add], name="adder")
    team = create_supervisor([adder], model=model, prompt="Lead.").compile()

    state = team.invoke(QUESTION)

    assert state["messages"][-1].text == "The answer is 4."
    assert [each.name for each in state["messages"] if isinstance(each, AIMessage)].count("adder")


async def test_a_swarm_hands_over_and_stays_there(space: ScriptedSpace, tmp_path: Path) -> None:
    space.engine.reply = in_turn(tool_call("transfer_to_bob"), "Bob here.", "Still Bob.")
    model = ChatQwenSpace(space=space.url)
    hand_over = [create_handoff_tool(agent_name="bob")]
    alice: Any = create_agent(model, tools=hand_over, name="alice")
    bob: Any = create_agent(model, tools=[add], name="bob")
    config: Any = {"configurable": {"thread_id": "1"}}

    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        swarm = create_swarm([alice, bob], default_active_agent="alice").compile(saver)
        first = await swarm.ainvoke(QUESTION, config)
        second = await swarm.ainvoke({"messages": [("human", "Who are you?")]}, config)

    assert first["messages"][-1].text == "Bob here."
    assert second["messages"][-1].text == "Still Bob."


# Checkpoints in a file


def test_a_thread_goes_on_from_a_file(space: ScriptedSpace, tmp_path: Path) -> None:
    space.engine.reply = obedient()
    config: Any = {"configurable": {"thread_id": "1"}}

    def agent(saver: SqliteSaver) -> Any:
        return create_agent(ChatQwenSpace(space=space.url), tools=[add], checkpointer=saver)

    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        first = agent(saver).invoke(QUESTION, config)
    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        second = agent(saver).invoke({"messages": [("human", "And 3 + 3?")]}, config)

    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert len(second["messages"]) == 2 * len(first["messages"])


# A caller who leaves


async def test_leaving_a_graph_s_stream_stops_the_job(space: ScriptedSpace) -> None:
    space.engine.reply = ["word "] * 1000
    space.engine.delay = 0.01
    model = ChatQwenSpace(space=space.url)

    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node(node).add_edge(START, "node").compile()

    stream: Any = graph.astream(QUESTION, stream_mode="messages")
    async with contextlib.aclosing(stream):
        async for _ in stream:
            break

    await asyncio.to_thread(space.engine.wait_idle)  # the loop may have a generator to close
    assert (space.engine.finished, space.engine.cancelled) == (0, 1)
