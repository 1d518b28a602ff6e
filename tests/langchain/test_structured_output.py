"""Structured output: three methods, every kind of schema, and never a silent None."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from typing import TYPE_CHECKING, Annotated, Any

import pydantic.v1
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.load import dumpd, dumps, load
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableBinding
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field
from typing_extensions import NotRequired, TypedDict

from langchain_qwen_space import ChatQwenSpace
from langchain_qwen_space.structured_output import StructuredOutput
from tests.obedient import obedient
from tests.pieces import cut
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

METHODS = ["json_schema", "function_calling", "json_mode"]


class Person(BaseModel):
    """A person."""

    name: str = Field(description="What they are called.")
    age: int = Field(ge=0)


class OldPerson(pydantic.v1.BaseModel):
    """A person."""

    name: str
    age: int


class PersonDict(TypedDict):
    """A person."""

    name: str
    age: int


ADA = {"name": "Ada", "age": 36}
JSON_SCHEMA = Person.model_json_schema()
KINDS = [
    pytest.param(Person, Person(**ADA), id="pydantic"),  # type: ignore[arg-type]
    pytest.param(OldPerson, OldPerson(**ADA), id="pydantic-1"),
    pytest.param(PersonDict, ADA, id="typed-dict"),
    pytest.param(JSON_SCHEMA, ADA, id="json-schema"),
    pytest.param(convert_to_openai_tool(Person), ADA, id="tool-schema"),
]


def written(value: Any, method: str) -> str:
    """Return how a model writes an object for a method."""
    if method == "function_calling":
        return tool_call("Person", **value)
    return f"Here:\n```json\n{json.dumps(value)}\n```"


async def every_way(structured: Any, given: Any = "Who?") -> list[Any]:
    """Return the result of each way of calling."""
    return [
        await asyncio.to_thread(structured.invoke, given),
        await structured.ainvoke(given),
        (await asyncio.to_thread(lambda: list(structured.stream(given))))[-1],
        [each async for each in structured.astream(given)][-1],
    ]


# Objects


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "expected"), KINDS)
async def test_each_kind_of_schema_gives_its_objects(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, schema: Any, expected: Any
) -> None:
    name = getattr(schema, "__name__", "Person")
    space.engine.reply = [written(ADA, method).replace('"Person"', f'"{name}"')]

    found = await every_way(model.with_structured_output(schema, method=method))

    assert found == [expected] * 4
    assert {type(each) for each in found} == {type(expected)}


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


# Wrong replies


WRONG = [
    pytest.param("", "empty", id="nothing"),
    pytest.param('{"name": "Ada", "age": -1}', "greater than or equal to 0", id="not-valid"),
]


@pytest.mark.parametrize(("reply", "said"), WRONG)
@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_reply_is_asked_for_once_more_with_its_fault(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, reply: str, said: str
) -> None:
    space.engine.reply = in_turn(*[reply, written(ADA, method)] * 4)

    found = await every_way(model.with_structured_output(Person, method=method))

    assert found == [Person(**ADA)] * 4  # type: ignore[arg-type]
    assert len(space.joins) == 8
    second = space.transcript(1)
    assert f"Assistant: {reply}\nUser: Your answer does not fit" in second
    assert said in second


@pytest.mark.parametrize(("reply", "said"), WRONG)
@pytest.mark.parametrize("method", METHODS)
async def test_a_reply_that_stays_wrong_is_an_error_with_the_reply(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, reply: str, said: str
) -> None:
    space.engine.reply = [reply]
    structured = model.with_structured_output(Person, method=method)

    for call in (
        lambda: structured.invoke("Who?"),
        lambda: list(structured.stream("Who?")),
    ):
        with pytest.raises(OutputParserException, match=said) as caught:
            await asyncio.to_thread(call)
        assert caught.value.llm_output == reply
    with pytest.raises(OutputParserException):
        await structured.ainvoke("Who?")
    with pytest.raises(OutputParserException):
        _ = [each async for each in structured.astream("Who?")]
    assert len(space.joins) == 8


class Wish(BaseModel):
    """A wish."""

    song: str | None = None


@pytest.mark.parametrize("method", METHODS)
def test_no_object_is_blank_where_all_has_a_default(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, caplog: pytest.LogCaptureFixture
) -> None:
    replies = ({"title": "Help!"}, {"song": "Help!"})
    space.engine.reply = in_turn(
        *(written(each, method).replace("Person", "Wish") for each in replies)
    )

    found = model.with_structured_output(Wish, method=method).invoke("Which?")

    assert found == Wish(song="Help!")
    assert caplog.records == []  # the second reply is right


@pytest.mark.parametrize("method", METHODS)
def test_asking_again_can_be_switched_off(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = ["I do not know."]
    structured = model.with_structured_output(Person, method=method, reask=False)

    with pytest.raises(OutputParserException):
        structured.invoke("Who?")

    assert len(space.joins) == 1


def test_a_call_with_wrong_arguments_is_asked_for_again(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    wrong = written({"name": "Ada", "age": "old"}, "function_calling")
    space.engine.reply = in_turn(wrong, written(ADA, "function_calling"))

    found = model.with_structured_output(Person, method="function_calling").invoke("Who?")

    assert found == Person(**ADA)  # type: ignore[arg-type]
    assert f"Assistant: {wrong}\nUser: Your answer does not fit" in space.joins[1]["data"][0]


@pytest.mark.parametrize("streamed", [False, True])
def test_half_a_call_is_no_object(
    space: ScriptedSpace, model: ChatQwenSpace, streamed: bool
) -> None:
    half = written(ADA, "function_calling").partition("6}")[0]
    space.engine.reply = list(half)
    structured = model.with_structured_output(Person, method="function_calling", reask=False)

    with pytest.raises(OutputParserException, match="not closed"):
        list(structured.stream("Who?")) if streamed else structured.invoke("Who?")


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

    found = await every_way(model.with_structured_output(Person, method=method, include_raw=True))

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

    found = await every_way(model.with_structured_output(Person, method=method, include_raw=True))

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


@pytest.mark.parametrize(
    ("schema", "include_raw", "expected"),
    [
        pytest.param(Person, False, Person.model_json_schema()["properties"], id="class"),
        pytest.param(Person, True, None, id="raw"),
        pytest.param(PersonDict, False, None, id="dict"),
    ],
)
def test_a_chain_knows_its_output_schema(
    model: ChatQwenSpace, schema: Any, include_raw: bool, expected: Any
) -> None:
    structured = model.with_structured_output(schema, include_raw=include_raw)
    chain = ChatPromptTemplate.from_template("Who is {name}?") | structured

    given = chain.get_output_jsonschema()

    assert given["type"] == "object"
    assert given.get("properties") == expected


class Trip(TypedDict):
    """A trip."""

    to: str
    stops: NotRequired[list[PersonDict]]


class Wishes(TypedDict, total=False):
    """A wish."""

    seat: Annotated[str, ..., "Where to sit."]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param(Trip, {"to": "Oslo"}, id="not-required"),
        pytest.param(Trip, {"to": "Oslo", "stops": [ADA]}, id="not-required-but-there"),
        pytest.param(Wishes, {}, id="not-total"),
        pytest.param({"properties": {"a": {}}, "required": ["a"]}, {"a": 1}, id="without-a-title"),
    ],
)
async def test_schemas_that_langchain_core_does_not_take_are_asked_for_as_well(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, schema: Any, value: Any
) -> None:
    name = getattr(schema, "__name__", "answer")
    space.engine.reply = [written(value, method).replace('"Person"', f'"{name}"')]

    found = await every_way(model.with_structured_output(schema, method=method))

    assert found == [value] * 4
    assert len(space.joins) == 4


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_optional_keys_are_shown_as_optional(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = [""]

    model.with_structured_output(Wishes, method=method, include_raw=True).invoke("Where?")

    shown = str(space.joins[0])
    assert "Where to sit." in shown
    assert "required" not in shown


@pytest.mark.parametrize("schema", [None, {}])
def test_json_mode_goes_without_a_schema(
    space: ScriptedSpace, model: ChatQwenSpace, schema: Any
) -> None:
    space.engine.reply = [json.dumps(ADA)]

    assert model.with_structured_output(schema, method="json_mode").invoke("Who?") == ADA


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_the_other_methods_want_a_schema(model: ChatQwenSpace, method: Any) -> None:
    with pytest.raises(ValueError, match=f"method='{method}' wants a schema"):
        model.with_structured_output(method=method)


class Address(TypedDict):
    street: str


class Resident(TypedDict):
    """A resident."""

    name: str
    nick: str | None
    address: Address


RESIDENT = {"name": "Ada", "nick": None, "address": {"street": "Dean Street"}}


def schema_shown(space: ScriptedSpace) -> Any:
    prompt = space.joins[0]["data"][0]
    return json.loads(prompt.partition("not the schema.\n")[2].partition("\n")[0])


def test_a_nested_typed_dict_shows_the_model_a_clean_schema(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = [json.dumps(RESIDENT)]

    found = model.with_structured_output(Resident).invoke("Who?")

    assert found == RESIDENT
    assert schema_shown(space) == {
        "title": "Resident",
        "description": "A resident.",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "address": {
                "title": "Address",
                "type": "object",
                "properties": {"street": {"type": "string"}},
                "required": ["street"],
            },
        },
        "required": ["name", "nick", "address"],
    }


@pytest.mark.parametrize(
    "schema",
    [list[int], Person | Address, {"title": "Names", "type": "array"}],
    ids=["list", "union", "json-schema"],
)
def test_lists_and_unions_are_refused_with_the_remedy(model: ChatQwenSpace, schema: Any) -> None:
    with pytest.raises(ValueError, match="give an object that has it as a property"):
        model.with_structured_output(schema)


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

    found = await every_way(structured)

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

    found = await every_way(structured)

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
