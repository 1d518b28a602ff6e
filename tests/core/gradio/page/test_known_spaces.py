from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.page.known_spaces import get_known_endpoint


@pytest.mark.parametrize(
    ("url", "figures"),
    [
        ("https://qwen-qwen2-5.hf.space", (3, 25, "", 1)),
        ("https://qwen-qwen2-72b-instruct.hf.space", (0, 11, "", 1)),
        ("https://qwen-qwen2-5-max-demo.hf.space", (0, 11, "/gradio_api", 1)),
        ("https://qwen-qwen3-demo.hf.space", (13, 31, "/gradio_api", 5)),
    ],
)
def test_a_known_space_has_its_own_figures(url: str, figures: tuple[Any, ...]) -> None:
    profile = get_known_endpoint(url)

    assert profile is not None
    assert (profile.fn_index, profile.trigger_id, profile.prefix, profile.output) == figures


def test_a_space_that_is_not_known_has_none() -> None:
    assert get_known_endpoint("http://127.0.0.1:7860") is None


@pytest.mark.parametrize(
    ("inputs", "settings"),
    [
        pytest.param({}, {"thinking_budget": 38}, id="defaults"),
        pytest.param({"thinking_budget": 5}, {"thinking_budget": 5}, id="by-name"),
    ],
)
def test_settings_hold_the_system_prompt_the_model_and_more(
    inputs: dict[str, Any], settings: dict[str, Any]
) -> None:
    profile = get_known_endpoint("https://qwen-qwen3-demo.hf.space")
    assert profile is not None

    model = profile.choose_model("qwen3-32b")
    data = profile.data("Hi", "Be brief.", model=model, values=profile.place_inputs(inputs))

    assert data == ["Hi", {"model": "qwen3-32b", "sys_prompt": "Be brief.", **settings}, None, None]
    assert profile.choose_model("qwen-2.5") == "qwen3-235b-a22b"
    assert profile.takes("system")
