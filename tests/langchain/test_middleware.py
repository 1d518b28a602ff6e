"""LangChain's own middleware, around an agent of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    wrap_model_call,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_qwen_space import ChatQwenSpace
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

QUESTION = {"messages": [("human", "How is the weather?")]}
OSLO, ROME = (tool_call("get_weather", city=city) for city in ("Oslo", "Rome"))
THREAD: Any = {"configurable": {"thread_id": "1"}}


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It is sunny in {city}."


def last_text(state: Any) -> str:
    return str(state["messages"][-1].text)


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ({"type": "approve"}, "It is sunny in Oslo."),
        ({"type": "reject", "message": "Not Oslo."}, "Not Oslo."),
        (
            {
                "type": "edit",
                "edited_action": {"name": "get_weather", "args": {"city": "Paris"}},
            },
            "It is sunny in Paris.",
        ),
    ],
    ids=["approve", "reject", "edit"],
)
def test_a_person_decides_on_each_of_several_calls(
    space: ScriptedSpace, model: ChatQwenSpace, decision: Any, told: str
) -> None:
    space.engine.reply = in_turn(OSLO + ROME, "Sunny.")
    asks = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    agent: Any = create_agent(model, [get_weather], middleware=[asks], checkpointer=InMemorySaver())

    (interrupt,) = agent.invoke(QUESTION, THREAD)["__interrupt__"]
    state = agent.invoke(Command(resume={"decisions": [decision, {"type": "approve"}]}), THREAD)

    assert len(interrupt.value["action_requests"]) == 2
    assert last_text(state) == "Sunny."
    first, second = space.joins[1]["data"][0].split("<tool_response>\n")[1:]
    assert told in first
    assert "It is sunny in Rome." in second


async def test_old_results_are_cleared_by_the_model_s_own_count(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = in_turn(OSLO, ROME, OSLO, "Sunny.")
    edit = ClearToolUsesEdit(trigger=200, keep=1)
    editing = ContextEditingMiddleware(edits=[edit], token_count_method="model")
    agent: Any = create_agent(model, [get_weather], middleware=[editing])

    state = await agent.ainvoke(QUESTION)

    assert last_text(state) == "Sunny."
    assert space.joins[-1]["data"][0].count("[cleared]") == 2


def test_a_model_selects_the_tools(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    @tool
    def get_time(city: str) -> str:
        """Tell the time in a city."""
        return "It is noon."

    space.engine.reply = in_turn('```json\n{"tools": ["get_weather"]}\n```', "I cannot tell.")
    agent: Any = create_agent(
        model, [get_weather, get_time], middleware=[LLMToolSelectorMiddleware()]
    )

    assert last_text(agent.invoke(QUESTION)) == "I cannot tell."
    assert "get_time" not in space.joins[1]["data"][2]


@pytest.mark.parametrize(("behaviour", "ending"), [("continue", "Sunny."), ("end", "limit")])
def test_calls_are_limited(
    space: ScriptedSpace, model: ChatQwenSpace, behaviour: Any, ending: str
) -> None:
    space.engine.reply = in_turn(OSLO, ROME, "Sunny.")
    limit = ToolCallLimitMiddleware(run_limit=1, exit_behavior=behaviour)
    agent: Any = create_agent(model, [get_weather], middleware=[limit])

    assert ending in last_text(agent.invoke(QUESTION))


def test_another_model_answers_where_the_first_fails(model: ChatQwenSpace) -> None:
    broken = ChatQwenSpace(space="http://127.0.0.1:1", max_retries=0)
    agent: Any = create_agent(broken, [get_weather], middleware=[ModelFallbackMiddleware(model)])

    assert last_text(agent.invoke(QUESTION)) == "Hello there."


def test_a_list_of_things_to_do_is_kept(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    todos = [{"content": "Ask for the weather", "status": "pending"}]
    space.engine.reply = in_turn(tool_call("write_todos", todos=todos), "Noted.")
    agent: Any = create_agent(model, [get_weather], middleware=[TodoListMiddleware()])

    assert agent.invoke(QUESTION)["todos"] == todos


def test_a_model_stands_in_for_a_tool(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = in_turn(OSLO, "It rains in Oslo.", "Take an umbrella.")
    agent: Any = create_agent(model, [get_weather], middleware=[LLMToolEmulator(model=model)])

    assert last_text(agent.invoke(QUESTION)) == "Take an umbrella."
    assert "<tool_response>\nIt rains in Oslo." in space.joins[2]["data"][0]


def test_middleware_sets_the_options_of_a_call(model: ChatQwenSpace) -> None:
    @wrap_model_call
    def brief(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings={"stop": [" there"]}))

    agent: Any = create_agent(model, [get_weather], middleware=[brief])

    assert last_text(agent.invoke(QUESTION)) == "Hello"
