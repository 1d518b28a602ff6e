from __future__ import annotations

import logging

import pytest

from qwen_space.chat_model.arguments import (
    drop_secrets,
    resolve_names,
    take_options,
    warn_unknown,
)

KNOWN = ["space", "hf_token", "timeout", "stop", "max_tokens", "model", "context_window"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("space", "space"),
        ("base_url", "space"),
        ("api_base", "space"),
        ("api_key", "hf_token"),
        ("request_timeout", "timeout"),
        ("stop_sequences", "stop"),
        ("max_new_tokens", "max_tokens"),
        ("model_name", "model"),
        ("num_ctx", "context_window"),
    ],
)
def test_names_of_other_models_mean_ours(name: str, meant: str) -> None:
    assert resolve_names("Model", {name: 1}, KNOWN) == {meant: 1}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seed", r'inputs=\{"seed": \.\.\.\}'),
        ("top_k", r'inputs=\{"top_k": \.\.\.\}'),
        ("model_kwargs", r"inputs=\{\.\.\.\}"),
        ("additional_kwargs", r"inputs=\{\.\.\.\}"),
        ("json_mode", "response_format="),
        ("tokenizer", "extra `tokens`"),
        ("tiemout", "Did you mean 'timeout'"),
        ("zzz", "Known are: space, "),
    ],
)
def test_a_name_that_means_nothing_here_is_told_what_to_use(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"Model has no argument '{name}'.*{says}"):
        resolve_names("Model", {name: 1}, KNOWN)


def test_where_a_window_is_no_argument_the_error_says_so() -> None:
    with pytest.raises(ValueError, match="decides how much its model reads"):
        resolve_names("Model", {"num_ctx": 1}, ["space"])


def test_an_argument_is_not_given_twice() -> None:
    with pytest.raises(ValueError, match="'base_url' is 'space', which is given twice"):
        resolve_names("Model", {"space": "a", "base_url": "b"}, KNOWN)


def test_the_options_of_a_call_are_taken_out_of_its_arguments() -> None:
    kwargs = {"model": "7B", "top_p": 0.5, "temperature": None, "other": 1}

    options = take_options(kwargs, ["x"])

    assert options == {
        "model": "7B",
        "stop": ["x"],
        "inputs": None,
        "headers": None,
        "sampling": {"top_p": 0.5},
    }
    assert kwargs == {"other": 1}


def test_a_call_s_own_stop_wins_also_where_it_is_empty() -> None:
    assert take_options({"stop": []}, ["x"])["stop"] == []


def test_an_unknown_keyword_is_named_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    warn_unknown("Model", ["user", "seed"])
    warn_unknown("Model", [])

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("Model ignores seed, user: a Space has no use for it. It goes")
    assert 'inputs={"seed": ...}' in record.message


@pytest.mark.parametrize(
    ("proxy", "kept"), [("http://a:1", "http://a:1"), ("http://u:p@a:1", None), (None, None)]
)
def test_secrets_are_dropped(proxy: str | None, kept: str | None) -> None:
    secrets = {"hf_token": "hf_x", "auth": ("a", "b"), "headers": {"a": "b"}}
    others = {"space": "s", "verify": False}

    left = drop_secrets({**others, **secrets, "proxy": proxy})

    assert left == {**others, "hf_token": None, "auth": None, "headers": {}, "proxy": kept}
