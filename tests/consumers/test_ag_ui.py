"""AG-UI's events of an agent of each framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ag_ui.core import EventType, RunAgentInput, UserMessage
from ag_ui_langgraph import LangGraphAgent
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from llama_index.core.tools import FunctionTool
from llama_index.protocols.ag_ui.agent import AGUIChatWorkflow

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asked() -> RunAgentInput:
    return RunAgentInput(
        thread_id="1",
        run_id="1",
        state={},
        messages=[UserMessage(id="1", role="user", content="What is 2 + 2?")],
        tools=[],
        context=[],
        forwarded_props={},
    )


def judge(events: list[Any]) -> None:
    """Fail unless the call and the answer came as events, each once.

    LangGraph's package has an event for each start; LlamaIndex's has chunks alone.
    """
    said = {EventType.TEXT_MESSAGE_CONTENT, EventType.TEXT_MESSAGE_CHUNK}
    called = {EventType.TOOL_CALL_START, EventType.TOOL_CALL_CHUNK}
    assert EventType.RUN_ERROR not in [each.type for each in events]
    assert [each.tool_call_name for each in events if each.type in called] == ["add"]
    assert "".join(each.delta for each in events if each.type in said) == "It is 4."


async def test_a_langchain_agent_s_events(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(tool_call("add", a=2, b=2), "It is 4.")
    model = ChatQwenSpace(space=space.url)
    graph: Any = create_agent(model, tools=[tool(add)], checkpointer=InMemorySaver())
    agent = LangGraphAgent(name="adder", graph=graph)

    events = [event async for event in agent.run(asked())]

    judge(events)


async def test_a_llama_index_agent_s_events(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(tool_call("add", a=2, b=2), "It is 4.")
    llm = QwenSpace(space=space.url)
    workflow = AGUIChatWorkflow(llm=llm, backend_tools=[FunctionTool.from_defaults(add)])

    handler = workflow.run(input_data=asked())
    events = [event async for event in handler.stream_events()]
    await handler

    judge([event for event in events if hasattr(event, "type")])
