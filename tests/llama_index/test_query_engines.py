"""Query engines over documents, in each mode of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import TextNode
from llama_index.retrievers.bm25 import BM25Retriever

from llama_index_qwen_space import QwenSpace
from qwen_space import ModelNotOfferedError

SYSTEM = "You are an expert Q&A system that is trusted around the world."
NODES = [
    TextNode(text="The tower of Pisa leans by four degrees."),
    TextNode(text="The tower of London is a castle."),
]


def vectors() -> BaseRetriever:
    index = VectorStoreIndex(nodes=NODES, embed_model=MockEmbedding(embed_dim=3))
    return index.as_retriever(similarity_top_k=2)


def bm25() -> BaseRetriever:
    return BM25Retriever.from_defaults(nodes=NODES, similarity_top_k=2)


async def query(engine: Any, ways: str, question: str) -> str:
    if ways == "sync":
        return str(engine.query(question))
    if ways == "async":
        return str(await engine.aquery(question))
    if ways == "stream":
        return "".join(engine.query(question).response_gen)
    response = await engine.aquery(question)
    return "".join([token async for token in response.async_response_gen()])


# A request for each context that the answer is refined by; one when all of it fits.
MODES = [("compact", 1), ("refine", 2), ("tree_summarize", 1), ("simple_summarize", 1)]


@pytest.mark.parametrize("way", ["sync", "async", "stream", "astream"])
@pytest.mark.parametrize(("mode", "calls"), MODES)
@pytest.mark.parametrize("retriever", [vectors, bm25])
async def test_a_query_engine_answers(
    space: Any, books: Any, retriever: Any, mode: str, calls: int, way: str
) -> None:
    llm = books.keep(QwenSpace(space=space.url, system_prompt="Answer in English."))
    engine = RetrieverQueryEngine.from_args(
        retriever(), llm=llm, response_mode=mode, streaming="stream" in way
    )

    answer = await query(engine, way, "Which tower leans?")

    assert answer == "Hello there."
    assert books.limiter.count == len(space.joins) == calls
    for [system, asked] in space.engine.requests:
        assert system["role"] == "system"
        assert system["content"].startswith("Answer in English.")
        assert system["content"].count("Answer in English.") == 1
        assert asked["role"] == "user"
        assert "Which tower leans?" in asked["content"]
        assert "tower of" in asked["content"]
        assert "assistant:" not in asked["content"].lower()


@pytest.mark.parametrize("way", ["sync", "astream"])
async def test_the_question_and_the_context_reach_the_slots_for_them(
    space: Any, llm: QwenSpace, way: str
) -> None:
    engine = RetrieverQueryEngine.from_args(
        vectors(), llm=llm, response_mode="compact", streaming="stream" in way
    )

    await query(engine, way, "Which tower leans?")

    prompt, history, system, size = space.joins[0]["data"]
    assert system.startswith(SYSTEM)
    assert prompt.startswith("Context information is below.")
    assert prompt.endswith("Query: Which tower leans?\nAnswer: ")
    assert all(node.text in prompt for node in NODES)
    assert (history, size) == ([], "72B")


async def test_refining_asks_with_the_answer_so_far(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = lambda messages: ["second" if "first" in str(messages) else "first"]
    engine = RetrieverQueryEngine.from_args(vectors(), llm=llm, response_mode="refine")

    answer = await query(engine, "async", "Which tower leans?")

    assert answer == "second"
    assert "first" in space.joins[1]["data"][0]


@pytest.mark.parametrize("use_async", [False, True])
def test_an_index_takes_it_as_its_llm(llm: QwenSpace, use_async: bool) -> None:
    index = VectorStoreIndex(nodes=NODES, embed_model=MockEmbedding(embed_dim=3))
    engine = index.as_query_engine(
        llm=llm, response_mode="tree_summarize", use_async=use_async, similarity_top_k=2
    )

    assert str(engine.query("Which tower leans?")) == "Hello there."


# LlamaIndex answers "Empty Response" where a ValueError is raised in these.
@pytest.mark.parametrize("mode", ["compact", "refine"])
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_model_that_is_not_offered_is_an_error_and_no_answer(
    space: Any, mode: str, way: str
) -> None:
    llm = QwenSpace(space=space.url, model="8B")
    engine = RetrieverQueryEngine.from_args(vectors(), llm=llm, response_mode=mode)

    with pytest.raises(ModelNotOfferedError, match="it offers: 72B"):
        await query(engine, way, "Which tower leans?")
