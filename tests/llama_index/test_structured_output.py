"""Structured output: the object is found within any text, and is never blank."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llama_index_qwen_space import QwenSpace, StructuredOutputError
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from tests.llama_index.conformance.calls import CHATS, answers, ask
from tests.llama_index.conformance.structured_output import STRUCTURED, Song
from tests.pieces import cut
from tests.replies import in_turn, tool_call

JSON = '{"name": "Help!", "year": 1965}'
HELP = Song(name="Help!", year=1965)
PROMPT = "Name a song of {whom}."


async def predict(llm: QwenSpace, way: str, **kwargs: Any) -> list[Any]:
    given = {"output_cls": Song, "prompt": PromptTemplate(PROMPT), "whom": "the Beatles", **kwargs}
    return await answers(getattr(llm, f"{way}structured_predict")(**given))


REPLIES = [
    pytest.param(JSON, id="plain"),
    pytest.param(f"Sure! Here it is:\n\n```json\n{JSON}\n```", id="prose-and-fenced"),
    pytest.param(f"Of those in {{1965}}:\n{JSON}", id="braces-in-the-prose"),
]


@pytest.mark.parametrize("way", STRUCTURED)
@pytest.mark.parametrize("reply", REPLIES)
async def test_an_object_is_found_whatever_stands_around_it(
    space: Any, llm: QwenSpace, way: str, reply: str
) -> None:
    space.engine.reply = cut(reply)

    objects = await predict(llm, way)

    assert objects[-1] == HELP
    assert len(space.joins) == 1


@pytest.mark.parametrize("way", ["stream_", "astream_"])
@pytest.mark.parametrize("reply", REPLIES[:2])
async def test_an_object_grows_while_it_is_written(
    space: Any, llm: QwenSpace, way: str, reply: str
) -> None:
    space.engine.reply = cut(reply, 3)

    objects = await predict(llm, way)

    names = [each.name for each in objects]
    assert len(objects) > 4
    assert all(names)
    assert all("Help!".startswith(name) for name in names)
    assert objects[0].year is None
    assert [type(each) for each in objects[-2:]] == [Song, Song]


WRONG = [
    pytest.param("I like the Beatles.", "There is no JSON in the reply", id="no-json"),
    pytest.param('{"name": "Help!"}', "year: Field required", id="a-missing-field"),
]


@pytest.mark.parametrize("way", STRUCTURED)
@pytest.mark.parametrize(("reply", "reason"), WRONG)
async def test_a_wrong_reply_is_retried_once_with_the_reason(
    space: Any, llm: QwenSpace, books: Any, way: str, reply: str, reason: str
) -> None:
    space.engine.reply = in_turn(reply, f"```json\n{JSON}\n```")

    objects = await predict(books.keep(llm), way)

    assert objects[-1] == HELP
    first, second = [join["data"] for join in space.joins]
    question = "Name a song of the Beatles."
    assert first[0].startswith(f"{question}\n\nAnswer with a JSON value")
    asked = space.transcript(1)
    assert asked.startswith(f"User: {question}\nAssistant: {reply}\nUser: Your answer does not")
    assert reason in asked
    assert second[2] == first[2] == DEFAULT_SYSTEM_PROMPT
    assert books.limiter.count == len(books.tokens.llm_token_counts) == 2


@pytest.mark.parametrize("way", STRUCTURED)
@pytest.mark.parametrize(("reply", "reason"), WRONG)
async def test_a_reply_that_stays_wrong_is_an_error_and_no_blank_object(
    space: Any, llm: QwenSpace, way: str, reply: str, reason: str
) -> None:
    space.engine.reply = cut(reply)

    with pytest.raises(StructuredOutputError, match="The model gave no Song") as caught:
        await predict(llm, way)

    assert reason in caught.value.reason
    assert caught.value.reply == reply
    assert len(space.joins) == 2


NO_FIELD = [
    '{"title": "Help!"}',
    '{"Song": {"name": "Help!"}}',
    json.dumps(Song.model_json_schema()),
]


@pytest.mark.parametrize("reply", ["I like the Beatles.", "{}", "```json\n{\n", *NO_FIELD])
async def test_no_blank_object_is_streamed_before_an_error(
    space: Any, llm: QwenSpace, reply: str
) -> None:
    space.engine.reply = [reply]
    stream = llm.stream_structured_predict(Song, PromptTemplate(PROMPT), whom="Queen")

    with pytest.raises(ValueError, match="gave no Song"):
        next(stream)


class Wish(BaseModel):
    """Nothing of it has to be given."""

    song: str | None = None
    loud: bool = False


@pytest.mark.parametrize("way", STRUCTURED)
@pytest.mark.parametrize("reply", NO_FIELD)
async def test_an_object_without_any_field_of_the_class_is_not_that_object(
    space: Any, llm: QwenSpace, way: str, reply: str
) -> None:
    space.engine.reply = in_turn(reply, '{"song": "Help!"}')

    objects = await predict(llm, way, output_cls=Wish)

    assert objects[-1] == Wish(song="Help!")
    assert all(each.song for each in objects)
    assert "It has none of the fields: song, loud" in space.joins[1]["data"][0]


@pytest.mark.parametrize("way", STRUCTURED)
async def test_an_empty_object_is_one_where_nothing_has_to_be_given(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = ["{}"]

    assert await predict(llm, way, output_cls=Wish) == [Wish()]


# Requests to the Space


@pytest.mark.parametrize("way", STRUCTURED)
async def test_the_schema_follows_on_the_question_with_single_braces(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = [JSON]

    await predict(llm, way)

    prompt, _, system, _ = space.joins[0]["data"]
    assert prompt.startswith("Name a song of the Beatles.\n\nAnswer with a JSON value")
    assert '"properties":{"name":{"type":"string"}' in prompt
    assert "{{" not in prompt
    assert system == DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize("way", STRUCTURED)
async def test_the_system_prompt_stays(space: Any, way: str) -> None:
    space.engine.reply = [JSON]
    llm = QwenSpace(space=space.url, system_prompt="Be brief.")

    await predict(llm, way)

    assert space.joins[0]["data"][2] == "Be brief."


@pytest.mark.parametrize("way", STRUCTURED)
async def test_the_caller_s_prompt_stays_as_it_is(space: Any, llm: QwenSpace, way: str) -> None:
    space.engine.reply = [JSON]
    messages = [ChatMessage("Rhyme.", role="system"), ChatMessage(PROMPT)]
    before = [message.model_copy(deep=True) for message in messages]
    prompt = ChatPromptTemplate(messages)

    await predict(llm, way, prompt=prompt)

    assert messages == before
    assert prompt.output_parser is None
    assert prompt.format_messages(whom="Queen")[1].content == "Name a song of Queen."
    assert llm.predict(prompt, whom="Queen") == JSON
    assert "JSON" not in space.joins[-1]["data"][0]


@pytest.mark.parametrize("way", STRUCTURED)
async def test_arguments_of_the_chat_reach_it(space: Any, llm: QwenSpace, way: str) -> None:
    space.engine.reply = [JSON, "\nObservation: 5"]

    objects = await predict(llm, way, llm_kwargs={"model": "7B", "stop": ["Observation:"]})

    assert objects[-1] == HELP
    assert space.joins[0]["data"][3] == "7B"


@pytest.mark.parametrize("way", STRUCTURED)
async def test_arguments_for_tool_calls_are_left_out(
    space: Any, llm: QwenSpace, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    space.engine.reply = [JSON]
    given = {"tool_choice": "required", "tool_required": True, "allow_parallel_tool_calls": False}

    objects = await predict(llm, way, llm_kwargs=given)

    assert objects[-1] == HELP
    assert caplog.records == []  # as of an argument that is ignored
    assert set(given) == {"tool_choice", "tool_required", "allow_parallel_tool_calls"}


def test_a_conversation_without_a_user_is_asked_as_a_user(space: Any, llm: QwenSpace) -> None:
    space.engine.reply = [JSON]

    llm.structured_predict(Song, ChatPromptTemplate([ChatMessage("Name one.", role="system")]))

    prompt, _, system, _ = space.joins[0]["data"]
    assert "JSON schema" in prompt
    assert system == "Name one."


# Within LlamaIndex


@pytest.mark.parametrize("way", STRUCTURED)
async def test_events_tell_of_the_object(space: Any, llm: QwenSpace, books: Any, way: str) -> None:
    space.engine.reply = cut(JSON)

    objects = await predict(books.keep(llm), way)

    assert len(books.named("StructuredPredictStartEvent")) == 1
    [end] = books.named("StructuredPredictEndEvent")
    assert end.output == HELP
    progress = [event.output for event in books.named("StructuredPredictInProgressEvent")]
    assert progress == (objects[:-1] if "stream" in way else [])
    assert len(books.named("LLMChatStartEvent")) == len(books.named("LLMChatEndEvent")) == 1


@pytest.mark.parametrize("way", CHATS)
# LlamaIndex's structured LLM writes a partial object in a way that Pydantic gave up.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
async def test_a_structured_llm_answers_with_the_object(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = cut(f"```json\n{JSON}\n```")
    question = 'What is {"this"}, and {{that}}?'

    responses = await ask(llm.as_structured_llm(Song), way, question)

    assert responses[-1].raw == HELP
    assert responses[-1].message.content == HELP.model_dump_json()
    assert question in space.joins[0]["data"][0]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize"])
async def test_a_query_engine_answers_with_an_object(
    space: Any, llm: QwenSpace, mode: str, asynchronous: bool
) -> None:
    space.engine.reply = [f"Sure:\n```json\n{JSON}\n```"]
    index = SummaryIndex.from_documents([Document(text="In 1965 they sang Help!")])
    engine = index.as_query_engine(llm=llm, output_cls=Song, response_mode=mode)

    answer = await engine.aquery("Which song?") if asynchronous else engine.query("Which song?")

    assert answer.response == HELP
    prompt, _, system, _ = space.joins[0]["data"]
    assert "In 1965 they sang Help!" in prompt
    assert '"properties":{"name"' in prompt
    assert system.startswith("You are an expert Q&A system")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_query_engine_gives_no_blank_object(
    space: Any, llm: QwenSpace, asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    space.engine.reply = ["I like the Beatles."]
    index = SummaryIndex.from_documents([Document(text="In 1965 they sang Help!")])

    async def ask(mode: Any) -> Any:
        engine = index.as_query_engine(llm=llm, output_cls=Song, response_mode=mode)
        return await engine.aquery("Which?") if asynchronous else engine.query("Which?")

    with pytest.raises(StructuredOutputError):
        await ask("tree_summarize")
    # Here LlamaIndex itself catches a ValueError, as the page about it says.
    assert (await ask("compact")).response == "Empty Response"
    assert "gave no Song" in caplog.text


def test_function_mode_has_the_model_call_a_function(space: Any) -> None:
    space.engine.reply = [tool_call("Song", name="Help!", year=1965)]
    llm = QwenSpace(space=space.url, pydantic_program_mode=PydanticProgramMode.FUNCTION)

    assert llm.structured_predict(Song, PromptTemplate("Name one.")) == HELP
    assert "<tools>" in space.joins[0]["data"][2]


# Leaving


async def test_leaving_a_stream_of_objects_stops_the_job(
    space: Any, llm: QwenSpace, held: Callable[[int], Any]
) -> None:
    space.engine.reply = cut(JSON)
    held(3)
    stream = await llm.astream_structured_predict(Song, PromptTemplate(PROMPT), whom="Queen")
    assert (await anext(stream)).name

    await stream.aclose()

    space.engine.wait_until(lambda engine: engine.cancelled == 1)
    assert [each async for each in stream] == []


def test_leaving_a_stream_of_objects_stops_the_job_without_a_loop(
    space: Any, llm: QwenSpace, held: Callable[[int], Any]
) -> None:
    space.engine.reply = cut(JSON)
    held(3)
    stream = llm.stream_structured_predict(Song, PromptTemplate(PROMPT), whom="Queen")
    next(stream)

    stream.close()

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


async def test_cancelling_the_reader_of_objects_stops_the_job(
    space: Any, llm: QwenSpace, held: Callable[[int], Any]
) -> None:
    space.engine.reply = cut(JSON)
    held(0)
    task = asyncio.create_task(predict(llm, "astream_"))
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    space.engine.wait_until(lambda engine: engine.cancelled == 1)
