"""Agents: by written thoughts, by function calls, and by code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance.agents import memory, quiet
from tests.pieces import cut
from tests.replies import in_turn, tool_call

pytestmark = quiet

CALL = 'Thought: I need a tool.\nAction: add\nAction Input: {"a": 2, "b": 3}'
INVENTED = "\nObservation: 77\nThought: I can answer.\nAnswer: 77"
ANSWER = "Thought: I can answer without using any more tools.\nAnswer: It is 5."


def calls_then_answers(messages: Any) -> list[str]:
    """Call the tool, with an invented result, until there is a real one; then answer."""
    seen = "Observation: 5" in messages[-1]["content"]
    return cut(ANSWER if seen else CALL + INVENTED * 300)  # too long to end before it is left


def adding() -> tuple[FunctionTool, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        calls.append((a, b))
        return a + b

    return FunctionTool.from_defaults(add), calls


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_react_agent_uses_a_tool(space: Any, streaming: bool) -> None:
    called = len(cut(CALL + "\nObservation:"))
    gate = space.engine.gate = threading.Semaphore(called)  # invented text never comes

    def reply(messages: Any) -> list[str]:
        if "Observation: 5" in messages[-1]["content"]:
            gate.release(100)
        return calls_then_answers(messages)

    space.engine.reply = reply
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
    assert space.transcript(1).startswith("User: What is 2+3?\nAssistant: Thought: I need a tool.")
    assert space.transcript(1).endswith("\nUser: Observation: 5\nAssistant:")


def test_the_thoughts_of_a_react_agent_stream(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = ["Thought: ", "I know ", "it.", "\nAnswer: 5."]
    asked = [ChatMessage("Begin with Thought: ...", role="system"), ChatMessage("What is 2+3?")]

    assert [each.delta for each in llm.stream_chat(asked)][:3] == ["Thought: ", "I know ", "it."]


async def test_a_workflow_makes_a_react_agent_of_an_llm_without_tool_calls(space: Any) -> None:
    space.engine.reply = cut(ANSWER)
    llm = QwenSpace(space=space.url, is_function_calling_model=False)
    tool, _ = adding()
    workflow = AgentWorkflow.from_tools_or_functions([tool], llm=llm)

    output = await workflow.run("What is 2+3?", memory=memory())

    assert str(output) == "It is 5."
    assert [type(agent) for agent in workflow.agents.values()] == [ReActAgent]


@pytest.mark.parametrize("kind", [ReActAgent, FunctionAgent])
async def test_cancelling_a_run_stops_the_job(
    space: Any, llm: QwenSpace, held: Callable[[int], Any], kind: type[Any]
) -> None:
    held(1)
    tool, _ = adding()
    handler = kind(tools=[tool], llm=llm).run("What is 2+3?", memory=memory())
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    await handler.cancel_run()

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


# By function calling


ADD_CALL = tool_call("add", a=2, b=3)


def calls_by_function(messages: Any) -> list[str]:
    """Say something and call the tool until there is a result; then answer."""
    seen = "<tool_response>" in messages[-1]["content"]
    return cut("It is 5." if seen else f"I add.\n{ADD_CALL}")


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_function_agent_uses_a_tool(space: Any, llm: QwenSpace, streaming: bool) -> None:
    space.engine.reply = calls_by_function
    tool, calls = adding()
    agent = FunctionAgent(tools=[tool], llm=llm, streaming=streaming, system_prompt="Count.")
    remembered = memory()

    handler = agent.run("What is 2+3?", memory=remembered)
    events = [event async for event in handler.stream_events()]
    output = await handler

    assert str(output) == "It is 5."
    assert calls == [(2, 3)]
    assert output.raw["usage"]["total_tokens"] > 0
    streamed = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in streamed) == ("I add.It is 5." if streaming else "")
    assert [each.role for each in remembered.get_all()] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    first, second = [join["data"] for join in space.joins]
    assert first[0] == "What is 2+3?"
    assert first[2].startswith("Count.\n\n# Tools\n")
    assert '"name": "add"' in first[2]
    said = "When functions are needed"  # how several are called is said once, of the question
    assert second[2].partition(said)[0] == first[2].partition(said)[0]
    assert second[0] == (
        f"User: What is 2+3?\nAssistant: I add.\n{ADD_CALL}\n"
        "User: <tool_response>\n5\n</tool_response>\n\n"
        "Reply in words if this answers the question.\nAssistant:"
    )


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_function_agent_goes_on_with_its_memory(
    space: Any, llm: QwenSpace, streaming: bool
) -> None:
    space.engine.reply = calls_by_function
    tool, calls = adding()
    agent = FunctionAgent(tools=[tool], llm=llm, streaming=streaming)
    remembered = memory()

    await agent.run("What is 2+3?", memory=remembered)
    output = await agent.run("And again?", memory=remembered)

    assert str(output) == "It is 5."
    assert calls == [(2, 3)]  # the earlier result is in the prompt, and does for the script
    hint = "Call a function if one fits this question."
    said = f"Assistant: It is 5.\nUser: And again?\n\n{hint}\nAssistant:"
    assert space.joins[2]["data"][0].endswith(said)


async def test_parallel_calls_are_all_made_and_told_in_their_order(
    space: Any, llm: QwenSpace
) -> None:
    both = f"{ADD_CALL}\n{tool_call('add', a=10, b=20)}"
    space.engine.reply = lambda messages: cut(
        "5 and 30." if "<tool_response>" in messages[-1]["content"] else both
    )
    tool, calls = adding()

    output = await FunctionAgent(tools=[tool], llm=llm).run("Both, please.", memory=memory())

    assert str(output) == "5 and 30."
    assert sorted(calls) == [(2, 3), (10, 20)]
    results = "<tool_response>\n5\n</tool_response>\n<tool_response>\n30\n</tool_response>\n\n"
    assert results in space.joins[1]["data"][0]


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_first_call_can_be_demanded(space: Any, llm: QwenSpace, streaming: bool) -> None:
    space.engine.reply = calls_by_function
    tool, calls = adding()
    agent = FunctionAgent(tools=[tool], llm=llm, streaming=streaming, initial_tool_choice="add")

    output = await agent.run("What is 2+3?", memory=memory())

    assert str(output) == "It is 5."
    assert calls == [(2, 3)]
    first, second = [join["data"][0] for join in space.joins]
    assert 'Answer with a call of the function "add"' in first
    assert "Answer with a call" not in second


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_failing_or_unknown_tool_is_told_to_the_model(
    space: Any, llm: QwenSpace, streaming: bool
) -> None:
    wrong = tool_call("add", a="two", b=3), tool_call("divide", a=2, b=3)
    space.engine.reply = in_turn(*wrong, "I cannot.")
    tool, _ = adding()

    output = await FunctionAgent(tools=[tool], llm=llm, streaming=streaming).run(
        "Hi", memory=memory()
    )

    assert str(output) == "I cannot."
    results = space.joins[2]["data"][0].split("<tool_response>\n")[1:]
    assert "can only concatenate str" in results[0]
    assert "Tool divide not found" in results[1]


@pytest.mark.parametrize("streaming", [False, True])
async def test_agents_hand_over_to_each_other(space: Any, llm: QwenSpace, streaming: bool) -> None:
    hand_over = tool_call("handoff", to_agent="writer", reason="It writes.")
    space.engine.reply = lambda messages: cut(
        "A poem." if "You write." in messages[0]["content"] else hand_over
    )
    planner = FunctionAgent(
        name="planner",
        description="Plans.",
        system_prompt="You plan.",
        can_handoff_to=["writer"],
        llm=llm,
        streaming=streaming,
    )
    writer = FunctionAgent(
        name="writer",
        description="Writes.",
        system_prompt="You write.",
        llm=llm,
        streaming=streaming,
    )
    workflow = AgentWorkflow(agents=[planner, writer], root_agent="planner")

    output = await workflow.run("A poem, please.", memory=memory())

    assert str(output) == "A poem."
    assert output.current_agent_name == "writer"
    first, second = [join["data"] for join in space.joins]
    assert first[2].startswith("You plan.\n\n# Tools\n")
    assert '"name": "handoff"' in first[2]
    assert second[2].startswith("You write.")
    assert "<tool_response>" in second[0]
    assert "It writes." in second[0]


async def test_a_workflow_makes_a_function_agent_of_it(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = calls_by_function
    tool, _ = adding()
    workflow = AgentWorkflow.from_tools_or_functions([tool], llm=llm)

    output = await workflow.run("What is 2+3?", memory=memory())

    assert str(output) == "It is 5."
    assert [type(agent) for agent in workflow.agents.values()] == [FunctionAgent]


class Sum(BaseModel):
    value: int


async def test_an_agent_answers_with_an_object(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = lambda messages: (
        ['```json\n{"value": 5}\n```']
        if "JSON schema" in messages[-1]["content"]
        else calls_by_function(messages)
    )
    tool, _ = adding()
    agent = FunctionAgent(tools=[tool], llm=llm, output_cls=Sum)

    output = await agent.run("What is 2+3?", memory=memory())

    assert output.get_pydantic_model(Sum) == Sum(value=5)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_code_act_agent_runs_code(space: Any, llm: QwenSpace, streaming: bool) -> None:
    space.engine.reply = lambda messages: cut(
        "It is 5." if "ran it" in str(messages[1:]) else "<execute>\nprint(2 + 3)\n</execute>"
    )
    ran: list[str] = []

    async def execute(code: str) -> str:
        ran.append(code)
        return "ran it: 5"

    agent = CodeActAgent(code_execute_fn=execute, llm=llm, streaming=streaming)

    output = await agent.run("What is 2+3?", memory=memory())

    assert str(output) == "It is 5."
    assert ran == ["print(2 + 3)"]
    assert "<execute>" in space.joins[0]["data"][2]
    assert space.joins[0]["data"][0] == "What is 2+3?"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
async def test_predict_and_call_calls(
    space: Any, llm: QwenSpace, asynchronous: bool, parallel: bool
) -> None:
    space.engine.reply = cut(f"{ADD_CALL}\n{tool_call('add', a=10, b=20)}")
    tool, calls = adding()
    given: dict[str, Any] = {"user_msg": "What is 2+3?", "allow_parallel_tool_calls": parallel}

    if asynchronous:
        response = await llm.apredict_and_call([tool], **given)
    else:
        response = llm.predict_and_call([tool], **given)

    assert str(response) == ("5\n\n30" if parallel else "5")
    assert calls == ([(2, 3), (10, 20)] if parallel else [(2, 3)])


async def test_predict_and_call_without_a_call_is_an_error_or_the_text(llm: QwenSpace) -> None:
    tool, calls = adding()

    with pytest.raises(ValueError, match="called no tool; it said 'Hello there"):
        llm.predict_and_call([tool], "Hi")
    response = await llm.apredict_and_call([tool], "Hi", error_on_no_tool_call=False)

    assert str(response) == "Hello there."
    assert calls == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_predict_and_call_calls_by_written_thoughts_too(
    space: Any, asynchronous: bool
) -> None:
    space.engine.reply = cut(CALL)
    llm = QwenSpace(space=space.url, is_function_calling_model=False)
    tool, calls = adding()

    given: Any = {"tools": [tool], "user_msg": "What is 2+3?", "memory": memory()}
    if asynchronous:
        response = await llm.apredict_and_call(**given)
    else:  # LlamaIndex runs a loop for it
        response = await asyncio.to_thread(lambda: llm.predict_and_call(**given))

    assert str(response) == "5"
    assert calls == [(2, 3)]
    assert "Action Input:" in space.joins[0]["data"][2]
