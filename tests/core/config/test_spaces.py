from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from qwen_space import Timeouts
from qwen_space.config import (
    default_space,
    drop_entry_secrets,
    dump_spaces,
    first_space,
    hide_entry_secrets,
    list_spaces,
    make_config,
    shared_token,
)
from qwen_space.tokens.limits import get_full_name, get_limits

LOCAL = "http://127.0.0.1:7860"
OTHER = "http://127.0.0.1:7861"
TOKEN = "hf_very_secret"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "Qwen/Qwen2.5"),
        ("a/b", "a/b"),
        (" a/b , ", "a/b"),
        (f"a/b,{LOCAL}", ["a/b", LOCAL]),
        (f" a/b ,, {LOCAL}", ["a/b", LOCAL]),
    ],
)
def test_commas_separate_the_spaces_of_the_environment(
    given: str, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", given)

    assert default_space() == expected


def test_several_spaces_are_listed_whatever_they_are_given_as() -> None:
    several = ("a/b", {"space": LOCAL, "endpoint": "/chat"})

    assert list_spaces(several) == ["a/b", LOCAL]
    assert first_space(several) == "a/b"
    assert first_space(LOCAL) == LOCAL


@pytest.mark.parametrize(
    ("space", "said"),
    [
        pytest.param([], "empty list", id="empty"),
        pytest.param(["a/b", 3], "an entry is an id", id="number"),
        pytest.param([{"endpoint": "/chat"}], "as its 'space'", id="no-space"),
        pytest.param([{"space": LOCAL, "histroy": 1}], "'histroy' of its own", id="unknown"),
        pytest.param([{"space": LOCAL, "history": "split"}], "for all Spaces", id="shared"),
        pytest.param(["a/b", "nowhere"], "space='nowhere' is neither", id="no-address"),
        pytest.param(["a/b", {"space": LOCAL, "max_retries": -1}], "max_retries=-1", id="value"),
    ],
)
def test_an_entry_that_cannot_be_right_is_named(space: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_config(space)


def test_no_error_of_an_entry_shows_its_secret() -> None:
    with pytest.raises(ValueError, match="token") as caught:
        make_config(["a/b", {"space": LOCAL, "hf_token": TOKEN, "token": TOKEN}])

    assert TOKEN not in str(caught.value)


def test_a_shared_token_goes_to_hugging_face_and_an_entrys_own_to_it_alone() -> None:
    config = make_config(
        ["a/b", LOCAL, {"space": OTHER, "hf_token": "own"}, {"space": "c/d", "hf_token": None}],
        hf_token=TOKEN,
    )

    assert [each.hf_token for each in config.all_configs] == [TOKEN, None, "own", None]


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ({"hf_token": TOKEN}, "hf_token goes to Spaces on Hugging Face"),
        ({"auth": ("ada", TOKEN)}, "auth is the login of one app"),
        ({"headers": {"authorization": TOKEN}}, "authorization would go to all 2 Spaces"),
    ],
)
def test_a_secret_that_would_go_to_all_of_them_is_refused(
    shared: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        make_config([LOCAL, OTHER], **shared)

    assert TOKEN not in str(caught.value)
    assert make_config([LOCAL], **shared).all_configs == make_config(LOCAL, **shared).all_configs


@pytest.mark.parametrize(
    ("space", "expected"),
    [("a/b", "env"), (LOCAL, None), ([LOCAL, "a/b"], "env"), ([LOCAL, OTHER], None)],
)
def test_the_environments_token_is_for_hugging_face(
    space: Any, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "env")

    assert shared_token(space, None) == expected
    assert shared_token(space, "given") == "given"


def test_stored_entries_are_json_without_secrets() -> None:
    entry = {
        "space": LOCAL,
        "hf_token": TOKEN,
        "auth": ("ada", TOKEN),
        "headers": {"X": TOKEN},
        "proxy": f"http://ada:{TOKEN}@127.0.0.1:3128",
        "verify": Path("ca.pem"),
        "timeouts": Timeouts(total=5),
    }
    stored = dump_spaces(["a/b", entry, {"space": OTHER, "verify": ssl.create_default_context()}])

    assert TOKEN not in str(stored)
    assert stored[1]["verify"] == "ca.pem"
    assert stored[2] == {"space": OTHER}
    assert make_config(stored).all_configs[1].timeouts == Timeouts(total=5)
    assert drop_entry_secrets([entry])[0]["timeouts"] == Timeouts(total=5)
    assert TOKEN not in repr(hide_entry_secrets(["a/b", entry]))


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (["Qwen/Qwen2.5", LOCAL], 129_024),
        ([LOCAL, "Qwen/Qwen2.5-Max-Demo"], 30_720),
        (["Qwen/Qwen2.5", "Qwen/Qwen2.5-Max-Demo"], 30_720),
        (["Qwen/Qwen2.5", {"space": LOCAL, "model": "Qwen2.5-3B-Instruct"}], 30_720),
        ([LOCAL, OTHER], None),
    ],
)
def test_a_chat_has_to_fit_into_the_smallest_window_that_is_known(
    space: Any, expected: int | None
) -> None:
    limits = get_limits("qwen-2.5", space)

    assert (limits and limits.max_input) == expected


def test_the_name_is_that_of_the_first_space_that_tells_one() -> None:
    assert get_full_name("qwen-2.5", [LOCAL, "Qwen/Qwen2.5"]) == "Qwen2.5-72B-Instruct"
    assert get_full_name("qwen-2.5", [LOCAL, OTHER]) == "qwen-2.5"
