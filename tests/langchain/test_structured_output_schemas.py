"""Schemas of structured output, in each kind, and as the model is shown them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import pydantic.v1
import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.utils.function_calling import convert_to_openai_tool
from typing_extensions import NotRequired, TypedDict

from langchain_qwen_space import ChatQwenSpace
from tests.langchain.person import ADA, JSON_SCHEMA, METHODS, Person, PersonDict, written
from tests.langchain.ways import every_object

if TYPE_CHECKING:
    from conftest import ScriptedSpace


class OldPerson(pydantic.v1.BaseModel):
    """A person."""

    name: str
    age: int


KINDS = [
    pytest.param(Person, Person(**ADA), id="pydantic"),  # type: ignore[arg-type]
    pytest.param(OldPerson, OldPerson(**ADA), id="pydantic-1"),
    pytest.param(PersonDict, ADA, id="typed-dict"),
    pytest.param(JSON_SCHEMA, ADA, id="json-schema"),
    pytest.param(convert_to_openai_tool(Person), ADA, id="tool-schema"),
    pytest.param(
        {"type": "json_schema", "json_schema": {"name": "Person", "schema": JSON_SCHEMA}},
        ADA,
        id="openais-response-format",
    ),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "expected"), KINDS)
async def test_each_kind_of_schema_gives_its_objects(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, schema: Any, expected: Any
) -> None:
    name = getattr(schema, "__name__", "Person")
    space.engine.reply = [written(ADA, method, name)]

    found = await every_object(model.with_structured_output(schema, method=method))

    assert found == [expected] * 4
    assert {type(each) for each in found} == {type(expected)}


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
    space.engine.reply = [written(value, method, name)]

    found = await every_object(model.with_structured_output(schema, method=method))

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
