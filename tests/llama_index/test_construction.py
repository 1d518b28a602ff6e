"""How an LLM is made: its arguments, the environment, secrets and copies."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.llms import LLM, CustomLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM

from llama_index_qwen_space import QwenSpace
from qwen_space import ContextOverflowError, Timeouts
from tests.llama_index.conformance.calls import ask

TOKEN = "hf_verysecret"
SECRETS: dict[str, Any] = {
    "hf_token": TOKEN,
    "proxy": "http://user:verysecret@proxy.invalid:3128",
    "headers": {"x-key": "verysecret"},
}


def shouted(prompt: str) -> str:
    return prompt.upper()


# Fields


def test_it_is_a_custom_llm_that_calls_functions() -> None:
    assert issubclass(QwenSpace, CustomLLM)
    assert issubclass(QwenSpace, FunctionCallingLLM)
    assert QwenSpace.class_name() == "QwenSpaceLLM"


def test_it_needs_no_argument() -> None:
    llm = QwenSpace()

    assert (llm.space, llm.model) == ("Qwen/Qwen2.5", "qwen-2.5")


WRONG = [
    pytest.param({"temprature": 3}, "'temprature'. Did you mean 'temperature'", id="misspelt"),
    pytest.param({"space": "nowhere"}, "neither a Space's id", id="space"),
    pytest.param({"context_window": 0}, "greater than 0", id="context_window"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_argument_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        QwenSpace(**{"hf_token": TOKEN, **arguments})

    assert TOKEN not in str(caught.value)
    assert "Value error" not in str(caught.value)  # pydantic's words, not ours


METADATA = [
    pytest.param({}, ("Qwen2.5-72B-Instruct", 131_072, 8_192), id="the-public-space"),
    pytest.param(
        {"model": "qwen-qwen2-5"}, ("Qwen2.5-72B-Instruct", 131_072, 8_192), id="its-other-name"
    ),
    pytest.param({"model": "1.5b"}, ("Qwen2.5-1.5B-Instruct", 32_768, 8_192), id="size"),
    pytest.param(
        {"model": "Qwen2.5-7B-Instruct"}, ("Qwen2.5-7B-Instruct", 131_072, 8_192), id="name"
    ),
    pytest.param({"space": "http://127.0.0.1:1"}, ("qwen-2.5", 32_768, 1_024), id="unknown"),
    pytest.param(
        {"space": "http://127.0.0.1:1", "model": "7B"},
        ("Qwen2.5-7B-Instruct", 131_072, 8_192),
        id="a-known-size-elsewhere",
    ),
    pytest.param(
        {"context_window": 9_000, "num_output": 500},
        ("Qwen2.5-72B-Instruct", 9_000, 500),
        id="given",
    ),
    pytest.param({"max_tokens": 77}, ("Qwen2.5-72B-Instruct", 131_072, 77), id="max-tokens"),
    pytest.param(
        {"context_window": 4_096}, ("Qwen2.5-72B-Instruct", 4_096, 1_024), id="a-quarter-of-it"
    ),
    pytest.param(
        {"num_ctx": 4_096}, ("Qwen2.5-72B-Instruct", 4_096, 1_024), id="by-its-other-name"
    ),
    pytest.param(
        {"max_tokens": 77, "num_output": 500},
        ("Qwen2.5-72B-Instruct", 131_072, 500),
        id="given-wins",
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), METADATA)
def test_metadata_is_known_without_asking(
    arguments: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    metadata = QwenSpace(**arguments).metadata

    assert (metadata.model_name, metadata.context_window, metadata.num_output) == expected
    assert metadata.is_chat_model
    assert metadata.is_function_calling_model
    assert metadata.system_role is MessageRole.SYSTEM


@pytest.mark.parametrize("name", ["num_output", "max_tokens"])
def test_an_output_limit_without_room_for_a_prompt_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=4096 leaves no room .*context_window=4096"):
        QwenSpace(context_window=4_096, **{name: 4_096})  # type: ignore[arg-type]


def test_metadata_follows_the_model_when_that_is_changed() -> None:
    llm = QwenSpace()

    llm.model = "3B"

    assert llm.metadata.context_window == 32_768


def test_tool_calling_can_be_switched_off() -> None:
    assert not QwenSpace(is_function_calling_model=False).metadata.is_function_calling_model


@pytest.mark.parametrize("endpoint", ["chat", "acomplete", "stream_chat", "astream_complete"])
async def test_a_prompt_longer_than_the_context_is_not_sent(space: Any, endpoint: str) -> None:
    llm = QwenSpace(space=space.url, context_window=500)

    with pytest.raises(ContextOverflowError, match="takes 500 at most"):
        await ask(llm, endpoint, "many words " * 400)

    assert space.joins == []


@pytest.mark.parametrize("endpoint", ["chat", "acomplete", "stream_chat", "astream_complete"])
@pytest.mark.parametrize("option", [{"stop": 5}, {"model": 5}, {"inputs": 5}, {"top_p": "high"}])
async def test_an_option_of_a_call_that_cannot_be_right_is_named(
    space: Any, endpoint: str, option: dict[str, Any]
) -> None:
    [(name, value)] = option.items()

    with pytest.raises(ValueError, match=f"{name}={value!r} is n"):
        await ask(QwenSpace(space=space.url), endpoint, "Hi", **option)

    assert space.joins == []


# The environment


@pytest.mark.parametrize("given", [None, TOKEN])
def test_only_a_given_token_reaches_a_space_that_is_not_on_hugging_face(
    monkeypatch: pytest.MonkeyPatch, space: Any, given: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")

    QwenSpace(space=space.url, hf_token=given).complete("Hi")

    sent = json.dumps(space.headers)
    assert "hf_environment" not in sent
    assert (TOKEN in sent) == (given is not None)


# Secrets


def test_no_secret_is_in_any_written_form(caplog: pytest.LogCaptureFixture) -> None:
    llm = QwenSpace(space="http://127.0.0.1:1", **SECRETS)
    config = llm._open_space().config

    readings = [
        repr(llm),
        str(llm),
        str(llm.to_dict()),
        llm.to_json(),
        str(llm.to_payload()),
        str(pickle.dumps(llm)),
        repr(config),
    ]

    assert all("verysecret" not in reading for reading in readings)
    assert "give it again: proxy, headers, hf_token" in caplog.text
    assert "verysecret" not in caplog.text


def test_events_have_the_model_by_its_full_name() -> None:
    payload = QwenSpace(model="7B").to_payload()

    assert payload["model"] == payload["model_name"] == "Qwen2.5-7B-Instruct"


@pytest.mark.parametrize("endpoint", ["chat", "acomplete", "stream_complete", "astream_chat"])
async def test_no_secret_is_in_an_event(space: Any, books: Any, endpoint: str) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = books.keep(QwenSpace(space=space.url, hf_token=TOKEN, headers={"x-key": "verysecret"}))
    llm.callback_manager = CallbackManager([debug])

    await ask(llm, endpoint)

    assert books.events
    assert "verysecret" not in "".join(event.model_dump_json() for event in books.events)
    assert "verysecret" not in str(debug.get_llm_inputs_outputs())
    assert "verysecret" in str(space.headers)


# Copies


def test_a_dict_makes_the_same_llm_again() -> None:
    llm = QwenSpace(
        space="http://127.0.0.1:1",
        model="7B",
        system_prompt="Be brief.",
        timeouts=Timeouts(first_token=3),
        stop=["x"],
        inputs={"top_p": 0.5},
    )

    again = QwenSpace.from_dict(json.loads(llm.to_json()))

    assert again.to_dict() == llm.to_dict()
    assert again.timeouts == Timeouts(first_token=3)


def copied(llm: QwenSpace) -> QwenSpace:
    return copy.deepcopy(llm)


def pickled(llm: QwenSpace) -> QwenSpace:
    again = pickle.loads(pickle.dumps(llm))
    assert isinstance(again, QwenSpace)
    return again


@pytest.mark.parametrize("made_again", [copied, pickled, QwenSpace.model_copy])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_copy_answers(space: Any, made_again: Any, used: bool) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief.", completion_to_prompt=shouted)
    if used:
        llm.complete("Hi")

    again = made_again(llm)

    assert again.complete("Hi").text == "Hello there."
    assert space.joins[-1]["data"][:3] == ["HI", [], "Be brief."]


def test_a_deep_copy_keeps_secrets_and_shares_limiter_and_callbacks() -> None:
    llm = QwenSpace(
        rate_limiter=threading.Lock(),  # stands for a limiter, which has one
        callback_manager=CallbackManager([LlamaDebugHandler()]),
        **SECRETS,
    )

    again = copy.deepcopy(llm)

    assert (again.hf_token, again.proxy, again.headers) == tuple(SECRETS.values())
    assert again.headers is not llm.headers
    assert again.rate_limiter is llm.rate_limiter
    assert again.callback_manager is llm.callback_manager


def test_pickling_leaves_the_object_as_it_was() -> None:
    limiter = threading.Lock()  # stands for a limiter, which has one
    llm = QwenSpace(rate_limiter=limiter, **SECRETS)

    pickle.dumps(llm)

    assert llm.rate_limiter is limiter
    assert llm.hf_token == TOKEN


def test_it_may_stand_in_a_field_of_a_model(space: Any) -> None:
    from pydantic import BaseModel, ConfigDict

    class Holder(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        llm: LLM

    llm = QwenSpace(space=space.url)

    assert Holder(llm=llm).llm is llm
    assert llm.chat([ChatMessage("Hi")]).message.content == "Hello there."


def test_importing_it_imports_no_client_and_no_other_framework() -> None:
    code = (
        "import sys, llama_index_qwen_space as package; package.QwenSpace().metadata; "
        "names = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(names & {'aiohttp', 'gradio', 'langchain', 'langchain_core', "
        "'langchain_qwen_space', 'openai'}))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]", done.stderr
