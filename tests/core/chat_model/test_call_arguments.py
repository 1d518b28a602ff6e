from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from qwen_space.chat_model.call_arguments import CallArguments
from qwen_space.tools import NO_TOOLS

ADD = {"type": "function", "function": {"name": "add", "parameters": {}}}


def take(stop: Any = None, **kwargs: Any) -> CallArguments:
    return CallArguments.take("Model", kwargs, stop=stop)


def test_a_call_without_arguments_has_the_model_s_own(caplog: pytest.LogCaptureFixture) -> None:
    assert take(["x"]) == CallArguments(
        options={
            "model": None,
            "stop": ["x"],
            "inputs": None,
            "headers": None,
            "timeout": None,
            "sampling": {},
        }
    )
    assert caplog.records == []


def test_the_options_are_those_of_the_space() -> None:
    given = {"model": "7B", "top_p": 0.5, "temperature": None, "inputs": {"a": 1}}

    assert take(["x"], **given).options == {
        "model": "7B",
        "stop": ["x"],
        "inputs": {"a": 1},
        "headers": None,
        "timeout": None,
        "sampling": {"top_p": 0.5},
    }


def test_names_of_other_models_mean_ours() -> None:
    given = take(max_new_tokens=5, stop_sequences=["x"], model_name="7B", request_timeout=3)

    assert given.options["sampling"] == {"max_tokens": 5}
    assert given.options["timeout"] == 3
    assert (given.options["stop"], given.options["model"]) == (["x"], "7B")
    assert take(max_new_tokens=5, max_tokens=6).options["sampling"] == {"max_tokens": 6}


def test_the_caller_s_arguments_stay_as_they_are() -> None:
    kwargs = {"model": "7B", "tools": [ADD], "user": 1}

    CallArguments.take("Model", kwargs)

    assert kwargs == {"model": "7B", "tools": [ADD], "user": 1}


def test_a_call_s_own_stop_wins_also_where_it_is_empty() -> None:
    given = CallArguments.take("Model", {"stop": []}, stop=["x"])

    assert given.options["stop"] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"temperature": "hot"}, "temperature='hot' is no number", id="temperature"),
        pytest.param({"timeout": (3, 5)}, r"timeout=\(3, 5\): seconds above 0", id="a-pair"),
        pytest.param({"timeout": 0}, "timeout=0: seconds above 0", id="no-time"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        take(**given)


@pytest.mark.parametrize("choice", [None, "auto", "none", False])
def test_without_tools_there_is_no_binding(choice: Any) -> None:
    assert take(tools=[], tool_choice=choice).tools is NO_TOOLS


@pytest.mark.parametrize("choice", ["any", "add", {"type": "function", "function": {"name": "x"}}])
def test_a_choice_that_no_tool_meets_is_refused(choice: Any) -> None:
    with pytest.raises(ValueError, match="no tool"):
        take(tool_choice=choice)


def test_tools_are_taken_in_the_caller_s_form() -> None:
    given = CallArguments.take(
        "Model",
        {"tools": ["add"], "tool_choice": "required", "parallel_tool_calls": False},
        usage_hint=True,
        to_schema=lambda name: {"function": {"name": name}},
    )

    assert given.tools.names == ("add",)
    assert given.tools.choice == "any"
    assert not given.tools.parallel
    assert given.tools.usage_hint


def test_arguments_that_are_streamed_are_not_asked_for_as_a_list() -> None:
    assert take(tools=[ADD]).tools.allow_list
    streamed = take(tools=[ADD], stream_arguments=True)
    assert streamed.stream_arguments
    assert not streamed.tools.allow_list


class Person(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("given", "instruction"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({"type": "text"}, None, id="text"),
        pytest.param({"type": "json_object"}, "JSON object only", id="json-object"),
        pytest.param(Person, '"title":"Person"', id="class"),
    ],
)
def test_a_response_format_is_read(given: Any, instruction: str | None) -> None:
    found = take(response_format=given).response_format

    assert (found is None) == (instruction is None)
    assert found is None or instruction is None or instruction in found.instruction


def test_an_unknown_keyword_is_named_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    take(user="me", seed=1, stream=True, strict=True, reask=False)

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("Model ignores seed, user: a Space has no use for it. It goes")
    assert 'inputs={"seed": ...}' in record.message


def test_a_keyword_that_asks_for_nothing_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    take(n=1, seed=None, logprobs=None, functions=None)
    assert caplog.records == []

    take(n=2)
    assert "ignores n:" in caplog.text


def test_an_argument_of_the_constructor_is_sent_there(caplog: pytest.LogCaptureFixture) -> None:
    CallArguments.take("Model", {"proxy": "http://127.0.0.1:1", "user": "me"}, fields=["proxy"])

    [record] = caplog.records
    assert "ignores proxy: give it to the constructor, not to a call." in record.message
    assert "ignores user: a Space has no use for it." in record.message
