"""ChatQwenSpace as a part of larger things: LCEL, batches, fallbacks, caches, graphs, agents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnableParallel
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import SecretStr

from langchain_qwen_space import ChatQwenSpace
from qwen_space import JobError
from qwen_space.local import LocalSpace, ScriptedEngine
from tests.langchain.ways import every_way, fold
from tests.replies import tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

Messages = Sequence[Mapping[str, str]]
HI = {"messages": [HumanMessage("Hi")]}


def shouted(messages: Messages) -> list[str]:
    """Answer with the last message in capitals, letter by letter."""
    return list(messages[-1]["content"].upper())


# LCEL


async def test_parallel_branches_stream_at_the_same_time(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply, space.engine.gate = shouted, threading.Semaphore(0)
    branch = ChatPromptTemplate.from_template("{word}") | model | StrOutputParser()
    parallel = RunnableParallel(one=branch, other=branch)

    def let_go_when_both_run() -> None:
        space.engine.wait_until(lambda engine: engine.running == 2)
        space.engine.gate.release(8)  # type: ignore[union-attr]

    going = asyncio.create_task(asyncio.to_thread(let_go_when_both_run))
    pieces = [piece async for piece in parallel.astream({"word": "abcd"})]
    await going

    whole = {key: "".join(piece.get(key, "") for piece in pieces) for key in ("one", "other")}
    assert whole == {"one": "ABCD", "other": "ABCD"}


@pytest.mark.parametrize("way", ["batch", "abatch"])
async def test_a_batch_keeps_its_order_and_its_limit(
    space: ScriptedSpace, model: ChatQwenSpace, way: str
) -> None:
    running: list[int] = []

    def reply(messages: Messages) -> list[str]:
        running.append(space.engine.running)
        return shouted(messages)

    space.engine.reply, space.engine.delay = reply, 0.02
    questions: list[Any] = ["a", "b", "c", "d", "e", "f"]
    config: Any = {"max_concurrency": 2}

    if way == "batch":
        answers = await asyncio.to_thread(model.batch, questions, config)
    else:
        answers = await model.abatch(questions, config)

    assert [answer.text for answer in answers] == ["A", "B", "C", "D", "E", "F"]
    assert max(running) <= 2


def test_one_failure_in_a_batch_can_be_returned_among_the_answers(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = lambda messages: (
        [ValueError("broke")] if messages[-1]["content"] == "b" else shouted(messages)
    )

    one, two, three = model.batch(["a", "b", "c"], return_exceptions=True)

    assert (one.text, three.text) == ("A", "C")
    assert isinstance(two, JobError)


def test_a_batch_can_be_had_as_it_completes(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = shouted

    answers = dict(model.batch_as_completed(["a", "b", "c"]))

    assert {number: answer.text for number, answer in answers.items()} == {0: "A", 1: "B", 2: "C"}


class CountingLimiter(BaseRateLimiter):
    def __init__(self) -> None:
        self.acquired = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.acquired += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.acquired += 1
        return True


async def test_a_rate_limiter_is_asked_once_a_call(space: ScriptedSpace) -> None:
    limiter = CountingLimiter()
    model = ChatQwenSpace(space=space.url, rate_limiter=limiter)

    await asyncio.to_thread(model.invoke, "Hi")
    await model.ainvoke("Hi")
    assert await asyncio.to_thread(lambda: list(model.stream("Hi")))
    assert [chunk async for chunk in model.astream("Hi")]

    assert limiter.acquired == len(space.joins) == 4


def test_chunks_of_two_answers_add_up(model: ChatQwenSpace) -> None:
    whole = fold([*model.stream("Hi"), *model.stream("Hi")])

    assert whole.text == "Hello there." * 2
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 6
    assert isinstance(whole.response_metadata["duration_ms"], int)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
def test_a_history_of_streamed_answers_goes_on(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    kept = InMemoryChatMessageHistory()
    chain = RunnableWithMessageHistory(model, lambda: kept)

    for question in ("Hi", "And?"):
        assert "".join(chunk.text for chunk in chain.stream(question)) == "Hello there."

    assert space.transcript(1) == "User: Hi\nAssistant: Hello there.\nUser: And?\nAssistant:"
    assert len(kept.messages) == 4


def test_fields_may_be_configured_in_a_call(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, hf_token=SecretStr("hf_x"), timeout=60, stop=["!"])
    fields = {"system_prompt": ConfigurableField(id="system")}
    tool = {"name": "add", "description": "Add.", "parameters": {}}
    configurable = model.configurable_fields(**fields)
    bound = configurable.bind(**model.bind_tools([tool]).kwargs)  # as docs/langchain.md has it

    for runnable in (configurable, bound):
        runnable.invoke("Hi", {"configurable": {"system": "Rhyme."}})

    first, second = [join["data"][2] for join in space.joins]
    assert first == "Rhyme."
    assert second.startswith("Rhyme.\n\n# Tools")


class TextCache(BaseCache):
    """Keeps answers as texts, as caches in databases do."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], list[str]] = {}

    def lookup(self, prompt: str, llm_string: str) -> list[Any] | None:
        texts = self.texts.get((prompt, llm_string))
        return texts and [loads(text, allowed_objects="all") for text in texts]

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Any]) -> None:
        self.texts[prompt, llm_string] = list(map(dumps, return_val))

    def clear(self, **kwargs: Any) -> None:
        self.texts.clear()


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_cache_of_texts_gives_the_whole_answer(space: ScriptedSpace) -> None:
    space.engine.reply = [f"I add.\n{tool_call('add', a=1)}"]
    tool = {"name": "add", "description": "Add.", "parameters": {}}
    model = ChatQwenSpace(space=space.url, cache=TextCache()).bind_tools([tool])

    first, second = model.invoke("Hi"), model.invoke("Hi")

    assert len(space.joins) == 1
    assert (second.text, second.tool_calls) == (first.text, first.tool_calls)
    assert second.response_metadata == first.response_metadata


async def test_a_rate_limiter_counts_the_retry(space: ScriptedSpace) -> None:
    limiter = CountingLimiter()
    model = ChatQwenSpace(space=space.url, rate_limiter=limiter)
    tool = {"name": "add", "description": "Add.", "parameters": {}}

    await asyncio.to_thread(model.bind_tools([tool], tool_choice="any").invoke, "Hi")
    await model.bind_tools([tool], tool_choice="any").ainvoke("Hi")

    assert limiter.acquired == len(space.joins) == 4


# Two Spaces


@pytest.fixture(scope="module")
def other_space() -> Iterator[tuple[LocalSpace, ScriptedEngine]]:
    engine = ScriptedEngine([])
    with LocalSpace(engine) as running:
        yield running, engine


@pytest.fixture
def other(other_space: tuple[LocalSpace, ScriptedEngine]) -> Iterator[ChatQwenSpace]:
    """A model of a second Space, which answers "From the other."."""
    running, engine = other_space
    engine.reply = ["From ", "the other."]
    engine.requests.clear()
    yield ChatQwenSpace(space=running.url)
    engine.wait_idle()


async def test_a_second_space_answers_where_the_first_fails(
    space: ScriptedSpace, model: ChatQwenSpace, other: ChatQwenSpace
) -> None:
    space.engine.reply = [ValueError("the app broke")]
    either = model.with_fallbacks([other]) | StrOutputParser()

    answers = await every_way(either, "Hi", join="".join)

    assert answers == ["From the other."] * 4
    assert len(space.joins) == 4


def test_the_second_space_is_left_alone_where_the_first_answers(
    model: ChatQwenSpace,
    other: ChatQwenSpace,
    other_space: tuple[LocalSpace, ScriptedEngine],
) -> None:
    assert model.with_fallbacks([other]).invoke("Hi").text == "Hello there."
    assert other_space[1].requests == []


# Caches


def asked(space: ScriptedSpace) -> int:
    return len(space.joins)


def test_a_cache_answers_the_same_question_without_the_space(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, cache=InMemoryCache())

    answers = [model.invoke("Hi") for _ in range(3)]

    assert [answer.text for answer in answers] == ["Hello there."] * 3
    assert asked(space) == 1


@pytest.mark.parametrize(
    ("messages", "kwargs"),
    [
        pytest.param("Ho", {}, id="prompt"),
        pytest.param([("system", "Be brief."), ("human", "Hi")], {}, id="system-message"),
        pytest.param([("human", "Hi"), ("ai", "Hi"), ("human", "Hi")], {}, id="history"),
        pytest.param("Hi", {"stop": ["x"]}, id="stop-of-the-call"),
        pytest.param("Hi", {"model": "7B"}, id="model-of-the-call"),
    ],
)
def test_a_cache_tells_other_questions_apart(
    space: ScriptedSpace, messages: Any, kwargs: dict[str, Any]
) -> None:
    model = ChatQwenSpace(space=space.url, cache=InMemoryCache())
    model.invoke("Hi")

    for _ in range(2):
        model.invoke(messages, **kwargs)

    assert asked(space) == 2


def test_a_cache_tells_two_spaces_apart(
    space: ScriptedSpace, model: ChatQwenSpace, other: ChatQwenSpace
) -> None:
    cache = InMemoryCache()
    here, there = (each.model_copy(update={"cache": cache}) for each in (model, other))

    answers = [each.invoke("Hi").text for each in (here, there, here, there)]

    assert answers == ["Hello there.", "From the other."] * 2
    assert asked(space) == 1


# Events


async def tokens_of_events(runnable: Any, given: Any) -> tuple[list[str], list[str]]:
    """Return the tokens that a run's events tell of, and its last event of a model."""
    streamed, ended = [], []
    async for event in runnable.astream_events(given, version="v2"):
        if event["event"] == "on_chat_model_stream":
            streamed.append(event["data"]["chunk"].text)
        elif event["event"] == "on_chat_model_end":
            ended.append(event["data"]["output"].text)
    return [token for token in streamed if token], ended


async def test_events_of_a_chain_have_each_token_once(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply, space.engine.delay = ["one ", "two ", "two"], 0.01
    chain = ChatPromptTemplate.from_template("{word}") | model | StrOutputParser()

    streamed, ended = await tokens_of_events(chain, {"word": "Hi"})

    assert streamed == ["one ", "two ", "two"]
    assert ended == ["one two two"]


async def test_events_of_a_chain_that_only_invokes_have_each_token_once(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply, space.engine.delay = ["one ", "two ", "two"], 0.01

    async def call(word: str) -> str:
        return (await model.ainvoke(word)).text

    streamed, ended = await tokens_of_events(RunnableLambda(call), "Hi")

    assert streamed == ["one ", "two ", "two"]
    assert ended == ["one two two"]


# Graphs


@pytest.fixture
def graph(model: ChatQwenSpace) -> Any:
    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def again(state: MessagesState) -> Literal["answer", "__end__"]:
        return "answer" if len(state["messages"]) < 4 else END

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    builder.add_conditional_edges("answer", again)
    return builder.compile()


async def test_a_graph_streams_its_models_tokens_once(space: ScriptedSpace, graph: Any) -> None:
    space.engine.reply = lambda messages: [f"answer {len(messages) - 1}", "."]
    space.engine.delay = 0.01

    pieces = [
        (message.text, metadata["langgraph_node"])
        async for message, metadata in graph.astream(HI, stream_mode="messages")
        if message.text
    ]

    assert pieces == [
        (text, "answer") for number in (1, 1, 1) for text in (f"answer {number}", ".")
    ]


async def test_a_graph_s_messages_go_back_to_the_space(space: ScriptedSpace, graph: Any) -> None:
    space.engine.reply = ["Yes", "."]

    state = await graph.ainvoke(HI)

    assert [message.text for message in state["messages"]] == ["Hi", "Yes.", "Yes.", "Yes."]
    assert space.joins[2]["data"][0] == "User: Hi\nAssistant: Yes.\nAssistant: Yes.\nAssistant:"


# Agents without tools; those with tools are in test_agents.py


def test_an_agent_streams_messages(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.delay = 0.01
    agent: Any = create_agent(model, system_prompt="Be brief.")

    chunks = [chunk for chunk, _ in agent.stream(HI, stream_mode="messages")]

    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hello", " ", "there", "."]
    assert space.joins[0]["data"][2] == "Be brief."


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_the_summarization_middleware_shortens_a_long_chat(
    space: ScriptedSpace, model: ChatQwenSpace, way: str
) -> None:
    space.engine.reply = lambda messages: [
        "A SUMMARY" if "Hi number 0" in messages[-1]["content"] else "An answer"
    ]
    counted = model.get_num_tokens_from_messages
    middleware = SummarizationMiddleware(
        model, trigger=("tokens", 60), keep=("messages", 2), token_counter=counted
    )
    agent: Any = create_agent(model, middleware=[middleware])
    chat = [
        message
        for number in range(8)
        for message in (("human", f"Hi number {number}, my dear friend"), ("ai", "Yes."))
    ]
    question = {"messages": [*chat, ("human", "And now?")]}

    if way == "invoke":
        state = await asyncio.to_thread(agent.invoke, question)
    else:
        state = await agent.ainvoke(question)

    summary, *rest = state["messages"]
    assert "A SUMMARY" in summary.text
    assert [message.text for message in rest] == ["Yes.", "And now?", "An answer"]
    assert len(space.joins) == 2
    assert "Hi number 0" not in space.joins[1]["data"][0]
