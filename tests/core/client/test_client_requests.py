"""The requests of the client, as a real Gradio app receives them."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest

from qwen_space import EndpointError, ModelNotOfferedError, SpaceClient, __version__
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT


async def test_the_body_is_the_public_space_s_to_the_letter(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        endpoint = await client.endpoint()
        await client.complete("Hi", system="Be brief.")

    (join,) = space.joins
    assert join == {
        "data": ["Hi", [], "Be brief.", "72B"],
        "event_data": None,
        "fn_index": endpoint.fn_index,
        "trigger_id": endpoint.trigger_id,
        "session_hash": join["session_hash"],
    }
    assert list(join) == ["data", "event_data", "fn_index", "trigger_id", "session_hash"]
    assert endpoint.fn_index == 3
    assert endpoint.trigger_id is not None


async def test_a_session_hash_is_new_each_time_and_the_same_in_both_requests(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")
        await client.complete("Hi")

    hashes = [join["session_hash"] for join in space.joins]
    assert len(set(hashes)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in hashes)
    # The hash of a stream is in its query: with another one the app would not have answered.
    prefix = "/gradio_api/queue"
    assert space.paths == ["/config", *[f"{prefix}/join", f"{prefix}/data"] * 2]


async def test_no_system_prompt_is_the_space_s_own(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")

    assert space.joins[0]["data"][2] == DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize(
    ("of_the_call", "expected"), [(None, "Be brief."), ("Be long.", "Be long."), ("", "")]
)
async def test_a_client_s_system_prompt_is_for_calls_that_bring_none(
    space: Any, of_the_call: str | None, expected: str
) -> None:
    async with SpaceClient(space.url, system_prompt="Be brief.") as client:
        await client.complete("Hi", system=of_the_call)

    assert space.joins[0]["data"][2] == expected


async def test_headers_are_honest(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")

    config, join, data = space.headers
    for headers in space.headers:
        assert headers["user-agent"] == f"qwen-space/{__version__}"
        assert headers["origin"] == space.url
        assert headers["referer"] == f"{space.url}/"
        assert "x-hf-authorization" not in headers
        assert "authorization" not in headers
    assert config["accept"] == join["accept"] == "application/json"
    assert join["content-type"] == "application/json"
    assert data["accept"] == "text/event-stream"


async def test_a_token_goes_with_every_request(space: Any) -> None:
    async with SpaceClient(space.url, hf_token="hf_secret") as client:
        await client.complete("Hi")

    assert [each["x-hf-authorization"] for each in space.headers] == ["Bearer hf_secret"] * 3
    assert not any("authorization" in headers for headers in space.headers)


async def test_headers_of_the_caller_s_are_added_or_replace_ours_whatever_their_case(
    space: Any,
) -> None:
    headers = {"user-agent": "mine/1", "REFERER": "http://example.org/", "X-More": "more"}

    async with SpaceClient(space.url, headers=headers) as client:
        await client.complete("Hi")

    assert len(space.headers) == 3
    for each in space.headers:
        assert each["user-agent"] == "mine/1"
        assert each["referer"] == "http://example.org/"
        assert each["x-more"] == "more"


async def test_a_header_is_sent_once(space: Any) -> None:
    sent: list[list[str]] = []
    trace = aiohttp.TraceConfig()

    async def note(session: Any, context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        sent.append([name.lower() for name in params.headers])

    trace.on_request_start.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = SpaceClient(space.url, headers={"user-agent": "mine/1"}, session=session)
        await client.complete("Hi")

    assert len(sent) == 3
    assert all(names.count("user-agent") == 1 for names in sent)


@pytest.mark.parametrize(
    ("model", "choice"), [("qwen-2.5", "72B"), ("7B", "7B"), ("Qwen2.5-7B-Instruct", "7B")]
)
async def test_a_model_is_one_of_the_app_s(space: Any, model: str, choice: str) -> None:
    async with SpaceClient(space.url, model=model) as client:
        done = await client.complete("Hi")
        other = await client.complete("Hi", model="3B")

    assert [join["data"][3] for join in space.joins] == [choice, "3B"]
    assert (done.model, other.model) == (choice, "3B")


async def test_a_model_that_is_not_offered_is_an_error_before_anything_is_sent(space: Any) -> None:
    async with SpaceClient(space.url, model="8B") as client:
        with pytest.raises(ModelNotOfferedError, match="it offers: 72B, 32B, 14B, 7B, 3B, 1"):
            await client.complete("Hi")

    assert space.joins == []


CHAT = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "A"},
    {"role": "assistant", "content": "B"},
    {"role": "user", "content": "C"},
]


async def test_a_split_chat_is_one_prompt(space: Any) -> None:
    async with SpaceClient(space.url, history="split") as client:
        await client.chat(CHAT)

    assert space.joins[0]["data"] == ["User: A\nAssistant: B\nUser: C\nAssistant:", [], "S", "72B"]


async def test_a_native_history_goes_to_the_app_s_own_input(space: Any) -> None:
    async with SpaceClient(space.url, history="native") as client:
        await client.chat(CHAT)

    prompt, history, system, _ = space.joins[0]["data"]
    assert (prompt, system) == ("C", "S")
    assert history == [
        {"role": "user", "content": [{"type": "text", "text": "A"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "B"}]},
    ]
    assert [(each["role"], each["content"]) for each in space.engine.requests[0]] == [
        ("system", "S"),
        ("user", "A"),
        ("assistant", "B"),
        ("user", "C"),
    ]


async def test_a_chat_that_does_not_alternate_is_split_even_natively(space: Any) -> None:
    async with SpaceClient(space.url, history="native") as client:
        await client.chat(CHAT[:3])

    assert space.joins[0]["data"][:2] == ["User: A\nAssistant: B\nAssistant:", []]


async def test_turns_are_messages_too(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.chat([Turn("system", "S"), Turn("user", "Hi")])

    assert space.joins[0]["data"][:3] == ["Hi", [], "S"]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.stream(""), id="empty-prompt"),
        pytest.param(lambda client: client.stream_chat([]), id="no-messages"),
        pytest.param(lambda client: client.stream_chat([{"content": "x"}]), id="no-role"),
    ],
)
async def test_a_misuse_is_told_where_it_is_made(ask: Any) -> None:
    with pytest.raises(ValueError, match=r"empty|no messages|no role"):
        ask(SpaceClient("http://127.0.0.1:9"))


async def test_an_input_that_the_app_does_not_have_is_a_misuse(space: Any) -> None:
    async with SpaceClient(space.url, inputs={"temperature": 1}) as client:
        with pytest.raises(ValueError, match="no such input"):
            await client.complete("Hi")

    assert space.joins == []


async def test_an_endpoint_can_be_named(space: Any) -> None:
    async with SpaceClient(space.url, endpoint="/model_chat") as client:
        done = await client.complete("Hi")

    assert done.text == "Hello there."
    assert space.joins[0]["fn_index"] == 2


async def test_an_endpoint_that_is_not_there_is_an_error(space: Any) -> None:
    async with SpaceClient(space.url, endpoint="nope") as client:
        with pytest.raises(EndpointError, match="no endpoint /nope"):
            await client.complete("Hi")


async def test_config_is_asked_for_once(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        assert client.found is None
        for _ in range(3):
            await client.complete("Hi")
        assert client.found == await client.endpoint()

    assert space.paths.count("/config") == 1


@pytest.mark.parametrize("most", [0, -5])
async def test_a_limit_below_one_token_is_a_misuse_before_anything_is_sent(
    space: Any, most: int
) -> None:
    async with SpaceClient(space.url) as client:
        with pytest.raises(ValueError, match=f"max_tokens={most}"):
            await client.complete("Hi", sampling={"max_tokens": most})

    assert space.joins == []


async def test_an_empty_stop_sequence_is_a_misuse_before_anything_is_sent(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        with pytest.raises(ValueError, match="empty"):
            await client.complete("Hi", stop=[""])

    assert space.joins == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stop": 5}, "stop=5 is neither"),
        ({"stop": ["a", 5]}, "stop=['a', 5] is neither"),
        ({"stop": b"a"}, "stop=b'a' is neither"),
        ({"stop": {"a": 1}}, "stop={'a': 1} is neither"),
        ({"model": 5}, "model=5 is no text"),
        ({"inputs": ["a"]}, "inputs=['a'] is no mapping"),
        ({"sampling": 0.5}, "sampling=0.5 is no mapping"),
        ({"sampling": {"temperature": "hot"}}, "temperature='hot' is no number"),
        ({"sampling": {"top_p": True}}, "top_p=True is no number"),
    ],
)
def test_an_option_that_cannot_be_right_is_named_before_anything_is_sent(
    options: dict[str, Any], said: str
) -> None:
    client = SpaceClient("http://127.0.0.1:9")

    for ask in (
        client.stream,
        lambda text, **given: client.stream_chat([Turn("user", text)], **given),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            ask("Hi", **options)
