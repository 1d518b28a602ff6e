"""Our types as a caller sees them; read by the type checkers, never run."""

from __future__ import annotations

from typing import assert_type

from langchain_core.messages import AIMessage, AIMessageChunk
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    Completed,
    Event,
    Space,
    SpaceClient,
    SpaceFailure,
    TextDelta,
    Timeouts,
)
from qwen_space.config import SpaceEntry
from qwen_space.find import afind_spaces


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


async def several() -> None:
    mine: SpaceEntry = {"space": "http://127.0.0.1:7860", "endpoint": "/chat"}
    done = await SpaceClient(["Qwen/Qwen2.5", mine], strategy="least_queue").complete("Hello")
    assert_type(done.failures, tuple[SpaceFailure, ...])
    assert_type(Space(["Qwen/Qwen2.5", mine], strategy="sticky").complete("Hello"), Completed)
    ChatQwenSpace(space=["Qwen/Qwen2.5", {"space": "a/b", "model": "7B"}])
    names = [each.space for each in await afind_spaces("qwen2.5", limit=3)]
    ChatQwenSpace(space=names)


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
    QwenSpace(space=["Qwen/Qwen2.5", "http://127.0.0.1:7860"], strategy="least_queue")
    assert_type(llm.complete("Hello"), CompletionResponse)
    assert_type(await llm.achat([ChatMessage("Hello")]), ChatResponse)
    async for chunk in await llm.astream_chat([ChatMessage("Hello")]):
        assert_type(chunk, ChatResponse)
    assert_type(llm.structured_predict(Person, PromptTemplate("Name one.")), Person)
    assert_type(await llm.astructured_predict(Person, PromptTemplate("Name one.")), Person)
