"""LlamaIndex's OpenAILike over `qwen-space api`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from qwen_space import Space
from tests.api_server import serving
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = [
    pytest.mark.consumers,
    pytest.mark.usefixtures("_collected"),
    pytest.mark.filterwarnings("ignore:unclosed"),
    pytest.mark.filterwarnings("ignore:.* has no input for some of temperature"),  # it sends one
]


class Person(BaseModel):
    name: str
    age: int


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def llm(space: ScriptedSpace) -> Iterator[OpenAILike]:
    with serving(Space(space.url)) as url:
        yield OpenAILike(
            model="qwen-2.5",
            api_base=f"{url}/v1",
            api_key="none",
            is_chat_model=True,
            is_function_calling_model=True,
            should_use_structured_outputs=True,
            context_window=32_768,
            max_retries=0,
        )


async def test_a_chat_is_answered_in_each_of_the_four_ways(llm: OpenAILike) -> None:
    chat = [ChatMessage("Hi")]
    streamed = list(llm.stream_chat(chat))
    astreamed = [each async for each in await llm.astream_chat(chat)]

    texts = {
        llm.chat(chat).message.content,
        (await llm.achat(chat)).message.content,
        "".join(each.delta or "" for each in streamed),
        "".join(each.delta or "" for each in astreamed),
        llm.complete("Hi").text,
    }
    assert texts == {"Hello there."}
    assert len(streamed) > 3


async def test_an_agent_calls_a_tool_and_answers(llm: OpenAILike, space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(tool_call("add", a=2, b=3), "It is 5.")
    agent = FunctionAgent(tools=[add], llm=llm)

    answer = await agent.run("What is 2 + 3?")

    assert str(answer) == "It is 5."
    assert [each.tool_output.raw_output for each in answer.tool_calls] == [5]


def test_an_object_is_predicted(llm: OpenAILike, space: ScriptedSpace) -> None:
    space.engine.reply = ['{"name": "Ada", "age": 36}']

    assert llm.structured_predict(Person, PromptTemplate("Who?")) == Person(name="Ada", age=36)
