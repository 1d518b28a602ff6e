"""The rest of LlamaIndex that stands on an LLM: settings, pipelines, handlers, instrumentation."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.extractors import DocumentContextExtractor, KeywordExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from llama_index_qwen_space import QwenSpace
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT

TEXTS = ["The tower of Pisa leans.", "The tower of London is a castle."]


def nodes() -> list[TextNode]:
    return [TextNode(text=text) for text in TEXTS]


# Settings


@pytest.fixture
def settings(llm: QwenSpace) -> Iterator[QwenSpace]:
    before = Settings._llm
    Settings.llm = llm
    yield llm
    Settings._llm = before


def test_settings_take_it_for_all_that_is_given_no_llm(space: Any, settings: QwenSpace) -> None:
    engine = SummaryIndex(nodes()).as_query_engine()

    assert Settings.llm is settings
    assert str(engine.query("Which tower leans?")) == "Hello there."
    prompt, _, system, _ = space.joins[0]["data"]
    assert all(text in prompt for text in TEXTS)
    assert system.startswith("You are an expert Q&A system")


def test_a_callback_manager_of_the_settings_hears_of_its_calls(
    settings: QwenSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([handler]))

    Settings.llm.complete("Hi")

    assert len(handler.get_llm_inputs_outputs()) == 1


# Pipelines


def test_a_pipeline_asks_for_each_node(space: Any, llm: QwenSpace) -> None:
    pipeline = IngestionPipeline(transformations=[KeywordExtractor(llm=llm)])

    done = pipeline.run(nodes=nodes())

    assert [node.metadata for node in done] == [{"excerpt_keywords": "Hello there."}] * 2
    asked = sorted(join["data"][0] for join in space.joins)
    assert [text in prompt for text, prompt in zip(sorted(TEXTS), asked, strict=True)] == [True] * 2
    assert {join["data"][2] for join in space.joins} == {DEFAULT_SYSTEM_PROMPT}


async def test_a_pipeline_asks_for_each_node_in_a_running_loop(space: Any, llm: QwenSpace) -> None:
    pipeline = IngestionPipeline(transformations=[KeywordExtractor(llm=llm)])

    done = await pipeline.arun(nodes=nodes())

    assert [node.metadata for node in done] == [{"excerpt_keywords": "Hello there."}] * 2
    assert len(space.joins) == 2


@pytest.mark.processes
@pytest.mark.skipif(
    multiprocessing.cpu_count() < 2, reason="LlamaIndex then warns and uses one worker"
)
def test_a_pipeline_asks_from_several_processes(space: Any) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief.")
    llm.complete("Hi")  # so that it has been used before it is pickled
    pipeline = IngestionPipeline(transformations=[KeywordExtractor(llm=llm)])

    done = pipeline.run(nodes=nodes(), num_workers=2)

    assert [node.metadata for node in done] == [{"excerpt_keywords": "Hello there."}] * 2
    assert [join["data"][2] for join in space.joins] == ["Be brief."] * 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the extractor's own
async def test_arguments_for_another_provider_are_ignored(space: Any, llm: QwenSpace) -> None:
    store = SimpleDocumentStore()
    document = Document(text=" ".join(TEXTS), id_="towers")
    store.add_documents([document])
    extractor = DocumentContextExtractor(docstore=store, llm=llm, max_context_length=1000)
    [child] = [TextNode(text=TEXTS[0])]
    child.relationships = {"1": document.as_related_node_info()}  # type: ignore[dict-item]

    [metadata] = await extractor.aextract([child])

    assert metadata == {"context": "Hello there."}
    assert " ".join(TEXTS) in space.joins[0]["data"][0]


# Predicting


@pytest.mark.parametrize("way", ["predict", "apredict", "stream", "astream"])
async def test_a_prompt_is_sent_as_a_message_after_the_system_prompt(space: Any, way: str) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief.")

    said = getattr(llm, way)(PromptTemplate("What is {what}?"), what="a Space")
    said = await said if way.startswith("a") else said
    if way == "astream":
        said = "".join([token async for token in said])
    elif way == "stream":
        said = "".join(said)

    assert said == "Hello there."
    assert [join["data"][:3] for join in space.joins] == [["What is a Space?", [], "Be brief."]]


# Handlers and instrumentation


@pytest.mark.parametrize("streaming", [False, True])
def test_a_debug_handler_has_the_messages_and_the_answer(
    llm: QwenSpace, streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([handler]))
    engine = SummaryIndex(nodes()).as_query_engine(llm=llm, streaming=streaming)

    response = engine.query("Which tower leans?")
    assert ("".join(response.response_gen) if streaming else str(response)) == "Hello there."

    [(start, end)] = handler.get_event_pairs(CBEventType.LLM)
    assert [message.role for message in start.payload["messages"]] == ["system", "user"]
    assert start.payload["serialized"]["model"] == "qwen-2.5"
    assert start.payload["serialized"]["is_function_calling_model"]
    assert end.payload["response"].message.content == "Hello there."
    assert end.payload["response"].raw["usage"]["source"]


def test_events_and_spans_of_a_query_belong_together(llm: QwenSpace, books: Any) -> None:
    handler = SimpleSpanHandler()
    dispatcher = get_dispatcher()
    dispatcher.add_span_handler(handler)
    try:
        SummaryIndex(nodes()).as_query_engine(llm=llm).query("Which tower leans?")
    finally:
        dispatcher.span_handlers.remove(handler)

    spans = {span.id_: span for span in handler.completed_spans}
    [chat] = [name for name in spans if name.startswith("QwenSpace.chat-")]
    [predict] = [name for name in spans if name.startswith("QwenSpace.predict-")]
    assert spans[chat].parent_id == predict
    events = [*books.named("LLMChatStartEvent"), *books.named("LLMChatEndEvent")]
    assert [event.span_id for event in events] == [chat, chat]


def test_events_leave_the_response_as_it_is(llm: QwenSpace, books: Any) -> None:
    response = llm.chat([ChatMessage("Hi")])

    [end] = books.named("LLMChatEndEvent")
    assert end.response.raw == response.raw
    assert isinstance(response.raw, dict)
