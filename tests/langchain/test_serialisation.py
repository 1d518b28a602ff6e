"""Pickles, copies, dumps and caches: complete, without the token, and apart from each other."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, load

from langchain_qwen_space import ChatQwenSpace
from qwen_space import Timeouts
from qwen_space.chat_model.arguments import build_config

if TYPE_CHECKING:
    from conftest import ScriptedSpace

TOKEN = "hf_verysecret"

ARGUMENTS: dict[str, Any] = {
    "space": "http://127.0.0.1:7860",
    "model": "7B",
    "system_prompt": "Be brief.",
    "temperature": 0.2,
    "stop": ["END"],
    "timeouts": Timeouts(first_token=7.0),
    "history": "native",
    "endpoint": "chat",
    "inputs": {"Style": "terse"},
}


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_a_model_survives_dumping_and_loading() -> None:
    model = ChatQwenSpace(**ARGUMENTS, hf_token=TOKEN)

    loaded = load(
        dumpd(model),
        allowed_objects=[ChatQwenSpace],
        valid_namespaces=["langchain_qwen_space"],
        secrets_map={"HF_TOKEN": TOKEN},
    )

    assert loaded == model
    assert loaded.hf_token.get_secret_value() == TOKEN


def test_a_dump_names_each_argument_and_hides_the_token() -> None:
    dumped = json.loads(dumps(ChatQwenSpace(**ARGUMENTS, hf_token=TOKEN)))

    kwargs = dumped["kwargs"]
    assert kwargs["hf_token"] == {"lc": 1, "type": "secret", "id": ["HF_TOKEN"]}
    assert kwargs["timeouts"]["first_token"] == 7.0
    assert {name: kwargs[name] for name in ARGUMENTS if name != "timeouts"} == {
        name: value for name, value in ARGUMENTS.items() if name != "timeouts"
    }


def test_a_pickle_has_all_but_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    model = ChatQwenSpace(**ARGUMENTS, hf_token=TOKEN)

    pickled = pickle.dumps(model)

    assert TOKEN.encode() not in pickled
    assert pickle.loads(pickled) == ChatQwenSpace(**ARGUMENTS)


def test_an_unpickled_model_takes_the_token_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_machine")

    model = pickle.loads(pickle.dumps(ChatQwenSpace(hf_token=TOKEN)))

    assert build_config(model).hf_token == "hf_of_this_machine"


def test_a_pickle_has_no_secret_header_and_no_proxys_password() -> None:
    model = ChatQwenSpace(
        headers={"Authorization": TOKEN}, proxy=f"http://user:{TOKEN}@127.0.0.1:3128"
    )
    open_proxy = ChatQwenSpace(proxy="http://127.0.0.1:3128")

    assert TOKEN.encode() not in pickle.dumps(model)
    assert TOKEN.encode() not in pickle.dumps(build_config(model))
    assert pickle.loads(pickle.dumps(open_proxy)).proxy == "http://127.0.0.1:3128"


def test_copies_and_pickles_of_a_used_model_work(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, hf_token=TOKEN)
    model.invoke("Hi")

    copied = copy.deepcopy(model)
    unpickled = pickle.loads(pickle.dumps(model))

    assert copied.hf_token == model.hf_token
    assert [each.invoke("Hi").text for each in (copied, unpickled)] == ["Hello there."] * 2


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(dumps, id="dumps"),
        pytest.param(lambda model: model.model_dump_json(), id="model-dump-json"),
        pytest.param(lambda model: str(model._identifying_params), id="identifying-params"),
        pytest.param(lambda model: str(model._get_ls_params()), id="langsmith-params"),
        pytest.param(lambda model: model._get_llm_string(), id="cache-key"),
    ],
)
def test_no_secret_shows(leak: Any) -> None:
    model = ChatQwenSpace(
        hf_token=TOKEN,
        proxy=f"http://user:{TOKEN}@127.0.0.1:3128",
        headers={"Authorization": TOKEN},
    )

    assert TOKEN not in leak(model)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temprature": 1}, "temprature"),
        ({"max_retries": -1}, "max_retries"),
        ({"hf_token": [TOKEN]}, "hf_token"),
    ],
)
def test_an_error_of_the_constructor_does_not_hold_the_token(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        ChatQwenSpace(**{"hf_token": TOKEN, **wrong})

    chain = [caught.value, caught.value.__cause__]
    assert all(TOKEN not in f"{error!s}{error!r}{vars(error)}" for error in chain if error)
    assert not hasattr(caught.value, "errors")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"model": "7B"}, id="model"),
        pytest.param({"space": "http://127.0.0.1:7861"}, id="space"),
        pytest.param({"system_prompt": "Rhyme."}, id="system-prompt"),
        pytest.param({"temperature": 0.9}, id="temperature"),
        pytest.param({"endpoint": "chat"}, id="endpoint"),
        pytest.param({"stop": ["x"]}, id="stop"),
        pytest.param({"inputs": {"Style": "long"}}, id="inputs"),
        pytest.param({"history": "native"}, id="history"),
        pytest.param({"tool_advice": False}, id="tool-advice"),
    ],
)
def test_a_cache_tells_two_models_apart(other: dict[str, Any]) -> None:
    one = {"space": "http://127.0.0.1:7860"}

    first, second = ChatQwenSpace(**one), ChatQwenSpace(**{**one, **other})

    assert first._get_llm_string() != second._get_llm_string()
    assert first._identifying_params != second._identifying_params


def test_a_shared_cache_answers_each_model_with_its_own_text(space: ScriptedSpace) -> None:
    cache = InMemoryCache()
    big, small = (ChatQwenSpace(space=space.url, model=size, cache=cache) for size in ("72B", "7B"))
    space.engine.reply = ["from 72B"]
    big.invoke("Hi")
    space.engine.reply = ["from 7B"]
    small.invoke("Hi")
    space.engine.reply = ["from neither: it was asked again"]

    answers = [model.invoke("Hi").text for model in (big, small)]

    assert answers == ["from 72B", "from 7B"]
