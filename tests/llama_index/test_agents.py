from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, ReActAgent, ToolCallResult
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool

from llama_index_qwen_space import QwenSpace

pytestmark = [
    # A workflow looks for its steps with `inspect.getmembers`, at all that Pydantic deprecated.
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning:inspect"),
    # LlamaIndex's agents ask its own workflows in a way that those no longer want.
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

CALL = 'Thought: I need a tool.\nAction: add\nAction Input: {"a": 2, "b": 3}'
INVENTED = "\nObservation: 77\nThought: I can answer.\nAnswer: 77"
ANSWER = "Thought: I can answer without using any more tools.\nAnswer: It is 5."


def pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def calls_then_answers(messages: Any) -> list[str]:
    """Call the tool, with an invented result, until there is a real one; then answer."""
    seen = "Observation: 5" in messages[-1]["content"]
    return pieces(ANSWER if seen else CALL + INVENTED)


def adding() -> tuple[FunctionTool, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        calls.append((a, b))
        return a + b

    return FunctionTool.from_defaults(add), calls


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=3000, tokenizer_fn=str.split)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_react_agent_uses_a_tool(space: Any, streaming: bool) -> None:
    space.engine.reply = calls_then_answers
    llm = QwenSpace(space=space.url, stop=["Observation:"])
    tool, calls = adding()
    agent = ReActAgent(tools=[tool], llm=llm, streaming=streaming)

    handler = agent.run("What is 2+3?", memory=memory())
    events = [event async for event in handler.stream_events()]
    output = await handler

    assert str(output) == "It is 5."
    assert calls == [(2, 3)]
    assert [str(event.tool_output) for event in events if isinstance(event, ToolCallResult)] == [
        "5"
    ]
    streamed = "".join(event.delta for event in events if isinstance(event, AgentStream))
    assert ("Answer: It is 5." in streamed) == streaming
    assert "77" not in streamed
    assert len(space.joins) == 2
    space.engine.wait_until(lambda engine: engine.cancelled == 1)  # at the invented observation


async def test_the_agents_instructions_reach_the_system_slot(space: Any) -> None:
    space.engine.reply = calls_then_answers
    llm = QwenSpace(space=space.url, stop=["Observation:"], system_prompt="Be brief.")
    tool, _ = adding()

    await ReActAgent(tools=[tool], llm=llm).run("What is 2+3?", memory=memory())

    first, second = [join["data"] for join in space.joins]
    assert first[0] == "What is 2+3?"
    assert "Add two numbers." in first[2]
    assert "Be brief." not in first[2]
    assert second[2] == first[2]
    assert second[0].startswith("User: What is 2+3?\nAssistant: Thought: I need a tool.")
    assert second[0].endswith("\nUser: Observation: 5\nAssistant:")


async def test_a_workflow_makes_a_react_agent_of_one_that_is_not_to_call(space: Any) -> None:
    space.engine.reply = pieces(ANSWER)
    llm = QwenSpace(space=space.url, is_function_calling_model=False)
    tool, _ = adding()
    workflow = AgentWorkflow.from_tools_or_functions([tool], llm=llm)

    output = await workflow.run("What is 2+3?", memory=memory())

    assert str(output) == "It is 5."
    assert [type(agent) for agent in workflow.agents.values()] == [ReActAgent]


async def test_cancelling_a_run_stops_the_job(
    space: Any, llm: QwenSpace, held: Callable[[int], Any]
) -> None:
    held(1)
    tool, _ = adding()
    handler = ReActAgent(tools=[tool], llm=llm).run("What is 2+3?", memory=memory())
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    await handler.cancel_run()

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)
