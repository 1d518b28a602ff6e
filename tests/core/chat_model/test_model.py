"""The part of a chat model that is the same in each framework, in one that has no framework."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import ssl
from dataclasses import fields
from typing import Any

import pytest
from pydantic import Field

from qwen_space import Timeouts
from qwen_space.chat_model.arguments import build_config
from qwen_space.chat_model.model import SpaceChatModel
from qwen_space.chat_model.reply import ChatReply
from qwen_space.config import SpaceConfig
from qwen_space.tools import Message
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events

TOKEN = "hf_verysecret"
ELSEWHERE = "http://127.0.0.1:1"


class Model(SpaceChatModel):
    hf_token: str | None = Field(default=None, exclude=True, repr=False)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QWEN_SPACE_URL", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


# Construction


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"temprature": 1}, "Did you mean 'temperature'", id="misspelt"),
        pytest.param({"zzz": 3}, "Model has no argument 'zzz'. Known are: .*space", id="unknown"),
        pytest.param({"space": "not a space"}, "not a space", id="space"),
        pytest.param({"max_retries": -1}, "max_retries=-1", id="max-retries"),
        pytest.param({"max_tokens": 0}, "max_tokens: Input should be greater", id="max-tokens"),
        pytest.param({"model": ""}, "model is empty", id="model"),
        pytest.param({"history": "none"}, "history", id="history"),
        pytest.param({"stop": [""]}, "stop sequence is empty", id="stop"),
        pytest.param({"timeout": 0}, "timeout", id="timeout"),
        pytest.param({"timeouts": {"connect": -1}}, "seconds above 0", id="timeouts"),
        pytest.param({"auth": ("a",)}, "auth", id="auth"),
        pytest.param({"proxy": "ftp://127.0.0.1:1"}, "socks5://127", id="proxy"),
    ],
)
def test_a_bad_argument_fails_in_the_constructor(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Model(**{"hf_token": TOKEN, **arguments})

    assert TOKEN not in str(caught.value)
    assert "Value error" not in str(caught.value)  # pydantic's words, not ours
    assert type(caught.value) is ValueError


def test_the_error_of_a_bad_argument_leads_to_no_error_that_holds_the_token() -> None:
    with pytest.raises(ValueError, match="max_retries") as caught:
        Model(hf_token=TOKEN, max_retries=-1)

    assert caught.value.__context__ is None  # `raise ... from None` would keep it
    assert caught.value.__cause__ is None


def test_each_option_of_a_space_is_a_field() -> None:
    # The token is each framework's own; the others are made of other fields, or of the environment.
    made = {"hf_token", "sampling", "models", "fallbacks", "hub"}

    assert {each.name for each in fields(SpaceConfig)} - set(SpaceChatModel.model_fields) == made


def test_the_space_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", "http://127.0.0.1:7861")

    assert Model().space == "http://127.0.0.1:7861"
    assert Model(space="a/b").space == "a/b"


@pytest.mark.parametrize(
    ("space", "given", "sent"),
    [
        pytest.param("Qwen/Qwen2.5", None, "hf_env", id="environment-to-hugging-face"),
        pytest.param("http://qwen-qwen2-5.hf.space", None, "hf_env", id="over-https-at-any-rate"),
        pytest.param(ELSEWHERE, None, None, id="environment-to-nobody-else"),
        pytest.param("https://hf.space.evil.example", None, None, id="look-alike"),
        pytest.param(ELSEWHERE, "hf_mine", "hf_mine", id="given"),
        pytest.param("Qwen/Qwen2.5", "", None, id="given-as-none"),
    ],
)
def test_a_token_of_the_environment_goes_to_hugging_face_only(
    monkeypatch: pytest.MonkeyPatch, space: str, given: str | None, sent: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_env")

    assert build_config(Model(space=space, hf_token=given)).hf_token == sent


@pytest.mark.parametrize(
    ("timeout", "silence"),
    [pytest.param(45, 45, id="long"), pytest.param(5, 20, id="shorter-than-heartbeats")],
)
def test_timeout_limits_the_first_token_and_silence(timeout: float, silence: float) -> None:
    limits = build_config(Model(timeout=timeout, timeouts=Timeouts(connect=3))).timeouts

    assert (limits.connect, limits.first_token, limits.silence) == (3, timeout, silence)


def test_a_hub_of_one_s_own_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org")
    assert build_config(Model()).hub == "https://hub.example.org"

    monkeypatch.setenv("HF_ENDPOINT", "hub")
    with pytest.raises(ValueError, match="hub must be a URL"):
        Model()


def test_one_stop_sequence_may_be_a_text() -> None:
    assert Model(stop="END").stop == ["END"]  # type: ignore[arg-type]


def test_a_dump_makes_the_same_model_again() -> None:
    model = Model(space=ELSEWHERE, timeouts=Timeouts(first_token=3), roles={"2": "system"})

    dumped = {**json.loads(model.model_dump_json()), "class_name": "Model"}

    assert Model(**dumped) == model


# Calls


def ask(
    asked: Model, replies: list[str], kwargs: dict[str, Any]
) -> tuple[ScriptedSession, ChatReply]:
    session = ScriptedSession([reply_events(reply) for reply in replies])
    object.__setattr__(asked, "_open_space", lambda: session)
    call = asked._make_call([Message("user", "Hi")], asked._take_arguments(kwargs), None)
    return session, call.complete()


def test_a_call_has_the_model_s_stop_and_its_own_options() -> None:
    session, reply = ask(Model(stop=["x"]), ["Hello."], {"model": "7B"})

    assert reply.text == "Hello."
    assert (session.options[0]["stop"], session.options[0]["model"]) == (["x"], "7B")


@pytest.mark.parametrize(
    ("arguments", "is_given"),
    [
        ({}, True),
        ({"history": "native"}, True),
        ({"tool_advice": False}, False),
    ],
)
def test_advice_on_tools_is_given_unless_it_is_not_wanted(
    arguments: dict[str, Any], is_given: bool
) -> None:
    tools = [{"type": "function", "function": {"name": "add"}}]

    session, _ = ask(Model(**arguments), ["Hello."], {"tools": tools})

    system = session.chats[0][0].text
    assert ("When none fits the question" in system) == is_given


def test_a_changed_field_takes_effect() -> None:
    model = Model(space=ELSEWHERE)
    before = model._open_space()
    assert model._open_space() is before

    model.model = "7B"

    assert model._open_space().config.model == "7B"


# Copies

SECRETS: dict[str, Any] = {
    "proxy": "http://user:verysecret@proxy.invalid:3128",
    "auth": ("user", "verysecret"),
    "headers": {"x-key": "verysecret"},
    "hf_token": TOKEN,
}


def test_no_secret_can_be_read_of_it() -> None:
    model = Model(space=ELSEWHERE, **SECRETS)

    for reading in (repr(model), str(model), model.model_dump_json(), repr(model._open_space())):
        assert "verysecret" not in reading


def test_a_pickle_is_without_secrets_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = Model(space=ELSEWHERE, model="7B", **SECRETS)
    model._open_space()

    pickled = pickle.dumps(model)

    again = pickle.loads(pickled)
    assert b"verysecret" not in pickled
    assert (again.space, again.model, again.hf_token) == (ELSEWHERE, "7B", None)
    assert build_config(model).hf_token == TOKEN
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == "not pickled, so give it again: proxy, auth, headers, hf_token"


def test_a_pickle_without_secrets_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    model = Model(proxy="http://127.0.0.1:3128", verify="/etc/ca.pem")

    assert pickle.loads(pickle.dumps(model)) == model
    assert caplog.records == []


def test_a_deep_copy_keeps_secrets_and_shares_the_tls_context() -> None:
    model = Model(**SECRETS, verify=ssl.create_default_context())

    again = copy.deepcopy(model)

    assert again == model
    assert again.headers is not model.headers
    assert again.verify is model.verify
