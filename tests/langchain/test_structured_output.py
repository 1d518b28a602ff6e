"""Structured output: three methods, alone and with messages, streams, chains, tools and copies."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.load import dumpd, dumps, load
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableBinding

from langchain_qwen_space import ChatQwenSpace
from langchain_qwen_space.structured_output import StructuredOutput
from tests.langchain.person import ADA, JSON_SCHEMA, METHODS, Person, PersonDict, written
from tests.langchain.ways import every_object
from tests.obedient import obedient
from tests.pieces import cut
from tests.replies import tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace


# Objects


@pytest.mark.parametrize(
    ("method", "place", "said"),
    [
        pytest.param("json_schema", 0, '"description":"What they are called."', id="json-schema"),
        pytest.param("function_calling", 2, '"name": "Person"', id="function-calling"),
        pytest.param("json_mode", 0, "Answer with a JSON object only", id="json-mode"),
    ],
)
def test_the_request_describes_the_object(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, place: int, said: str
) -> None:
    space.engine.reply = [written(ADA, method)]

    model.with_structured_output(Person, method=method).invoke("Who?")

    assert said in space.joins[0]["data"][place]
    assert space.joins[0]["data"][0].startswith("Who?")


def test_an_unknown_method_is_refused(model: ChatQwenSpace) -> None:
    with pytest.raises(ValueError, match="'grammar' is unknown"):
        model.with_structured_output(Person, method="grammar")  # type: ignore[arg-type]


def test_after_an_answer_the_object_is_asked_for_in_a_turn_of_its_own(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = [json.dumps(ADA)]

    model.with_structured_output(Person).invoke([("human", "Who?"), ("ai", "Ada, 36.")])

    assert "Assistant: Ada, 36.\nUser: Answer with a JSON" in space.transcript(0)


# With the message


@pytest.mark.parametrize("method", METHODS)
async def test_the_message_can_be_had_with_the_object(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = cut(written(ADA, method))
    structured = model.with_structured_output(Person, method=method, include_raw=True)

    found = await every_object(structured)

    for each in found:
        assert set(each) == {"raw", "parsed", "parsing_error"}
        assert each["parsed"] == Person(**ADA)  # type: ignore[arg-type]
        assert each["parsing_error"] is None
        assert each["raw"].response_metadata["model_name"] == "Qwen2.5-72B-Instruct"
        assert each["raw"].usage_metadata["output_tokens"] > 5


@pytest.mark.parametrize("method", METHODS)
async def test_an_error_can_be_had_with_the_message(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = ["I do not know."]
    structured = model.with_structured_output(Person, method=method, include_raw=True)

    found = await every_object(structured)

    for each in found:
        assert each["parsed"] is None
        assert isinstance(each["parsing_error"], OutputParserException)
        assert each["raw"].text == "I do not know."


# Streams


@pytest.mark.parametrize("method", METHODS)
async def test_a_dict_is_streamed_while_it_is_written(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = list(written(ADA, method))
    structured = model.with_structured_output(JSON_SCHEMA, method=method)

    seen = await asyncio.to_thread(lambda: list(structured.stream("Who?")))
    seen_too = [each async for each in structured.astream("Who?")]

    names = [each.get("name") for each in seen]
    assert [
        name for name, before in zip(names, ["", *names], strict=False) if name and name != before
    ] == ["A", "Ad", "Ada"]
    assert seen[-1] == seen_too[-1] == ADA
    assert seen[-2] != seen[-1]


def test_a_stream_ends_with_the_message(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = list(written(ADA, "json_schema"))
    structured = model.with_structured_output(JSON_SCHEMA, include_raw=True)

    *earlier, last = structured.stream("Who?")

    assert {key for each in earlier for key in each} == {"parsed"}
    assert last["parsed"] == ADA
    assert json.loads(last["raw"].text) == ADA


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_leaving_a_stream_stops_the_job(
    space: ScriptedSpace, model: ChatQwenSpace, way: str
) -> None:
    space.engine.reply = ['{"name": "A', "d", *"a" * 1000]
    space.engine.gate = threading.Semaphore(2)
    structured = model.with_structured_output(JSON_SCHEMA)

    if way == "stream":
        stream = structured.stream("Who?")
        await asyncio.to_thread(next, stream)
        await asyncio.to_thread(stream.close)  # type: ignore[attr-defined]
    else:
        async_stream = structured.astream("Who?")
        await anext(async_stream)
        await async_stream.aclose()  # type: ignore[attr-defined]

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


@pytest.mark.parametrize("method", METHODS)
async def test_where_streaming_is_disabled_the_object_comes_as_a_whole(
    space: ScriptedSpace, method: Any
) -> None:
    space.engine.reply = cut(written(ADA, method))
    model = ChatQwenSpace(space=space.url, disable_streaming=True)
    structured = model.with_structured_output(JSON_SCHEMA, method=method)

    assert await asyncio.to_thread(lambda: list(structured.stream("Who?"))) == [ADA]
    assert [each async for each in structured.astream("Who?")] == [ADA]


# In chains and traces


class Started(BaseCallbackHandler):
    def __init__(self) -> None:
        self.formats: list[Any] = []

    def on_chat_model_start(self, *args: Any, options: Any = None, **kwargs: Any) -> None:
        self.formats.append((options or {}).get("ls_structured_output_format"))


@pytest.mark.parametrize("method", METHODS)
def test_traces_learn_the_method_and_the_schema(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = [written(ADA, method)]
    handler = Started()

    model.with_structured_output(Person, method=method).invoke(
        "Who?", config={"callbacks": [handler]}
    )

    (told,) = handler.formats
    assert told["kwargs"]["method"] == method
    assert told["schema"]["title"] == "Person"


async def test_it_works_in_a_chain_and_in_batches(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = obedient()
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{who}")])
    chain = prompt | model.with_structured_output(Person)

    one, two = await chain.abatch([{"who": "'Ada', 36"}, {"who": "'Bo', 4"}])
    last = [each async for each in chain.astream({"who": "'Ada', 36"})][-1]

    assert [one, two] == [Person(name="Ada", age=36), Person(name="Bo", age=4)]
    assert last == one


def test_it_takes_the_input_of_its_model(model: ChatQwenSpace) -> None:
    structured = model.with_structured_output(Person)

    own, models = structured.get_input_jsonschema(), model.get_input_jsonschema()
    assert {**own, "title": ""} == {**models, "title": ""}


def test_it_has_retries_and_fallbacks_like_any_runnable(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = [written(ADA, "json_schema")]
    gone = ChatQwenSpace(space="http://127.0.0.1:9", max_retries=0)

    found = (
        gone.with_structured_output(Person)
        .with_retry(stop_after_attempt=1)
        .with_fallbacks([model.with_structured_output(Person)])
        .invoke("Who?")
    )

    assert found == Person(**ADA)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response_format", "said"),
    [
        pytest.param({"type": "json_object"}, "JSON object only", id="json-object"),
        pytest.param(
            {"type": "json_schema", "json_schema": {"name": "Person", "schema": JSON_SCHEMA}},
            '"title":"Person"',
            id="json-schema",
        ),
        pytest.param(Person, '"title":"Person"', id="class"),
        pytest.param({"type": "text"}, "Who?", id="text"),
    ],
)
def test_a_response_format_is_asked_for_in_words(
    space: ScriptedSpace, model: ChatQwenSpace, response_format: Any, said: str
) -> None:
    model.bind(response_format=response_format).invoke("Who?")

    assert said in space.joins[0]["data"][0]


# With tools beside it


def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return city


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_of_another_tool_is_a_call(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = cut(tool_call("get_weather", city="Oslo"))
    structured = model.with_structured_output(
        Person, method=method, include_raw=True, tools=[get_weather]
    )

    found = await every_object(structured)

    for each in found:
        assert (each["parsed"], each["parsing_error"]) == (None, None)
        [call] = each["raw"].tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Oslo"})
    assert len(space.joins) == 4
    assert '"name": "get_weather"' in space.joins[0]["data"][2]


@pytest.mark.parametrize("method", METHODS)
async def test_an_object_comes_beside_tools_as_without(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = cut(written(ADA, method))
    structured = model.with_structured_output(
        Person, method=method, include_raw=True, tools=[get_weather]
    )

    found = await every_object(structured)

    assert [each["parsed"] for each in found] == [Person(**ADA)] * 4  # type: ignore[arg-type]


def test_tools_want_a_place_for_their_calls(model: ChatQwenSpace) -> None:
    with pytest.raises(ValueError, match="wants include_raw=True"):
        model.with_structured_output(Person, tools=[get_weather])  # type: ignore[call-overload]


# Copies


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_it_survives_dumping_and_loading(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = [written(ADA, method)]
    structured = model.with_structured_output(JSON_SCHEMA, method=method, include_raw=True)

    loaded = load(
        json.loads(dumps(structured)),
        allowed_objects=[ChatQwenSpace, StructuredOutput, RunnableBinding],
        valid_namespaces=["langchain_qwen_space"],
    )

    assert repr(loaded) == repr(structured)
    assert loaded.model.kwargs == structured.model.kwargs  # type: ignore[attr-defined]
    assert loaded.invoke("Who?")["parsed"] == ADA


def test_a_class_has_no_serialised_form_and_says_so(model: ChatQwenSpace) -> None:
    dumped = dumpd(model.with_structured_output(Person))

    assert dumped["kwargs"]["object_schema"]["type"] == "not_implemented"


@pytest.mark.parametrize("schema", [Person, PersonDict, JSON_SCHEMA])
def test_it_can_be_pickled(space: ScriptedSpace, model: ChatQwenSpace, schema: Any) -> None:
    space.engine.reply = [json.dumps(ADA)]
    structured = model.with_structured_output(schema)

    again = pickle.loads(pickle.dumps(structured))

    assert again.invoke("Who?") == structured.invoke("Who?")
