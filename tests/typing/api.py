"""Our types as a caller sees them; read by the type checkers, never run."""

from __future__ import annotations

from typing import assert_type

from langchain_core.messages import AIMessage, AIMessageChunk
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Completed, Event, SpaceClient, TextDelta, Timeouts


class Person(BaseModel):
    name: str


async def core() -> None:
    async with SpaceClient("Qwen/Qwen2.5", timeouts=Timeouts(total=60)) as client:
        assert_type(client, SpaceClient)
        async with client.stream("Hello", system="Be brief.", stop=["END"], model="7B") as events:
            async for event in events:
                assert_type(event, Event)
                if isinstance(event, TextDelta):
                    assert_type(event.delta, str)
        assert_type(await client.complete("Hello"), Completed)
        assert_type(await client.chat([{"role": "user", "content": "Hello"}]), Completed)


async def langchain() -> None:
    model = ChatQwenSpace(space="http://127.0.0.1:7860", model="7B", temperature=0.2)
    assert_type(model.invoke("Hello"), AIMessage)
    async for chunk in model.astream("Hello"):
        assert_type(chunk, AIMessageChunk)

    bound = model.bind_tools([Person, core], tool_choice="any")
    assert_type(await bound.ainvoke("Hello"), AIMessage)
    assert_type(model.with_structured_output(Person).invoke("Who?"), Person)
    with_raw: dict[str, object] = model.with_structured_output(Person, include_raw=True).invoke("?")
    assert_type(with_raw, dict[str, object])


async def llama_index() -> None:
    llm = QwenSpace(space="http://127.0.0.1:7860", model="7B", temperature=0.2)
    assert_type(llm.complete("Hello"), CompletionResponse)
    assert_type(await llm.achat([ChatMessage("Hello")]), ChatResponse)
    async for chunk in await llm.astream_chat([ChatMessage("Hello")]):
        assert_type(chunk, ChatResponse)
    assert_type(llm.structured_predict(Person, PromptTemplate("Name one.")), Person)
    assert_type(await llm.astructured_predict(Person, PromptTemplate("Name one.")), Person)
