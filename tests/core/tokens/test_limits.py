"""Facts about Qwen's models."""

from __future__ import annotations

import pytest

from qwen_space.gradio.page import known_spaces
from qwen_space.tokens.limits import Limits, get_full_name, get_limits

LOCAL = "http://127.0.0.1:7860"


@pytest.mark.parametrize(
    ("model", "name", "window"),
    [
        pytest.param("qwen-2.5", "Qwen2.5-72B-Instruct", 131_072, id="default"),
        pytest.param("qwen-qwen2-5", "Qwen2.5-72B-Instruct", 131_072, id="default-of-old"),
        pytest.param("7B", "Qwen2.5-7B-Instruct", 131_072, id="size"),
        pytest.param("0.5b", "Qwen2.5-0.5B-Instruct", 32_768, id="small-size"),
        pytest.param("Qwen2.5-3B-Instruct", "Qwen2.5-3B-Instruct", 32_768, id="name"),
        pytest.param("Qwen/Qwen2.5-14B-Instruct", "Qwen2.5-14B-Instruct", 131_072, id="hub"),
        pytest.param("qwen2-5-32b", "Qwen2.5-32B-Instruct", 131_072, id="hyphens"),
        pytest.param(
            "Qwen2.5-Coder-1.5B-Instruct", "Qwen2.5-Coder-1.5B-Instruct", 32_768, id="coder"
        ),
        pytest.param(
            "Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
            "Qwen2.5-Coder-1.5B-Instruct",
            32_768,
            id="file",
        ),
        pytest.param("Qwen2.5-7B-Instruct-AWQ", "Qwen2.5-7B-Instruct", 131_072, id="quantized"),
        pytest.param("Qwen2.5-7B-Instruct-1M", "Qwen2.5-7B-Instruct-1M", 1_000_000, id="1m"),
        pytest.param("qwen2.5-turbo", "Qwen2.5-Turbo", 1_000_000, id="turbo"),
        pytest.param("Qwen2.5-Max", "Qwen2.5-Max", 32_768, id="max"),
        pytest.param("qwen3-0.6b", "Qwen3-0.6B", 32_768, id="qwen3-small"),
        pytest.param("qwen3-30b-a3b", "Qwen3-30B-A3B", 131_072, id="qwen3"),
    ],
)
def test_a_model_is_known_by_any_of_its_names(model: str, name: str, window: int) -> None:
    limits = get_limits(model)

    assert limits is not None
    assert (limits.model, limits.context_window) == (name, window)
    assert 0 < limits.max_output < limits.max_input <= window
    assert get_full_name(model) == name


@pytest.mark.parametrize("model", ["SmolLM2-135M", "gpt-4", "7", "", "qwen2.5-9B", "coder"])
def test_of_any_other_nothing_is_known(model: str) -> None:
    assert get_limits(model) is None
    assert get_full_name(model) == model


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("Qwen/Qwen2.5", "Qwen2.5-72B-Instruct"),
        ("https://qwen-qwen2-5-max-demo.hf.space/", "Qwen2.5-Max"),
        ("Qwen/Qwen3-Demo", "Qwen3-235B-A22B"),
        (LOCAL, None),
        ("someone/else", None),
    ],
)
def test_the_default_model_depends_on_the_space(space: str, name: str | None) -> None:
    limits = get_limits("qwen-2.5", space)

    assert (limits and limits.model) == name


def test_a_size_is_qwen_2_5_s_wherever_it_runs() -> None:
    assert get_limits("7B", LOCAL) == get_limits("7B")
    assert isinstance(get_limits("7B", LOCAL), Limits)


@pytest.mark.parametrize("size", known_spaces.QWEN_2_5.inputs[-1].choices or ())
def test_all_that_the_public_space_offers_is_known(size: str) -> None:
    assert get_full_name(size) == f"Qwen2.5-{size}-Instruct"


def test_all_that_the_space_of_qwen_3_offers_is_known() -> None:
    endpoint = known_spaces.get_known_endpoint("https://qwen-qwen3-demo.hf.space")

    assert endpoint is not None
    assert endpoint.inputs[1].choices
    for model in endpoint.inputs[1].choices:
        assert get_limits(model) is not None, model


def test_a_name_of_many_suffixes_is_unknown() -> None:
    # One regex over all suffixes would take exponential time.
    assert get_limits("qwen2.5-7b" + "-gptq" * 5_000 + " x") is None
