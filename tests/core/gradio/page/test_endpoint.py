from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qwen_space.errors import ModelNotOfferedError
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.endpoint import Endpoint, Input
from qwen_space.gradio.page.known_spaces import QWEN_2_5
from tests.core.gradio.page.app_config import PARTS, make_config, make_function, recorded
from tests.page_config import CLICK, app, step

MODELS = [
    ("qwen-2.5", "72B"),
    ("qwen-qwen2-5", "72B"),
    ("Qwen2.5", "72B"),
    ("72B", "72B"),
    ("7B", "7B"),
    ("7b", "7B"),
    (" 7B ", "7B"),
    ("0.5B", "0.5B"),
    ("Qwen2.5-7B-Instruct", "7B"),
    ("Qwen/Qwen2.5-1.5B-Instruct", "1.5B"),
    ("qwen2.5-14b-instruct", "14B"),
    ("qwen-2.5-32b", "32B"),
    ("qwen2-5-3b-chat", "3B"),
]


@pytest.mark.parametrize(("model", "choice"), MODELS)
def test_a_model_goes_by_many_names(model: str, choice: str) -> None:
    assert QWEN_2_5.choose_model(model) == choice


@pytest.mark.parametrize(
    "model", ["8B", "2B", "gpt-4", "Qwen2.5-Coder-7B-Instruct", "Qwen3-7B", "B", "5B"]
)
def test_a_model_that_is_not_offered_is_an_error_that_lists_the_offered(model: str) -> None:
    with pytest.raises(ModelNotOfferedError, match="it offers: 72B, 32B, 14B, 7B, 3B, 1"):
        QWEN_2_5.choose_model(model)


def test_an_app_with_one_model_has_no_choice() -> None:
    endpoint = find_endpoint(recorded("6.31.0-msg"))

    assert endpoint.choose_model("qwen-2.5") is None
    with pytest.raises(ModelNotOfferedError, match="one model only"):
        endpoint.choose_model("7B")


@pytest.mark.parametrize(
    ("props", "choice"),
    [
        ({"label": "Model", "choices": ["x-7B", "y-3B"], "value": "y-3B"}, "y-3B"),
        ({"label": "Model", "choices": ["x-7B", "y-3B"]}, "x-7B"),
        ({"label": "Model", "choices": [["Shown", 7]], "value": None}, 7),
        ({"label": "Model", "choices": []}, None),
        ({"label": "Model"}, None),
    ],
)
def test_the_default_model_is_the_app_s(props: Any, choice: Any) -> None:
    parts = {**PARTS, "size": ("dropdown", props)}
    endpoint = find_endpoint(make_config(make_function(["box", "size"], ["out"]), **parts))

    assert endpoint.choose_model("qwen-2.5") == choice


def test_choices_that_are_no_models_keep_their_default() -> None:
    parts = {
        **PARTS,
        "size": ("radio", {"label": "Language", "choices": ["de", "en"], "value": "en"}),
    }
    endpoint = find_endpoint(make_config(make_function(["box", "size"], ["out"]), **parts))

    assert endpoint.choose_model("qwen-2.5") is None
    assert endpoint.data("Hi", "S") == ["Hi", "en"]
    assert endpoint.data("Hi", "S", values=endpoint.place_inputs({"language": "de"})) == [
        "Hi",
        "de",
    ]


def test_the_public_space_is_asked_in_its_own_order() -> None:
    assert QWEN_2_5.data("Hi", "S", model="72B") == ["Hi", [], "S", "72B"]
    assert (QWEN_2_5.fn_index, QWEN_2_5.trigger_id, QWEN_2_5.prefix) == (3, 25, "")


@pytest.mark.parametrize("name", ["Max new tokens", "max_new_tokens", " max new TOKENS: "])
def test_a_further_input_goes_by_its_label(name: str) -> None:
    endpoint = find_endpoint(make_config(make_function(["box", "slider"], ["out"]), **PARTS))

    assert endpoint.data("Hi", "S") == ["Hi", 512]
    assert endpoint.data("Hi", "S", values=endpoint.place_inputs({name: 9})) == ["Hi", 9]


@pytest.mark.parametrize("name", ["temperature", "Message", "system"])
def test_an_unknown_input_is_a_misuse_that_lists_the_others(name: str) -> None:
    endpoint = find_endpoint(make_config(make_function(["box", "slider"], ["out"]), **PARTS))

    with pytest.raises(ValueError, match="further inputs are: Max new tokens"):
        endpoint.place_inputs({name: 1})


@pytest.mark.parametrize(
    ("label", "sampling", "expected"),
    [
        ("Max new tokens", {"max_tokens": 9}, [9]),
        ("max_tokens", {"max_tokens": 9, "temperature": 1}, [9]),
        ("Top-p (nucleus sampling)", {"top_p": 0.5}, [0.5]),
        ("Temperature", {"temperature": 0.5}, [0.5]),
        ("Heat", {"temperature": 0.5, "max_tokens": 9}, []),
        ("Temperature", {}, []),
    ],
)
def test_sampling_goes_to_the_inputs_that_mean_it(
    label: str, sampling: dict[str, float], expected: list[Any]
) -> None:
    parts = {**PARTS, "slider": ("slider", {"label": label, "value": 1})}
    endpoint = find_endpoint(make_config(make_function(["box", "slider"], ["out"]), **parts))

    placed = endpoint.place_sampling(sampling)

    assert list(placed.values()) == expected
    assert endpoint.data("Hi", "S", values=placed) == ["Hi", *(expected or [1])]


def test_a_prompt_for_a_box_with_files_comes_without_files() -> None:
    parts = {**PARTS, "box": ("multimodaltextbox", {"value": {"text": "", "files": []}})}
    endpoint = find_endpoint(make_config(make_function(["box", "state"], ["out"]), **parts))

    assert endpoint.data("Hi", "S") == [{"text": "Hi", "files": []}, 0]


def test_a_value_for_a_model_that_the_page_s_load_has_set_is_the_caller_s() -> None:
    sizes = ("a", "b")
    load = Endpoint("load", 1, None, (Input(None, "Size", "a", sizes, component=5),), None)
    endpoint = Endpoint(
        "answer",
        0,
        None,
        (Input("prompt", "Message"), Input("model", "Size", "a", sizes, component=5)),
        0,
        before=(replace(load, phase="load"),),
    )

    values = endpoint.place_inputs({"Size": "b"})

    assert endpoint.data("Hi", model="a", values=values, loaded={5: "c"}) == ["Hi", "b"]
    assert endpoint.data("Hi", model="a", loaded={5: "c"}) == ["Hi", "c"]


@pytest.mark.parametrize(
    ("other", "takes"),
    [
        pytest.param(step("box chat other heat", "chat", **CLICK), True, id="the-same-chat"),
        pytest.param(step("other chat box heat", "chat", **CLICK), True, id="in-another-order"),
        pytest.param(step("box other heat", "chat", **CLICK), False, id="no-history"),
        pytest.param(step("box chat heat", "chat", **CLICK), False, id="no-system-prompt"),
        pytest.param(step("box chat other", "chat", **CLICK), False, id="no-more"),
        pytest.param(
            step("box chat other heat", "chat", **CLICK, api_visibility="private"),
            False,
            id="private",
        ),
    ],
)
def test_sampling_goes_to_the_function_of_the_same_chat_that_takes_it(
    other: dict[str, Any], takes: bool
) -> None:
    endpoint = find_endpoint(app(step("box chat other", "chat"), other))

    chosen = endpoint.choose_function({"temperature": 0.5}, {}, "qwen-2.5")

    assert endpoint.fn_index == 0
    assert chosen.fn_index == int(takes)
    assert endpoint.choose_function({"max_tokens": 9}, {}, "qwen-2.5") is endpoint


def test_a_model_and_inputs_that_only_the_first_function_takes_keep_it() -> None:
    config = app(
        step("box chat other size_of", "chat"), step("box chat other heat", "chat", **CLICK)
    )
    config["components"].append(
        {"id": "size_of", "type": "radio", "props": {"label": "Model", "choices": ["7B", "72B"]}}
    )
    endpoint = find_endpoint(config)
    sampling = {"temperature": 0.5}

    assert endpoint.choose_function(sampling, {}, "qwen-2.5").fn_index == 1
    assert endpoint.choose_function(sampling, {}, "7B").fn_index == 0
    assert endpoint.choose_function(sampling, {"Nothing": 1}, "qwen-2.5").fn_index == 0
