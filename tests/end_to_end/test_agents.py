"""Agents of both frameworks, in the situations in which they used to end or to go wrong."""

from __future__ import annotations

import base64
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance.agents import memory, quiet
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = quiet

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
BLOCKS = [
    {"type": "text", "text": "A cat."},
    {"type": "image", "base64": PICTURE, "mime_type": "image/png"},
]

Ask = Callable[..., Awaitable[tuple[list[str], str]]]
"""Asks an agent one question after the other, in one thread; gives results, and the last answer."""


async def through_langchain(
    url: str, function: Any, *questions: str, **options: Any
) -> tuple[list[str], str]:
    model = ChatQwenSpace(space=url, **options)
    agent: Any = create_agent(model, [tool(function)], checkpointer=InMemorySaver())
    state: Any = None
    for question in questions:
        state = await agent.ainvoke(
            {"messages": [("human", question)]}, {"configurable": {"thread_id": "1"}}
        )
    results = [each.text for each in state["messages"] if isinstance(each, ToolMessage)]
    return results, state["messages"][-1].text


async def through_llama_index(
    url: str, function: Any, *questions: str, **options: Any
) -> tuple[list[str], str]:
    agent = FunctionAgent(tools=[function], llm=QwenSpace(space=url, **options))
    remembered = memory()
    results: list[str] = []
    answer = ""
    for question in questions:
        running = agent.run(question, memory=remembered)
        events = [event async for event in running.stream_events()]
        called = [event for event in events if isinstance(event, ToolCallResult)]
        results += [event.tool_output.content for event in called]
        answer = str(await running)
    return results, answer


@pytest.fixture(params=[through_langchain, through_llama_index])
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


def find_town(code: str) -> str:
    """Find the town of a postal code."""
    return {"90210": "Beverly Hills"}.get(code, f"{code!r} is unknown")


async def test_a_call_that_a_stop_sequence_ends_is_made(space: ScriptedSpace, ask: Ask) -> None:
    space.engine.reply = in_turn(tool_call("find_town", code="90210"), "It is there.")

    found = await ask(space.url, find_town, "Where is 90210?", stop=["</tool_call>"])

    assert found == (["Beverly Hills"], "It is there.")


async def test_a_result_that_the_model_makes_up_is_dropped_and_its_job_stopped(
    space: ScriptedSpace, ask: Ask
) -> None:
    made_up = [tool_call("find_town", code="90210"), "\n<tool_", "response>", *["made up "] * 1000]
    replies = in_turn(made_up, ["It is there."])
    space.engine.gate = gate = threading.Semaphore(3)

    def reply(messages: Any) -> list[Any]:
        if len(space.engine.requests) > 1:
            gate.release(2000)  # enough, even if the first reply still takes some
        return replies(messages)

    space.engine.reply = reply

    found = await ask(space.url, find_town, "Where is 90210?")

    assert found == (["Beverly Hills"], "It is there.")
    assert "made up" not in str(space.joins[1])
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


class Player(BaseModel):
    name: str
    age: int | None = None


def count_players(players: list[Player]) -> str:
    """Count players."""
    # LlamaIndex gives a tool the objects as they are.
    read = [Player.model_validate(each) for each in players]
    return str([(each.name, each.age) for each in read])


count_players.__annotations__ = get_type_hints(count_players)  # LlamaIndex reads no names of types


async def test_objects_that_a_list_has_as_strings_are_objects(
    space: ScriptedSpace, ask: Ask
) -> None:
    players = ['{"name": "Ada", "age": "36"}', {"name": "Bob", "age": "null"}]
    space.engine.reply = in_turn(tool_call("count_players", players=players), "Two.")

    found = await ask(space.url, count_players, "How many?")

    assert found == (["[('Ada', 36), ('Bob', None)]"], "Two.")


async def test_a_picture_in_a_tool_s_result_ends_no_thread(space: ScriptedSpace) -> None:
    def draw_for_langchain() -> list[dict[str, str]]:
        """Draw."""
        return BLOCKS

    def draw_for_llama_index() -> list[Any]:
        """Draw."""
        return [TextBlock(text="A cat."), ImageBlock(image=PICTURE)]

    for ask, draw in (
        (through_langchain, draw_for_langchain),
        (through_llama_index, draw_for_llama_index),
    ):
        space.reset()
        space.engine.reply = in_turn(tool_call(draw.__name__), "Drawn.", "Yes.")

        _, answer = await ask(space.url, draw, "Draw a cat.", "Is it drawn?")

        assert answer == "Yes."
        assert len(space.joins) == 3
        for join in space.joins[1:]:
            assert "A cat.\\n[image: left out, as only text can be read here]" in str(join)
