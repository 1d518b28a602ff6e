from __future__ import annotations

import copy
import pickle
import re
import ssl
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from qwen_space.chat_model.space import Space
from qwen_space.client.client import SpaceClient
from qwen_space.config import SpaceConfig, Timeouts, space_url

TOKEN = "hf_very_secret"


@pytest.mark.parametrize(
    ("space", "url"),
    [
        ("Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space"),
        (" Qwen/Qwen2.5\n", "https://qwen-qwen2-5.hf.space"),
        ("Qwen/Qwen2.5-72B-Instruct", "https://qwen-qwen2-5-72b-instruct.hf.space"),
        ("some_one/my_chat.app", "https://some-one-my-chat-app.hf.space"),
        ("owner/name-", "https://owner-name.hf.space"),
        ("https://huggingface.co/spaces/Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space"),
        ("https://huggingface.co/spaces/Qwen/Qwen2.5/tree/main", "https://qwen-qwen2-5.hf.space"),
        ("http://www.huggingface.co/spaces/a/b?x=1", "https://a-b.hf.space"),
        ("https://qwen-qwen2-5.hf.space", "https://qwen-qwen2-5.hf.space"),
        ("https://qwen-qwen2-5.hf.space/", "https://qwen-qwen2-5.hf.space"),
        ("http://127.0.0.1:7860", "http://127.0.0.1:7860"),
        ("http://127.0.0.1:7860/", "http://127.0.0.1:7860"),
        ("http://[::1]:7860", "http://[::1]:7860"),
        ("https://example.org/apps/chat", "https://example.org/apps/chat"),
        ("https://example.org/apps/chat//", "https://example.org/apps/chat"),
        ("https://example.org/chat?__theme=dark#top", "https://example.org/chat"),
        ("HTTP://localhost:7860", "http://localhost:7860"),
        ("hf.co/spaces/Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space"),
        ("https://hf.co/spaces/Qwen/Qwen2.5/", "https://qwen-qwen2-5.hf.space"),
        ("huggingface.co/spaces/Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space"),
        ("spaces/Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space"),
        ("qwen-qwen2-5.hf.space", "https://qwen-qwen2-5.hf.space"),
        ("Qwen-Qwen2-5.HF.space/", "https://qwen-qwen2-5.hf.space"),
        ("qwen-qwen2-5.hf.space/chat", "https://qwen-qwen2-5.hf.space/chat"),
        ("abc123.gradio.live", "https://abc123.gradio.live"),
        ("127.0.0.1:7860", "http://127.0.0.1:7860"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.0.0.1/chat", "http://127.0.0.1/chat"),
        ("0.0.0.0:7860", "http://0.0.0.0:7860"),
        ("[::1]:7860/", "http://[::1]:7860"),
        ("localhost:7860/chat", "http://localhost:7860/chat"),
        ("localhost", "http://localhost"),
        ("localhost/chat", "http://localhost/chat"),
        ("192.168.0.7:7860", "http://192.168.0.7:7860"),
        ("gpu-box:7860", "http://gpu-box:7860"),
        ("chat.example.org:443/app", "https://chat.example.org:443/app"),
        ("chat.example.org:8080/a/b", "http://chat.example.org:8080/a/b"),
        ("chat.example.org", "https://chat.example.org"),
        ("chat.example.org/a/b", "https://chat.example.org/a/b"),
    ],
)
def test_a_space_has_an_address(space: str, url: str) -> None:
    assert space_url(space) == url
    assert SpaceConfig(space=space).url == url


@pytest.mark.parametrize(
    "space",
    [
        "",
        " ",
        "Qwen",
        "/Qwen2.5",
        "Qwen/",
        "a/b/c",
        "a b/c",
        "Qwen:72B",
        "a b.example.org:80",
        "localhost:port",
        "127.0.0.1:99999",
        "//127.0.0.1:7860",
        "hf.co/spaces/Qwen",
        "https://huggingface.co/Qwen/Qwen2.5-7B-Instruct",
        "ftp://example.org",
        "file:///etc/passwd",
        "http://",
        "https:///chat",
        "http://[::1",
    ],
)
def test_a_malformed_address_is_a_misuse(space: str) -> None:
    with pytest.raises(ValueError, match="neither a Space's id"):
        SpaceConfig(space=space)


@pytest.mark.parametrize(
    "space",
    [
        "http://user:pw@example.org",
        "https://hf_token@example.org",
        "user:pw@127.0.0.1:7860",
        "user:pw@example.org",
        "https://user:pw@hf.co/spaces/a/b",
        "http://user:pw@[::1",
        "http://user:pw@127.0.0.1:99999",
    ],
)
def test_a_password_in_the_address_is_a_misuse_that_is_not_repeated(space: str) -> None:
    with pytest.raises(ValueError, match=r"auth=\(user, password\)") as caught:
        SpaceConfig(space=space)

    assert "Authorization" in str(caught.value)

    assert "pw" not in str(caught.value).replace("password", "")
    assert "hf_token" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"max_retries": -1}, "max_retries=-1"),
        ({"history": "both"}, "history='both'"),
        ({"model": ""}, "model is empty"),
        ({"proxy": "ftp://127.0.0.1:1080"}, "proxy must be a URL"),
        ({"proxy": "127.0.0.1:3128"}, "proxy must be a URL"),
        ({"auth": "user:pw"}, "auth must be a pair"),
        ({"auth": ("user",)}, "auth must be a pair"),
        ({"auth": ("user", None)}, "auth must be a pair"),
        ({"verify": None}, "verify=None: True, False, the path"),
        ({"verify": 1.5}, "verify=1.5"),
        ({"headers": "X-A: b"}, "headers must be a mapping"),
        ({"headers": {"X A": "b"}}, "'X A' is no name of a header"),
        ({"headers": {"X-A": b"b"}}, "the value of 'X-A' is no text"),
        ({"headers": {"X-A": "b\nX-B: c"}}, "the value of 'X-A' is no text"),
    ],
)
@pytest.mark.parametrize("make", [SpaceConfig, SpaceClient])
def test_a_bad_value_is_a_misuse(make: Any, value: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(**value)


def test_a_proxy_s_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="proxy must be") as caught:
        SpaceConfig(proxy="ftp://user:secret@127.0.0.1:1080")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"max_size": 0}, "max_size=0: bytes above 0"),
        ({"max_file_size": -1}, "max_file_size=-1: bytes above 0"),
        ({"max_files": -1}, "max_files=-1: a number of files from 0 on"),
        ({"max_queue": 0}, "max_queue=0: events above 0"),
        ({"strategy": "fastest"}, 'strategy=\'fastest\': "sticky" or "least_queue"'),
        ({"roles": {"Question": "user"}}, "'Question': 'user'}: a role is prompt, history"),
        ({"roles": {"A": "prompt", 2: "prompt"}}, "a role can be of one input only"),
        ({"reasoning_tags": "<think>"}, "reasoning_tags='<think>': two texts, or None"),
        ({"reasoning_tags": ("<a>", " ")}, "a tag is empty"),
        ({"hf_token": "hf_\n1"}, "hf_token has characters that no token has"),
        ({"hub": "huggingface.co"}, "hub must be a URL"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_the_bounds(value: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        SpaceConfig(**value)


LIMITS = [each.name for each in fields(Timeouts)]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seconds", [0, -1, 0.0, float("nan")])
def test_a_time_limit_is_above_zero(limit: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=rf"Timeouts\({limit}="):
        Timeouts(**{limit: seconds})


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seconds", [None, 0.1, 1, float("inf")])
def test_none_is_no_limit(limit: str, seconds: float | None) -> None:
    assert getattr(Timeouts(**{limit: seconds}), limit) == seconds


def test_a_reply_may_take_as_long_as_it_likes_by_default() -> None:
    assert Timeouts().total is None


SECRETS = SpaceConfig(
    hf_token=TOKEN,
    proxy="http://user:proxy_secret@127.0.0.1:3128",
    headers={"Cookie": "cookie_secret"},
    auth=("ada", "login_secret"),
)


@pytest.mark.parametrize(
    "holder",
    [SECRETS, Space.from_config(SECRETS), SpaceClient.from_config(SECRETS)],
    ids=lambda holder: type(holder).__name__,
)
def test_no_secret_is_in_a_repr(holder: object) -> None:
    assert "secret" not in repr(holder)
    assert "secret" not in str(holder)
    assert "secret" not in f"{holder}"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_everything_but_the_secrets(protocol: int) -> None:
    open_proxy = replace(SECRETS, proxy="http://127.0.0.1:3128", model="7B")
    pickled = pickle.dumps(SECRETS, protocol), pickle.dumps(open_proxy, protocol)

    assert b"secret" not in b"".join(pickled)
    without = replace(SECRETS, hf_token=None, headers={}, auth=None)
    assert pickle.loads(pickled[0]) == replace(without, proxy=None)
    assert pickle.loads(pickled[1]) == replace(without, proxy="http://127.0.0.1:3128", model="7B")


def test_a_context_of_tls_is_no_part_of_a_pickle() -> None:
    config = SpaceConfig(verify=ssl.create_default_context())

    assert pickle.loads(pickle.dumps(config)).verify is True


@pytest.mark.parametrize("verify", [False, "ca.pem", Path("certificates")])
def test_other_values_of_verify_are_part_of_a_pickle(verify: Any) -> None:
    assert pickle.loads(pickle.dumps(SpaceConfig(verify=verify))).verify == verify


def test_a_password_is_shown_in_no_trace() -> None:
    auth = SpaceConfig(auth=("ada", "login_secret")).auth

    assert auth == ("ada", "login_secret")
    assert repr(auth) == "('ada', '**********')"


@pytest.mark.parametrize(
    ("token", "kept"),
    [("hf_x\n", "hf_x"), (" hf_x ", "hf_x"), ("", None), ("  ", None), (None, None)],
)
def test_white_space_is_no_part_of_a_token(token: str | None, kept: str | None) -> None:
    assert SpaceConfig(hf_token=token).hf_token == kept


@pytest.mark.parametrize("token", ["hf_\x00x", "hf_é", "hf_a\nb"])
def test_a_malformed_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match="hf_token has characters") as caught:
        SpaceConfig(hf_token=token)

    assert token not in str(caught.value)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_holds_the_token_too(copied: Any) -> None:
    assert copied(SECRETS) == SECRETS
    assert copied(SECRETS).hf_token == TOKEN


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SECRETS.space = "a/b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Timeouts().total = 1.0  # type: ignore[misc]
