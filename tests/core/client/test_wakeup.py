"""The way to a Space that sleeps, is built, or stands still."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    Completed,
    EndpointError,
    Notice,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceClient,
    SpaceConfig,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    TextDelta,
    Timeouts,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from tests.hub_front import (
    APP,
    BUSY,
    GATEWAY,
    IN_ERROR,
    NOT_FOUND,
    PAGE_404,
    STREAMLIT,
    TOKEN,
    Answer,
    HubFront,
    ask,
    notices,
    told,
)

pytestmark = pytest.mark.usefixtures("short_pauses")


# Stages and pages

STAGES_TO_WAIT_IN = [
    "BUILDING",
    "RUNNING_BUILDING",
    "APP_STARTING",
    "RUNNING_APP_STARTING",
    "STOPPED",
    "SLEEPING",
]
PAGES = [
    pytest.param(IN_ERROR, id="503-text"),
    pytest.param(BUSY, id="503-html"),
    pytest.param(GATEWAY, id="502-html"),
    pytest.param(Answer(504, ""), id="504-empty"),
    pytest.param(NOT_FOUND, id="404-html"),
    pytest.param(STREAMLIT, id="200-html"),
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("stage", STAGES_TO_WAIT_IN)
async def test_a_space_that_will_be_there_is_waited_for(page: Answer, stage: str) -> None:
    async with HubFront(config=[page, page, page, APP], hub=[told(stage)]) as server:
        got = await ask(server)

    (notice,) = notices(got)
    assert got[0] == Notice(notice)
    assert notice.startswith("The Space ")
    assert notice.endswith(f"({stage})…")
    assert "".join(event.delta for event in got if isinstance(event, TextDelta)) == "Hello there."
    assert isinstance(got[-1], Completed)
    assert len(server.of("/config")) == 4
    assert len(server.of("/queue/join")) == 1
    assert set(server.asked) == {"/api/spaces/by-subdomain/owner-name"}


async def test_each_stage_is_told_once_and_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "qwen_space")
    stages = ["SLEEPING", "BUILDING", "BUILDING", "APP_STARTING", "RUNNING"]

    server = HubFront(config=[BUSY], hub=[told(each) for each in stages])

    async with server, server.client() as client, client.stream("Hi") as events:
        first = await anext(events)
        assert len(server.of("/config")) == 1
        server._config[:] = [BUSY] * 5 + [APP]
        got = [first, *[event async for event in events]]

    assert [each.rpartition("(")[2] for each in notices(got)] == [
        "SLEEPING)…",
        "BUILDING)…",
        "APP_STARTING)…",
    ]
    assert [vars(r)["space_event"] for r in caplog.records if "The Space" in r.message] == [
        event for event in got if isinstance(event, Notice)
    ]


BROKEN = [
    ("PAUSED", "paused"),
    ("RUNTIME_ERROR", "crashed"),
    ("BUILD_ERROR", "could not be built"),
    ("CONFIG_ERROR", "configuration"),
    ("NO_APP_FILE", "no app"),
    ("DELETING", "deleted"),
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("stage", "says"), BROKEN)
async def test_a_space_that_will_not_be_there_is_an_error_with_the_remedy(
    page: Answer, stage: str, says: str
) -> None:
    async with HubFront(config=[page], hub=[told(stage)]) as server:
        (error,) = await ask(server)
        url = server.space()

    assert type(error) is SpaceUnavailableError
    assert str(error).startswith(f"{url} is not available: ")
    assert says in str(error)
    assert f"({stage})" in str(error)
    assert "`qwen-space serve`" in str(error)
    assert stage == "DELETING" or f"{server.hub}/spaces/owner/name" in str(error)
    assert server.of("/queue/join") == []


async def test_a_space_that_breaks_while_it_is_waited_for_is_an_error() -> None:
    hub_says = [told("BUILDING"), told("BUILDING"), told("BUILD_ERROR")]

    async with HubFront(config=[BUSY], hub=hub_says) as server:
        notice, error = await ask(server)

    assert isinstance(notice, Notice)
    assert type(error) is SpaceUnavailableError
    assert "BUILD_ERROR" in str(error)


SILENT = [
    pytest.param(None, id="no-answer"),
    pytest.param(Answer(500, "Internal Server Error"), id="500"),
    pytest.param(Answer(503, "<html>Down</html>"), id="503"),
    pytest.param(Answer(200, "<html>"), id="200-html"),
    pytest.param(Answer(200, {}), id="nothing-said"),
    pytest.param(Answer(302, "", {"Location": "http://evil.example/"}), id="elsewhere"),
    pytest.param(told("RUNNING"), id="running"),
    pytest.param(told("SOMETHING_NEW"), id="unknown-stage"),
    pytest.param(told("RUNNING", "https://evil.example"), id="running-at-a-foreign-host"),
]


@pytest.mark.parametrize("hub_says", SILENT)
@pytest.mark.parametrize(
    ("page", "says"),
    [
        pytest.param(IN_ERROR, "HTTP 503: Your space is in error", id="503-text"),
        pytest.param(BUSY, "HTTP 503: Loading.", id="503-html"),
        pytest.param(GATEWAY, "HTTP 502: Bad Gateway", id="502-html"),
        pytest.param(Answer(504, ""), "HTTP 504: no reason given", id="504-empty"),
        pytest.param(NOT_FOUND, "no such Space, or it is private", id="404-html"),
    ],
)
async def test_a_hub_without_a_word_leaves_it_to_the_front(
    hub_says: Answer | None, page: Answer, says: str
) -> None:
    async with HubFront(config=[page], hub=[hub_says]) as server:
        (error,) = await ask(server)

    assert type(error) is SpaceUnavailableError
    assert says in str(error)
    assert {each.host for each in server.seen} == {"hub.test", "owner-name.hub.test"}
    assert server.names == ["owner-name.hub.test", "hub.test"]
    assert server.of("/queue/join") == []


async def test_a_host_that_nobody_knows_is_unreachable() -> None:
    async with HubFront() as server:
        (error,) = await ask(server, "owner/name")

    assert type(error) is SpaceUnreachableError
    assert str(error).startswith("Cannot reach https://owner-name.hf.space/config")


async def test_a_page_that_is_no_gradio_app_is_an_error() -> None:
    async with HubFront([STREAMLIT], [told("RUNNING")], [STREAMLIT]) as server:
        (error,) = await ask(server)

    assert type(error) is ProtocolError
    assert "does not look like a Gradio app" in str(error)


async def test_an_app_without_config_needs_no_hub() -> None:
    async with HubFront(config=[Answer(404, {"detail": "Not Found"})]) as server:
        got = await ask(server)
        (named,) = await ask(server, endpoint="chat")

    assert isinstance(got[-1], Completed)
    assert isinstance(named, EndpointError)
    assert server.asked == []


@pytest.mark.parametrize(
    ("code", "token", "expected", "says"),
    [
        pytest.param(401, None, SpaceUnavailableError, "or give an hf_token", id="401"),
        pytest.param(403, None, SpaceUnavailableError, "or give an hf_token", id="403"),
        pytest.param(404, None, SpaceUnavailableError, "or give an hf_token", id="404"),
        pytest.param(401, TOKEN, AuthenticationError, "not take the token", id="401-token"),
        pytest.param(403, TOKEN, AuthenticationError, "not take the token", id="403-token"),
        pytest.param(404, TOKEN, SpaceUnavailableError, "this hf_token may", id="404-token"),
        pytest.param(429, TOKEN, QuotaError, "429", id="429"),
    ],
)
@pytest.mark.parametrize("page", [NOT_FOUND, BUSY])
async def test_a_space_that_the_hub_does_not_show_is_missing_or_private(
    code: int, token: str | None, expected: type[QwenSpaceError], says: str, page: Answer
) -> None:
    refusal = Answer(code, {"error": "Repository not found"})

    async with HubFront(config=[page], hub=[refusal]) as server:
        (error,) = await ask(server, hf_token=token)

    assert type(error) is expected
    assert says in str(error)
    is_hidden = "no such Space, or it is private" in str(error)
    assert is_hidden is (expected is SpaceUnavailableError)


@pytest.mark.parametrize("code", [401, 403])
async def test_a_front_that_refuses_the_token_is_believed(code: int) -> None:
    async with HubFront(config=[Answer(code, PAGE_404)]) as server:
        (error,) = await ask(server, hf_token=TOKEN)

    assert type(error) is AuthenticationError
    assert server.asked == []


# Waiting, and its limits


@pytest.mark.parametrize(
    "glitch",
    [
        pytest.param({"hub": [told("BUILDING"), Answer(500, "x"), told("BUILDING")]}, id="hub-500"),
        pytest.param({"hub": [told("BUILDING"), None, told("BUILDING")]}, id="hub-cut"),
        pytest.param({"hub": [told("BUILDING"), Answer(429), told("BUILDING")]}, id="hub-429"),
        pytest.param({"hub": [told("BUILDING"), told("RUNNING")]}, id="running-too-early"),
        pytest.param({"config": [BUSY, Answer(500, "x"), BUSY, APP]}, id="front-500"),
        pytest.param({"config": [BUSY, NOT_FOUND, STREAMLIT, APP]}, id="pages"),
    ],
)
async def test_failures_in_between_do_not_end_the_waiting(glitch: dict[str, Any]) -> None:
    script = {"config": [BUSY, BUSY, BUSY, BUSY, APP], "hub": [told("BUILDING")], **glitch}

    async with HubFront(**script) as server:
        got = await ask(server)

    assert len(notices(got)) == 1
    assert isinstance(got[-1], Completed)
    assert json.loads(server.of("/queue/join")[0].body)["fn_index"] == 7


async def test_a_short_retry_after_is_kept_to_while_waiting(long_pauses: list[float]) -> None:
    too_many = Answer(429, "", {"Retry-After": "7"})

    async with HubFront(config=[BUSY, too_many, APP], hub=[told("BUILDING")]) as server:
        got = await ask(server)

    assert isinstance(got[-1], Completed)
    assert long_pauses == [7.0]
    assert len(server.asked) == 1


async def test_a_hub_that_never_answers_does_not_hold_up_the_front_s_word() -> None:
    async with HubFront(config=[BUSY], hub=[False]) as server:
        (error,) = await ask(server, timeouts=Timeouts(total=0.3))

    assert type(error) is SpaceUnavailableError
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Answer(401, {"detail": "No"}), AuthenticationError, id="401"),
        pytest.param(Answer(429, "", {"Retry-After": "60"}), QuotaError, id="429"),
        pytest.param(
            Answer(302, "", {"Location": "http://evil.example/config"}), SpaceStatusError, id="302"
        ),
    ],
)
async def test_a_refusal_ends_the_waiting(answer: Answer, expected: type[QwenSpaceError]) -> None:
    async with HubFront(config=[BUSY, answer], hub=[told("BUILDING")]) as server:
        notice, error = await ask(server)

    assert isinstance(notice, Notice)
    assert type(error) is expected


@pytest.mark.parametrize(
    ("timeouts", "limit"),
    [
        (Timeouts(wake=0.2), "wake"),
        (Timeouts(wake=0.2, total=5), "wake"),
        (Timeouts(total=0.2), "total"),
        (Timeouts(total=0.2, wake=None), "total"),
    ],
)
async def test_the_waiting_has_a_limit(timeouts: Timeouts, limit: str) -> None:
    async with HubFront(config=[BUSY], hub=[told("SLEEPING")]) as server:
        notice, error = await ask(server, timeouts=timeouts)

    assert isinstance(notice, Notice)
    assert type(error) is SpaceTimeoutError
    assert (error.limit, error.seconds) == (limit, 0.2)
    assert f"Timeouts({limit}=...)" in str(error)
    assert len(server.of("/config")) > 1
    assert server.of("/queue/join") == []


async def test_leaving_while_the_space_wakes_up_sends_no_prompt() -> None:
    async with HubFront(config=[BUSY], hub=[told("SLEEPING")]) as server:
        before = asyncio.all_tasks()
        async with server.client() as client, client.stream("Hi") as events:
            assert isinstance(await anext(events), Notice)
            waiting = asyncio.ensure_future(anext(events))
            while len(server.of("/config")) < 3:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        begun = [each.get_coro().__qualname__ for each in asyncio.all_tasks() - before]

    assert set(begun) <= {"RequestHandler.start"}  # the server's, for a connection
    assert server.of("/queue/join") == []


async def test_endpoint_and_complete_wait_too() -> None:
    server = HubFront(config=[BUSY, BUSY, APP], hub=[told("SLEEPING")])

    async with server, server.client() as client:
        endpoint = await client.endpoint()
        done = await client.complete("Hi")

    assert endpoint.fn_index == 7
    assert done.text == "Hello there."


# A Space that goes to sleep after it was found


@pytest.mark.parametrize("page", [IN_ERROR, BUSY, NOT_FOUND])
async def test_a_space_that_fell_asleep_is_waited_for_and_asked_again(page: Answer) -> None:
    script: Any = {"config": [APP, BUSY, APP], "join": [APP, page, APP], "hub": [told("SLEEPING")]}

    async with HubFront(**script) as server, server.client() as client:
        await client.complete("Hi")
        begun = len(server.seen)
        async with client.stream("Again") as events:
            got = [event async for event in events]

    assert len(notices(got)) == 1
    assert isinstance(got[-1], Completed)
    again = [each.path.partition("?")[0] for each in server.seen[begun:] if each.host != "hub.test"]
    given_up = ["/queue/data"] if page.status == 503 else []  # a job that might be there after all
    assert [each for each in again if each != "/call/chat"] == [
        "/queue/join",
        *given_up,
        *["/config", "/config"],
        *["/queue/join", "/queue/data"],
    ]


async def test_a_model_s_space_that_fell_asleep_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A framework's model keeps the endpoint that it found, and is used again days later."""
    script: Any = {"config": [APP, BUSY, APP], "join": [APP, BUSY, APP], "hub": [told("SLEEPING")]}
    hi = [Turn("user", "Hi")]

    async with HubFront(**script) as server:
        here = functools.partial(SpaceClient.from_config, session=server.session)
        monkeypatch.setattr(SpaceClient, "from_config", here)
        space = Space.from_config(SpaceConfig(space=server.space(), hub=server.hub, max_retries=0))
        await space.achat(hi)
        async with space.astream_chat(hi) as events:
            got = [event async for event in events]
        done = await space.achat(hi)

    assert len(notices(got)) == 1
    assert isinstance(got[-1], Completed)
    assert got[-1].text == done.text == "Hello there."


@pytest.mark.parametrize(
    ("page", "joins"), [(IN_ERROR, 2), (GATEWAY, 1), (Answer(504, "<html>"), 1)]
)
async def test_a_join_that_is_refused_for_good_is_an_error(page: Answer, joins: int) -> None:
    async with HubFront(join=[page]) as server:
        (error,) = await ask(server)

    assert type(error) is SpaceUnavailableError
    assert len(server.of("/queue/join")) == joins  # another only if it cannot have arrived
