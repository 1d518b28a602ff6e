"""LangChain's annotations of a `TypedDict`, as pydantic's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import TypeAdapter
from typing_extensions import NotRequired, Required, TypedDict

from qwen_space.chat_model.typed_dicts import annotate


class Seat(TypedDict):
    row: Annotated[int, ..., "How far in front."]


class Wishes(TypedDict, total=False):
    """Wishes."""

    seat: Annotated[str, ..., "Where to sit."]
    meal: Required[Annotated[Literal["fish", "none"], ...]]
    note: Annotated[str, None, "A word."]
    others: list[Seat]
    either: Seat | None


def test_descriptions_and_defaults_are_those_of_langchain() -> None:
    schema = TypeAdapter(annotate(Wishes)).json_schema()

    assert schema["description"] == "Wishes."
    assert schema["required"] == ["meal"]
    assert schema["properties"]["seat"]["description"] == "Where to sit."
    assert schema["properties"]["note"]["description"] == "A word."
    assert schema["$defs"]["Seat"]["properties"]["row"]["description"] == "How far in front."


class Trip(TypedDict):
    to: str
    stops: NotRequired[list[Seat]]
    day: Annotated[str, None, "When."]


def test_a_default_of_none_need_not_be_given() -> None:
    assert TypeAdapter(annotate(Trip)).json_schema()["required"] == ["to"]


class Tree(TypedDict):
    left: NotRequired[Tree | None]


def test_a_dict_that_holds_itself_is_taken() -> None:
    assert TypeAdapter(annotate(Tree)).validate_python({"left": {"left": None}})


@pytest.mark.parametrize("hint", [int, str | None, list[int], Any])
def test_other_types_stay_as_they_are(hint: Any) -> None:
    assert annotate(hint) == hint
