"""Chat engines: the memory, the system prompt, the context, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import TextNode
from llama_index.retrievers.bm25 import BM25Retriever

from llama_index_qwen_space import QwenSpace
from qwen_space import JobError
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from tests.llama_index.conformance.agents import memory

FACT = "The tower of Pisa leans by four degrees."
WAYS = ["sync", "async", "stream", "astream"]


@pytest.fixture
def retriever() -> BaseRetriever:
    return BM25Retriever.from_defaults(nodes=[TextNode(text=FACT)], similarity_top_k=1)


async def chat(engine: Any, way: str, message: str) -> str:
    if way == "sync":
        return str(engine.chat(message))
    if way == "async":
        return str(await engine.achat(message))
    if way == "stream":
        return "".join(engine.stream_chat(message).response_gen)
    response = await engine.astream_chat(message)
    return "".join([token async for token in response.async_response_gen()])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("of_engine", "of_llm", "expected"),
    [
        pytest.param(None, None, DEFAULT_SYSTEM_PROMPT, id="neither"),
        pytest.param(None, "Be brief.", "Be brief.", id="the-llms"),
        pytest.param("Rhyme.", None, "Rhyme.", id="the-engines"),
        pytest.param("Rhyme.", "Be brief.", "Rhyme.", id="both"),
    ],
)
async def test_a_simple_engine_keeps_the_conversation(
    space: Any, way: str, of_engine: str | None, of_llm: str | None, expected: str
) -> None:
    llm = QwenSpace(space=space.url, system_prompt=of_llm)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory(), system_prompt=of_engine)

    answers = [await chat(engine, way, "Hi"), await chat(engine, way, "And now?")]

    assert answers == ["Hello there."] * 2
    assert [space.transcript(0), space.transcript(1)] == [
        "Hi",
        "User: Hi\nAssistant: Hello there.\nUser: And now?\nAssistant:",
    ]
    assert [join["data"][2] for join in space.joins] == [expected] * 2
    assert [message.content for message in engine.chat_history] == [
        "Hi",
        "Hello there.",
        "And now?",
        "Hello there.",
    ]


@pytest.mark.parametrize("way", WAYS)
async def test_a_context_engine_puts_the_context_into_the_system_slot(
    space: Any, retriever: BaseRetriever, way: str
) -> None:
    engine = ContextChatEngine.from_defaults(
        retriever=retriever,
        llm=QwenSpace(space=space.url),
        memory=memory(),
        system_prompt="Rhyme.",
    )

    answer = await chat(engine, way, "Which tower leans?")

    prompt, _, system, _ = space.joins[0]["data"]
    assert answer == "Hello there."
    assert "Rhyme." in system
    assert FACT in system
    assert FACT not in prompt
    assert "Which tower leans?" in prompt
    assert "system:" not in prompt.lower()


@pytest.mark.parametrize("way", WAYS)
async def test_a_condense_plus_context_engine_asks_twice_after_the_first_turn(
    space: Any, retriever: BaseRetriever, way: str
) -> None:
    engine = CondensePlusContextChatEngine.from_defaults(
        retriever=retriever,
        llm=QwenSpace(space=space.url, system_prompt="Answer in English."),
        memory=memory(),
        system_prompt="Rhyme.",
    )

    await chat(engine, way, "Which tower leans?")
    answer = await chat(engine, way, "How far?")

    assert answer == "Hello there."
    first, condensing, second = [join["data"] for join in space.joins]
    assert "Standalone question:" in condensing[0]
    assert condensing[2] == "Answer in English."
    for prompt, _, system, _ in (first, second):
        assert "Rhyme." in system
        assert FACT in system
        assert FACT not in prompt
    assert "User: How far?\nAssistant:" in space.transcript(2)


@pytest.mark.parametrize("way", WAYS)
async def test_a_condense_question_engine_condenses_before_it_queries(
    space: Any, retriever: BaseRetriever, way: str
) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Answer in English.")
    query_engine = RetrieverQueryEngine.from_args(retriever, llm=llm, streaming="stream" in way)
    engine = CondenseQuestionChatEngine.from_defaults(query_engine, llm=llm, memory=memory())

    await chat(engine, way, "Which tower leans?")
    answer = await chat(engine, way, "How far?")

    assert answer == "Hello there."
    *_, condensing, second = [join["data"] for join in space.joins]
    assert "Which tower leans?" in condensing[0]
    assert condensing[0].count("How far?") == 1
    assert condensing[2] == "Answer in English."
    assert "Query: Hello there.\nAnswer: " in second[0]
    assert FACT in second[0]
    assert second[2].startswith("Answer in English.\nYou are an expert Q&A system")


# The engine's thread hands the error on to the reader, and then dies of it as well.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("way", WAYS)
async def test_an_error_reaches_the_reader_of_an_engine(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = ["Hel", ValueError("no luck")]
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())

    with pytest.raises(JobError, match="no luck"):
        await chat(engine, way, "Hi")


async def test_an_empty_reply_is_remembered_as_one(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = []
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())

    assert await chat(engine, "stream", "Hi") == ""
    assert [message.role for message in engine.chat_history] == ["user", "assistant"]
