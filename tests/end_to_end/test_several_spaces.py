"""A model over several Spaces: its stored and shown forms, and its identity."""

from __future__ import annotations

import copy
import json
import pickle
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps, load

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Space, SpaceConfig
from qwen_space.chat_model.arguments import build_config

TOKEN = "hf_very_secret"
LOCAL = "http://127.0.0.1:7860"
ENTRY = {
    "space": LOCAL,
    "hf_token": TOKEN,
    "headers": {"X-Key": TOKEN},
    "auth": ("ada", TOKEN),
    "endpoint": "/chat",
}
SPACES = ["Qwen/Qwen2.5", ENTRY]
MODELS = [ChatQwenSpace, QwenSpace]


def configured(model: Any) -> tuple[SpaceConfig, ...]:
    return build_config(model).all_configs


@pytest.mark.parametrize("model", MODELS)
def test_an_entry_has_its_own_options_and_secrets(model: Any) -> None:
    first, second = configured(model(space=SPACES, strategy="least_queue"))

    assert (first.space, first.hf_token, first.strategy) == ("Qwen/Qwen2.5", None, "least_queue")
    assert (second.endpoint, second.hf_token, second.auth) == ("/chat", TOKEN, ("ada", TOKEN))


@pytest.mark.parametrize("model", MODELS)
def test_the_environment_names_several(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", f"Qwen/Qwen2.5, {LOCAL}")

    assert [each.space for each in configured(model())] == ["Qwen/Qwen2.5", LOCAL]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wrong", [[], ["a/b", {"space": LOCAL, "nope": TOKEN}], ["a/b", "x"]])
def test_spaces_that_cannot_be_right_are_misuse(model: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="space") as caught:
        model(space=wrong)

    assert TOKEN not in str(caught.value)


SHOWN: list[Callable[[Any], object]] = [
    lambda model: repr(model),
    lambda model: model.model_dump_json(),
    lambda model: str(model.model_dump()),
    lambda model: pickle.dumps(model),
    lambda model: pickle.dumps(build_config(model)),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("show", SHOWN)
def test_no_secret_of_an_entry_shows(model: Any, show: Callable[[Any], object]) -> None:
    shown = show(model(space=SPACES))

    assert TOKEN not in str(shown)
    assert LOCAL in str(shown)


@pytest.mark.parametrize(
    "show",
    [
        dumps,
        lambda model: str(model._identifying_params),
        lambda model: str(model._get_ls_params()),
        lambda model: model._get_llm_string(),
    ],
)
def test_no_secret_of_an_entry_shows_in_langchains_forms(
    show: Callable[[ChatQwenSpace], str],
) -> None:
    assert TOKEN not in show(ChatQwenSpace(space=SPACES))


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_langchain_stores_several_spaces_and_loads_them_again() -> None:
    spaces = ["Qwen/Qwen2.5", {"space": LOCAL, "endpoint": "/chat"}]
    model = ChatQwenSpace(space=spaces)
    loaded = load(
        dumpd(model), allowed_objects=[ChatQwenSpace], valid_namespaces=["langchain_qwen_space"]
    )

    assert loaded == model
    assert json.loads(dumps(model))["kwargs"]["space"] == spaces


def test_llama_index_stores_several_spaces_and_loads_them_again() -> None:
    model = QwenSpace(space=["Qwen/Qwen2.5", {"space": LOCAL, "endpoint": "/chat"}])

    assert configured(QwenSpace.from_dict(model.to_dict())) == configured(model)


@pytest.mark.parametrize("model", MODELS)
def test_a_copy_checks_certificates_as_the_original(model: Any) -> None:
    check = ssl.create_default_context()
    spaces = ["a/b", {"space": LOCAL, "verify": check}]

    assert configured(copy.deepcopy(model(space=spaces)))[1].verify is check


def test_the_key_in_a_cache_is_that_of_these_spaces() -> None:
    def key(*spaces: Any) -> str:
        return ChatQwenSpace(space=list(spaces))._get_llm_string()

    assert key("a/b", LOCAL) == key("a/b", LOCAL)
    keys = {key("a/b"), key("a/b", LOCAL), key(LOCAL, "a/b"), key("a/b", {**ENTRY, "model": "x"})}
    assert len(keys) == 4


def test_the_limits_are_the_smallest_that_are_known() -> None:
    spaces = ["Qwen/Qwen2.5", "Qwen/Qwen2.5-Max-Demo"]

    assert ChatQwenSpace(space=spaces).profile["max_input_tokens"] == 30_720  # type: ignore[index]
    assert QwenSpace(space=spaces).metadata.context_window == 32_768
    assert ChatQwenSpace(space=spaces)._get_ls_params()["ls_model_name"] == "Qwen2.5-72B-Instruct"


def test_a_pickled_space_knows_its_spaces_and_no_failure() -> None:
    space = Space(["a/b", LOCAL])
    space._cooldowns.fail(0, OSError())
    assert space._cooldowns.left(0) > 0

    twin = pickle.loads(pickle.dumps(space))

    assert [each.space for each in twin.config.all_configs] == ["a/b", LOCAL]
    assert twin._cooldowns.left(0) == 0
