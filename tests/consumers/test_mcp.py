"""Tools of an MCP server over stdio, through each framework's own package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers

SERVER = str(Path(__file__).with_name("mcp_server.py"))
QUESTION = "How warm is it in Paris and in Oslo?"
ANSWER = "Paris has 5 degrees, Oslo has 4."


@pytest.fixture
def space(space: ScriptedSpace) -> ScriptedSpace:
    space.engine.reply = in_turn(tool_call("temperatures", cities=["Paris", "Oslo"]), ANSWER)
    return space


def told(space: ScriptedSpace) -> str:
    """Return the tool's result as the model read it."""
    prompt = space.engine.requests[-1][-1]["content"]
    return prompt.split("<tool_response>\n")[-1].split("\n</tool_response>")[0]


async def test_a_langchain_agent_calls_it(space: ScriptedSpace) -> None:
    server: Any = {"command": sys.executable, "args": [SERVER], "transport": "stdio"}
    tools = await MultiServerMCPClient({"weather": server}).get_tools()
    agent: Any = create_agent(ChatQwenSpace(space=space.url), tools=tools)

    state = await agent.ainvoke({"messages": [("human", QUESTION)]})

    assert state["messages"][-1].text == ANSWER
    assert told(space) == "Paris: 5\nOslo: 4"


async def test_a_llama_index_agent_calls_it(space: ScriptedSpace) -> None:
    tools = await McpToolSpec(BasicMCPClient(sys.executable, args=[SERVER])).to_tool_list_async()
    agent = FunctionAgent(tools=tools, llm=QwenSpace(space=space.url))

    result = await agent.run(QUESTION)

    assert str(result) == ANSWER
    assert "Paris: 5" in told(space)
