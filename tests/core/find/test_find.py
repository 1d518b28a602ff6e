from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from qwen_space import (
    AuthenticationError,
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)
from qwen_space.find import FoundSpace, afind_spaces, find_spaces
from qwen_space.find.hub import Candidate, Query, list_candidates
from tests.hub_list import HubList, Listed
from tests.scripted_server import CONFIG

TOKEN = "hf_very_secret"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No token of this machine, and none of its settings."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close the connections of the hub's client, which it keeps for the whole process."""
    yield
    from huggingface_hub import close_session

    close_session()


def settings() -> dict[str, Any]:
    """Return the `/config` of an app with a system prompt, two models and a temperature."""
    config: dict[str, Any] = copy.deepcopy(CONFIG)
    props = {"label": "Model", "choices": [["7B", "7B"], ["72B", "72B"]], "value": "72B"}
    config["components"] += [
        {"id": 3, "type": "textbox", "props": {"label": "System prompt"}},
        {"id": 4, "type": "dropdown", "props": props},
        {
            "id": 5,
            "type": "slider",
            "props": {"label": "Temperature", "minimum": 0, "maximum": 1, "value": 0.7},
        },
    ]
    config["dependencies"][0]["inputs"] += [3, 4, 5]
    return config


RUNNING = {"sdk": "gradio", "runtime": {"stage": "RUNNING"}}
NO_CHAT = {**CONFIG, "dependencies": []}


async def test_spaces_that_can_chat_are_listed_with_their_inputs() -> None:
    spaces = [
        Listed("a/Qwen2.5-chat", likes=3, models=["Qwen/Qwen2.5-7B-Instruct"], queue=4),
        Listed("b/qwen2.5-all", likes=9, config=settings(), hardware="zero-a10g", queue=None),
    ]
    async with HubList(spaces) as hub:
        found = await afind_spaces(hub=hub.url)

    assert [each.space for each in found] == ["b/qwen2.5-all", "a/Qwen2.5-chat"]
    first, second = found
    assert first.takes == ("system prompt", "history", "model", "temperature")
    assert (first.models, first.hardware, first.queue) == (("7B", "72B"), "zero-a10g", None)
    assert second.takes == ("history",)
    assert (second.models, second.queue, second.likes) == (("Qwen/Qwen2.5-7B-Instruct",), 4, 3)
    assert 0 < second.seconds < 5
    assert hub.asked[0] == {
        "search": "qwen2.5",
        "filter": "gradio",
        "sort": "likes",
        "limit": "200",
        "expand": ["likes", "models", "private", "runtime", "sdk", "subdomain"],
    }


@pytest.mark.parametrize(
    "space",
    [
        pytest.param(Listed("a/qwen2.5", config=500), id="broken"),
        pytest.param(Listed("a/qwen2.5", config=404), id="no-app"),
        pytest.param(Listed("a/qwen2.5", config=401), id="login"),
        pytest.param(Listed("a/qwen2.5", config=NO_CHAT), id="no-chat"),
        pytest.param(Listed("a/qwen2.5", config="<html>"), id="no-config"),
        pytest.param(Listed("a/qwen2.5", config={"components": 3}), id="nonsense"),
    ],
)
async def test_a_space_that_cannot_chat_is_left_out(space: Listed) -> None:
    async with HubList([space, Listed("b/qwen2.5")]) as hub:
        found = await afind_spaces(hub=hub.url)

    assert [each.space for each in found] == ["b/qwen2.5"]
    assert sorted(hub.looked) == ["a/qwen2.5", "b/qwen2.5"]


@pytest.mark.parametrize(
    "space",
    [
        Listed("a/qwen2.5", stage="SLEEPING"),
        Listed("a/qwen2.5", stage="PAUSED"),
        Listed("a/qwen2.5", stage="RUNTIME_ERROR"),
        Listed("a/qwen2.5", sdk="streamlit"),
        Listed("a/llama"),
        Listed("a/qwen2.5", likes=1),
        Listed("a/qwen2.5", hardware="cpu-basic", likes=9),
        Listed("a/qwen2.5", hardware=None, likes=9),
    ],
)
async def test_a_space_that_is_not_running_or_filtered_out_is_not_looked_at(
    space: Listed,
) -> None:
    other = Listed("b/qwen2.5", hardware="zero-a10g", likes=5)
    async with HubList([space, other]) as hub:
        found = await afind_spaces(hub=hub.url, hardware="zero-a10g", min_likes=5)

    assert [each.space for each in found] == ["b/qwen2.5"]
    assert hub.looked == ["b/qwen2.5"]


async def test_all_pages_are_read_and_eight_at_most_are_looked_at_at_once() -> None:
    spaces = [Listed(f"a/qwen2.5-{i}", likes=100 - i, seconds=0.02) for i in range(20)]
    async with HubList(spaces, page=6) as hub:
        found = await afind_spaces(hub=hub.url, limit=20)

    assert [each.space for each in found] == [each.name for each in spaces]
    assert [query.get("cursor") for query in hub.asked] == [None, "6", "12", "18"]
    assert 1 < hub.most <= 8


async def test_no_more_are_looked_at_than_are_needed() -> None:
    spaces = [Listed(f"a/qwen2.5-{i}", likes=100 - i) for i in range(20)]
    async with HubList(spaces) as hub:
        found = await afind_spaces(hub=hub.url, limit=3)

    assert len(found) == 3
    assert len(hub.looked) == 8


async def test_a_slow_space_does_not_hold_the_others_back() -> None:
    spaces = [Listed("a/qwen2.5", likes=9, seconds=60), Listed("b/qwen2.5")]
    async with HubList(spaces) as hub:
        found = await afind_spaces(hub=hub.url, seconds=1.0)

    assert [each.space for each in found] == ["b/qwen2.5"]


async def test_no_token_goes_to_an_app_that_is_not_private() -> None:
    async with HubList([Listed("a/qwen2.5")]) as hub:
        await afind_spaces(hub=hub.url, token=TOKEN)

    assert hub.tokens == [("hub", f"Bearer {TOKEN}")]


async def test_the_hub_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HubList([Listed("a/qwen2.5")]) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        found = await afind_spaces()

    assert [each.space for each in found] == ["a/qwen2.5"]


async def test_blocking_callers_find_them_too() -> None:
    async with HubList([Listed("a/qwen2.5")]) as hub:
        found = await asyncio.to_thread(find_spaces, hub=hub.url)

    assert isinstance(found[0], FoundSpace)
    assert found[0].to_json().keys() >= {"space", "url", "models", "takes", "queue", "seconds"}


# A hub that does not answer as it should


def limited(seconds: int, **headers: str) -> web.Response:
    limit = {
        "RateLimit": f'"api";r=0;t={seconds}',
        "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
    }
    return web.json_response({"error": "Rate limited"}, status=429, headers={**limit, **headers})


@pytest.mark.filterwarnings("ignore")
async def test_a_rate_limit_that_ends_soon_is_waited_for() -> None:
    async with HubList([Listed("a/qwen2.5")], refusals=[limited(0)]) as hub:
        found = await afind_spaces(hub=hub.url)

    assert [each.space for each in found] == ["a/qwen2.5"]
    assert len(hub.asked) == 2


async def test_a_rate_limit_that_lasts_is_an_error_in_time() -> None:
    async with HubList([Listed("a/qwen2.5")], refusals=[limited(300)]) as hub:
        with pytest.raises(SpaceTimeoutError, match=r"hub did not answer within 0\.5 s.*rate"):
            await afind_spaces(hub=hub.url, seconds=0.5)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"text": '{"error": "Invalid token"}', "status": 401}, AuthenticationError),
        ({"text": '{"error": "?"}', "status": 400}, SpaceStatusError),
        ({"text": "<html>", "status": 404}, SpaceStatusError),
        ({"text": "<html>"}, ProtocolError),
    ],
)
async def test_a_refusal_of_the_hub_is_an_error_of_the_tree(
    answer: dict[str, Any], error: type[QwenSpaceError]
) -> None:
    async with HubList(refusals=[web.Response(**answer)]) as hub:
        with pytest.raises(error):
            await afind_spaces(hub=hub.url)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"error": "no list"},
        3,
        [3],
        [{}],
        [{"id": "a/b", "runtime": 3}],
        [{"id": "a/b", "runtime": {"hardware": 3}}],
    ],
)
async def test_an_answer_that_is_no_list_of_spaces_is_an_error(nonsense: Any) -> None:
    async with HubList(nonsense=nonsense) as hub:
        with pytest.raises(ProtocolError, match="does not answer as the Hugging Face hub does"):
            await afind_spaces(hub=hub.url)


@pytest.mark.parametrize("name", [3, None, "http://evil.example", "../../x", "a", "a/b/c", ""])
async def test_a_malformed_id_is_passed_over(name: Any) -> None:
    async with HubList(nonsense=[{**RUNNING, "id": name}]) as hub:
        assert await list_candidates(Query(words="", hub=hub.url)) == []


@pytest.mark.parametrize(
    "host",
    [
        "http://169.254.169.254",
        "https://evil.example",
        "http://a.hf.space",
        "https://a.hf.space@evil.example",
        "file:///etc/passwd",
        3,
        None,
    ],
)
async def test_an_address_that_the_hub_makes_up_is_not_taken(host: Any) -> None:
    strange = {**RUNNING, "id": "a/b", "host": host, "likes": "many", "models": [3, "x"]}
    async with HubList(nonsense=[strange]) as hub:
        found = await list_candidates(Query(words="", hub=hub.url))

    assert found == [Candidate(space="a/b", models=("x",))]


async def test_a_hub_that_cannot_be_reached_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", pytest.fail)

    with pytest.raises(SpaceUnreachableError, match="HF_ENDPOINT"):
        await afind_spaces(hub="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"seconds": 0}, {"hub": "nowhere"}, {"seconds": float("nan")}]
)
async def test_an_argument_that_cannot_be_right_is_misuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"limit|seconds|hub"):
        await afind_spaces(**wrong)


def test_the_error_of_a_space_that_is_gone_names_the_command() -> None:
    assert "`qwen-space find`" in str(SpaceUnavailableError("http://x", "gone"))
