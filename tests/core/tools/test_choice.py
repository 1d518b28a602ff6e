"""The tools that a model may call, or has to."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.tools import InvalidCall, ToolBinding, ToolCall


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


CHOICES = [
    pytest.param(None, "auto", None, id="none-given"),
    pytest.param("auto", "auto", None, id="auto"),
    pytest.param("none", "none", None, id="none"),
    pytest.param(False, "none", None, id="false"),
    pytest.param("any", "any", None, id="any"),
    pytest.param("required", "any", None, id="required"),
    pytest.param(True, "any", None, id="true"),
    pytest.param("f", "one", "f", id="name"),
    pytest.param({"type": "function", "function": {"name": "g"}}, "one", "g", id="openai"),
    pytest.param({"type": "tool", "name": "g"}, "one", "g", id="anthropic"),
    pytest.param({"type": "any"}, "any", None, id="anthropic-any"),
    pytest.param({"type": "auto"}, "auto", None, id="anthropic-auto"),
    pytest.param({"type": "none"}, "none", None, id="anthropic-none"),
]


@pytest.mark.parametrize(("given", "choice", "only"), CHOICES)
def test_a_choice_in_any_framework_s_words(given: Any, choice: str, only: str | None) -> None:
    tools = ToolBinding.from_schemas([tool("f"), tool("g")], given)

    assert (tools.choice, tools.only) == (choice, only)
    assert tools.names == ("f", "g")


FEWER = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
FLAT = {"mode": "required", "tools": [{"type": "function", "name": "g"}]}


@pytest.mark.parametrize("given", [{"allowed_tools": FEWER}, FLAT], ids=["chat", "responses"])
def test_tools_that_a_choice_does_not_allow_are_left_out(given: Any) -> None:
    tools = ToolBinding.from_schemas([tool("f"), tool("g")], {"type": "allowed_tools", **given})

    assert (tools.names, tools.choice) == (("g",), "any")
    assert '"f"' not in tools.block()


@pytest.mark.parametrize(
    ("schemas", "choice", "says"),
    [
        pytest.param([tool("f")], "g", "'g' is no tool that is bound; those are: f", id="unknown"),
        pytest.param([], "any", "no tool is bound", id="any-of-none"),
        pytest.param([tool("f"), tool("f")], None, "Several tools have the name 'f'", id="twice"),
        pytest.param([{"type": "function"}], None, "has no name", id="no-function"),
        pytest.param([tool("")], None, "has no name", id="empty-name"),
        pytest.param([tool("f")], {"type": "all"}, "'all' is no tool that is bound", id="type"),
        pytest.param([tool("f")], ["f"], "is no tool that is bound; those are: f", id="a-list"),
        pytest.param(
            [tool("f")], {"f": True}, "tool_choice={'f': True} names no tool", id="choice"
        ),
        pytest.param(
            [tool("f")], {"type": "allowed_tools", **FLAT}, "'g' is no tool", id="allowed"
        ),
        pytest.param([tool("f")], {"type": "allowed_tools", "x": 1}, "lists no", id="no-list"),
    ],
)
def test_an_unknown_choice_or_a_bad_tool_is_a_misuse(schemas: Any, choice: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ToolBinding.from_schemas(schemas, choice)


@pytest.mark.parametrize(
    ("choice", "called", "missing"),
    [
        pytest.param("auto", [], False, id="free"),
        pytest.param("none", [], False, id="none"),
        pytest.param("any", [], True, id="any-none-came"),
        pytest.param("any", ["g"], False, id="any-one-came"),
        pytest.param("f", [], True, id="name-none-came"),
        pytest.param("f", ["g"], True, id="name-another-came"),
        pytest.param("f", ["g", "f"], False, id="name-came"),
    ],
)
def test_a_required_call_that_did_not_come_is_missing(
    choice: str, called: list[str], missing: bool
) -> None:
    tools = ToolBinding.from_schemas([tool("f"), tool("g")], choice)

    assert tools.missing_required_call([ToolCall(name, {}) for name in called]) is missing


def test_a_reask_names_the_error() -> None:
    tools = ToolBinding.from_schemas([tool("f")], "f")

    assert tools.reask().startswith("Your answer has no function call.")
    assert "it has no name" in tools.reask([InvalidCall("{}", "it has no name")])
    assert 'the function "f"' in tools.reask()


def test_a_job_with_tools_stops_where_the_model_makes_up_a_result() -> None:
    assert ToolBinding.from_schemas([tool("f")]).stop == ("\n<tool_response>",)
    assert ToolBinding.from_schemas([tool("f")], "none").stop == ()
