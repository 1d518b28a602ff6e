from __future__ import annotations

import asyncio
import functools
import json
import logging
import pickle
import time
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    Completed,
    EndpointError,
    JobError,
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
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.client import hub
from qwen_space.client.http import Transport
from qwen_space.client.http_errors import parse_retry_after
from qwen_space.gradio.job import Job
from qwen_space.gradio.messages import Output, ProcessCompleted
from tests.hub_front import PAGE_404, Answer, HubFront, Seen, told
from tests.queue_stream import receive
from tests.scripted_server import CONFIG, ScriptedServer, status

TOKEN = "hf_very_secret"
APP = True  # the app's own answer

IN_ERROR = Answer(503, "Your space is in error, check its status on hf.co")
BUSY = Answer(503, "<!DOCTYPE html><html><head><title>x</title></head><body>Loading</body></html>")
GATEWAY = Answer(502, "<html><body>Bad Gateway</body></html>")
NOT_FOUND = Answer(404, PAGE_404)
STREAMLIT = Answer(200, "<!doctype html><title>Streamlit</title>")

pytestmark = pytest.mark.usefixtures("short_pauses")


async def ask(server: HubFront, space: str | None = None, **options: Any) -> list[Any]:
    """Ask, and return the events, with an error that was raised as the last of them."""
    got: list[Any] = []
    async with server.client(space, **options) as client:
        try:
            async with client.stream("Hi") as events:
                async for event in events:
                    got.append(event)  # noqa: PERF401 - a comprehension would lose them
        except QwenSpaceError as exc:
            got.append(exc)
    return got


def notices(got: list[Any]) -> list[str]:
    return [event.message for event in got if isinstance(event, Notice)]


# The way to the app


async def test_an_app_that_answers_is_reached_without_the_hub() -> None:
    async with HubFront() as server:
        got = await ask(server, hf_token=TOKEN)

    assert isinstance(got[-1], Completed)
    assert [each.path.partition("?")[0] for each in server.seen] == [
        "/config",
        "/queue/join",
        "/queue/data",
    ]


async def test_the_host_is_guessed_first_and_then_the_hub_s() -> None:
    async with HubFront(hub=[]) as server:
        server._hub.append(told("RUNNING", server.space("other"), "Owner/Na.me"))
        got = await ask(server, "Owner/Na.me", hf_token=TOKEN)

    assert isinstance(got[-1], Completed)
    assert server.names[:3] == ["owner-na-me.hf.space", "hub.test", "other.hub.test"]
    assert server.asked == ["/api/spaces/Owner/Na.me"]
    assert {each.host for each in server.of("/config")} == {"other.hub.test"}
    assert server.of("/queue/join")[0].headers["origin"] == server.space("other")


async def test_a_space_that_was_found_elsewhere_is_not_looked_for_again() -> None:
    async with HubFront(hub=[]) as server:
        server._hub.append(told("RUNNING", server.space("other")))
        async with server.client("owner/name") as client:
            await client.complete("Hi")
            await client.complete("Hi")

    assert len(server.asked) == len(server.of("/config")) == 1


async def test_two_calls_that_look_at_once_both_find_a_space_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved = asyncio.Event()
    app_config, move = Transport.app_config, Transport.move

    async def refused_late(self: Transport, clock: Any) -> Any:
        """The first to ask gets its refusal when the other has moved the client already."""
        is_first = not asked
        asked.append(clock)
        try:
            return await app_config(self, clock)
        except QwenSpaceError:
            if is_first:
                await moved.wait()
            raise

    def moving(self: Transport, url: str) -> None:
        move(self, url)
        moved.set()

    asked: list[Any] = []
    monkeypatch.setattr(Transport, "app_config", refused_late)
    monkeypatch.setattr(Transport, "move", moving)
    async with HubFront(hub=[]) as server:
        server._hub.append(told("RUNNING", server.space("other")))
        async with server.client("owner/name") as client:
            replies = await asyncio.gather(client.complete("Hi"), client.complete("Hi"))

    assert len({each.text for each in replies}) == 1
    assert len(server.of("/queue/join")) == 2


async def test_a_chat_model_remembers_where_the_app_was_found_until_it_fails() -> None:
    moved = Answer(307, "", {"Location": "/chat/config"})
    broken = Answer(500, "Internal Server Error")

    async with HubFront(config=[moved, APP, moved, APP], join=[APP, APP, broken, APP]) as server:
        space = Space.from_config(
            SpaceConfig(space=f"http://127.0.0.1:{server.port}", max_retries=0)
        )
        for _ in range(2):
            await space.achat([Turn("user", "Hi")])
        with pytest.raises(SpaceStatusError):
            await space.achat([Turn("user", "Hi")])
        looked = [each.path for each in server.seen if "config" in each.path]
        await space.achat([Turn("user", "Hi")])

    assert looked == ["/config", "/chat/config"]
    assert [each.path for each in server.seen if "config" in each.path] == looked * 2
    assert {each.path for each in server.seen if "join" in each.path} == {"/chat/queue/join"}


async def test_a_space_that_was_renamed_is_found() -> None:
    moved = Answer(307, "", {"Location": "/api/spaces/new/name"})

    async with HubFront(hub=[moved]) as server:
        server._hub.append(told("RUNNING", server.space("new-name"), "new/name"))
        got = await ask(server, "owner/name")

    assert isinstance(got[-1], Completed)
    assert server.asked == ["/api/spaces/owner/name", "/api/spaces/new/name"]


@pytest.mark.parametrize("location", ["http://[", "http://hub.test:99999/", "//[::1/x", "/\\"])
async def test_a_redirect_of_the_hub_to_nowhere_is_no_redirect(location: str) -> None:
    async with HubFront(
        config=[NOT_FOUND], hub=[Answer(307, "", {"Location": location})]
    ) as server:
        (error,) = await ask(server, "owner/name")

    assert isinstance(error, QwenSpaceError)


async def test_cookies_of_the_front_are_sent_with_the_join_and_the_stream() -> None:
    async with HubFront() as server:
        await ask(server)

    cookies = [each.headers.get("cookie") for each in server.seen]
    assert cookies == [None, "spaces-jwt=one", "spaces-jwt=one"]


@pytest.mark.parametrize(
    ("space", "default_hub", "asks"),
    [
        ("owner/name", True, "https://huggingface.co/api/spaces/owner/name"),
        ("https://huggingface.co/spaces/a/b", True, "https://huggingface.co/api/spaces/a/b"),
        ("https://a-b.hf.space", True, "https://huggingface.co/api/spaces/by-subdomain/a-b"),
        ("http://A-b.hf.space/x", True, "https://huggingface.co/api/spaces/by-subdomain/a-b"),
        ("https://a.b.hf.space", True, None),
        ("https://hf.space", True, None),
        ("https://a-b.hf.space.example.org", True, None),
        ("http://127.0.0.1:7860", True, None),
        ("https://example.org/chat", True, None),
        ("https://a-b.hf.space", False, "http://hub.test:1/api/spaces/by-subdomain/a-b"),
        ("http://a-b.hub.test:1", False, "http://hub.test:1/api/spaces/by-subdomain/a-b"),
    ],
)
def test_the_hub_is_asked_about_its_own_spaces(
    space: str, default_hub: bool, asks: str | None
) -> None:
    config = SpaceConfig(space=space) if default_hub else SpaceConfig(space=space, hub=HUB_TEST)

    assert hub.status_url(config) == asks


HUB_TEST = "http://hub.test:1/"


@pytest.mark.parametrize(
    ("host", "default_hub", "url"),
    [
        ("https://a-b.hf.space", True, "https://a-b.hf.space"),
        ("https://a-b.hf.space/path?x=1", True, "https://a-b.hf.space"),
        ("https://a-b.hf.space", False, "https://a-b.hf.space"),
        ("http://a-b.hf.space", True, None),
        ("https://a-b.hf.space:8443", True, None),
        ("https://hf.space", True, None),
        ("https://evil.example", True, None),
        ("https://evilhf.space", True, None),
        ("https://a.hf.space.evil.example", True, None),
        ("https://evil.example/.hf.space", True, None),
        ("https://evil.example#.hf.space", True, None),
        ("https://evil.example\\.hf.space", True, None),
        ("https://u:p@a-b.hf.space", True, None),
        ("https://a.hf.space@evil.example", True, None),
        ("https://a b.hf.space", True, None),
        ("https://a.huggingface.co", True, None),
        ("https://127.0.0.1", True, None),
        ("ftp://a-b.hf.space", True, None),
        ("a-b.hf.space", True, None),
        ("https://[::1", True, None),
        ("https://a-b.hf.space:x", True, None),
        ("", True, None),
        (None, True, None),
        (7, True, None),
        ("http://a-b.hub.test:9", False, "http://a-b.hub.test:9"),
        ("http://hub.test:9", False, "http://hub.test:9"),
        ("https://a-b.hub.test", False, None),
        ("http://evilhub.test", False, None),
        ("http://127.0.0.1:9", False, None),
    ],
)
def test_a_host_is_taken_only_where_spaces_live(
    host: Any, default_hub: bool, url: str | None
) -> None:
    config = SpaceConfig() if default_hub else SpaceConfig(hub=HUB_TEST)

    said = hub.read_status({"host": host, "runtime": {"stage": "RUNNING"}}, config)

    assert said == hub.SpaceStatus("RUNNING", url, f"{config.hub.rstrip('/')}/spaces/Qwen/Qwen2.5")


@pytest.mark.parametrize(
    "answer", [None, 7, [], {}, {"runtime": None}, {"runtime": {}}, {"runtime": {"stage": 1}}]
)
def test_an_answer_without_a_stage_says_nothing(answer: Any) -> None:
    assert hub.read_status(answer, SpaceConfig()) is None


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


async def test_a_short_retry_after_is_kept_to_while_waiting() -> None:
    too_many = Answer(429, "", {"Retry-After": "1"})

    async with HubFront(config=[BUSY, too_many, APP], hub=[told("BUILDING")]) as server:
        start = time.monotonic()
        got = await ask(server)
        took = time.monotonic() - start

    assert isinstance(got[-1], Completed)
    assert took >= 1
    assert len(server.asked) == 1


async def test_a_hub_that_never_answers_does_not_hold_up_the_front_s_word() -> None:
    async with HubFront(config=[BUSY], hub=[False]) as server:
        start = time.monotonic()
        (error,) = await ask(server, timeouts=Timeouts(total=0.3))
        took = time.monotonic() - start

    assert type(error) is SpaceUnavailableError
    assert took < 3


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
        start = time.monotonic()
        notice, error = await ask(server, timeouts=timeouts)
        took = time.monotonic() - start

    assert isinstance(notice, Notice)
    assert type(error) is SpaceTimeoutError
    assert (error.limit, error.seconds) == (limit, 0.2)
    assert f"Timeouts({limit}=...)" in str(error)
    assert 0.15 <= took < 2
    assert server.of("/queue/join") == []


async def test_leaving_while_the_space_wakes_up_sends_no_prompt() -> None:
    async with HubFront(config=[BUSY], hub=[told("SLEEPING")]) as server:
        async with server.client() as client, client.stream("Hi") as events:
            async for event in events:
                assert isinstance(event, Notice)
                break
        seen = len(server.seen)
        await asyncio.sleep(0.05)

    assert len(server.seen) == seen
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


# Redirects


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        ("http://a.b", "https://a.b/config", ("https://a.b/config", "https://a.b")),
        ("http://a.b", "https://a.b:443/config", ("https://a.b:443/config", "https://a.b:443")),
        ("http://a.b:80", "https://A.b/config", ("https://A.b/config", "https://A.b")),
        ("http://a.b:8", "https://a.b:8/config", ("https://a.b:8/config", "https://a.b:8")),
        ("http://a.b", "/config/", ("http://a.b/config/", "http://a.b")),
        ("http://a.b/x", "/y/config", ("http://a.b/y/config", "http://a.b/y")),
        ("http://a.b/x", "config/", ("http://a.b/x/config/", "http://a.b/x")),
        ("http://a.b", "/config?s=1", ("http://a.b/config?s=1", "http://a.b")),
        ("http://a.b", "//a.b/config", ("http://a.b/config", "http://a.b")),
        ("https://a.b", "http://a.b/config", None),
        ("http://a.b", "http://c.b/config", None),
        ("http://a.b", "//c.b/config", None),
        ("http://a.b", "https://a.b.evil.example/config", None),
        ("http://a.b", "http://a.b@evil.example/config", None),
        ("http://a.b", "http://u:p@a.b/config", None),
        ("http://a.b:1", "http://a.b:2/config", None),
        ("http://a.b:1", "https://a.b:2/config", None),
        ("http://a.b", "/login", None),
        ("http://a.b", "/login?next=/config", None),
        ("http://a.b", "/xconfig", None),
        ("http://a.b", "http://[", None),
        ("http://a.b", "http://a.b:x/config", None),
        ("http://a.b", "", None),
        ("http://a.b", None, None),
    ],
)
def test_a_redirect_is_followed_within_the_host(
    base: str, location: str | None, expected: tuple[str, str] | None
) -> None:
    assert hub.app_redirect(base, location) == expected


@pytest.mark.parametrize(
    ("location", "base"),
    [("/config/", ""), ("/config?s=1", ""), ("/apps/chat/config", "/apps/chat")],
)
async def test_where_a_redirect_leads_the_app_is_asked(location: str, base: str) -> None:
    moved = Answer(307, "", {"Location": location})

    async with HubFront(config=[moved, APP]) as server:
        got = await ask(server, hf_token=TOKEN)

    assert isinstance(got[-1], Completed)
    assert [each.path.partition("?session")[0] for each in server.seen] == [
        "/config",
        location,
        f"{base}/queue/join",
        f"{base}/queue/data",
    ]
    assert {each.headers["x-hf-authorization"] for each in server.seen} == {f"Bearer {TOKEN}"}


async def test_a_second_redirect_is_an_error() -> None:
    moved = Answer(301, "", {"Location": "/config/"})

    async with HubFront(config=[moved]) as server:
        (error,) = await ask(server)

    assert type(error) is SpaceStatusError
    assert [each.path for each in server.seen] == ["/config", "/config/"]


async def test_a_redirect_to_another_host_is_an_error_that_names_it() -> None:
    async with HubFront() as server:
        foreign = f"http://evil.hub.test:{server.port}/config"
        server._config[:] = [Answer(302, "", {"Location": foreign})]
        (error,) = await ask(server, hf_token=TOKEN)

    assert type(error) is SpaceStatusError
    assert f"moved to {foreign}" in str(error)
    assert [each.host for each in server.seen] == ["owner-name.hub.test"]


# The token's receivers


def sent_to(server: HubFront, host: str) -> list[Seen]:
    return [each for each in server.seen if each.host == host]


def holding(seen: list[Seen], secret: str) -> list[Seen]:
    """Return the requests that hold a secret anywhere."""
    return [
        each for each in seen if secret in f"{each.path} {each.headers} {each.body!r} {each.host}"
    ]


FOREIGN = "http://evil.example/config"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({}, id="app"),
        pytest.param({"config": [BUSY, APP], "hub": [told("BUILDING")]}, id="waking"),
        pytest.param(
            {"config": [BUSY], "hub": [told("RUNNING", "https://evil.example")]}, id="foreign-host"
        ),
        pytest.param(
            {"config": [BUSY], "hub": [told("RUNNING", "http://hub.test.evil.example")]},
            id="foreign-host-of-a-like-name",
        ),
        pytest.param({"config": [Answer(302, "", {"Location": FOREIGN})]}, id="config-redirects"),
        pytest.param({"join": [Answer(307, "", {"Location": FOREIGN})]}, id="join-redirects"),
        pytest.param(
            {"config": [BUSY], "hub": [Answer(307, "", {"Location": FOREIGN})]}, id="hub-redirects"
        ),
    ],
)
async def test_the_token_goes_to_the_space_and_to_the_hub_in_one_header_each(
    script: dict[str, Any],
) -> None:
    other = {"X-Gate": "gate_secret"}

    async with HubFront(**script) as server:
        got = await ask(server, hf_token=TOKEN, headers=other)

    to_space, to_hub = sent_to(server, "owner-name.hub.test"), sent_to(server, "hub.test")
    assert to_space + to_hub == sorted(server.seen, key=lambda each: each.host == "hub.test")
    assert set(server.names) <= {"owner-name.hub.test", "hub.test"}
    assert holding(server.seen, TOKEN) == server.seen
    for each in to_space:
        assert each.headers.pop("x-hf-authorization") == f"Bearer {TOKEN}"
    for each in to_hub:
        assert each.headers.pop("authorization") == f"Bearer {TOKEN}"
        assert {"cookie", "origin", "referer"}.isdisjoint(each.headers)
    assert holding(server.seen, TOKEN) == []
    assert holding(server.seen, "gate_secret") == to_space
    assert TOKEN not in repr(got) + "".join(str(each) for each in got)


async def test_a_host_that_the_hub_gives_gets_the_token_and_the_one_that_was_left_no_more() -> None:
    async with HubFront(config=[BUSY, APP], hub=[]) as server:
        server._hub.append(told("RUNNING", server.space("other")))
        got = await ask(server, hf_token=TOKEN)

    assert isinstance(got[-1], Completed)
    assert [(each.host, each.method) for each in server.seen] == [
        ("owner-name.hub.test", "GET"),
        ("hub.test", "GET"),
        ("other.hub.test", "GET"),
        ("other.hub.test", "POST"),
        ("other.hub.test", "GET"),
    ]


async def test_a_hub_that_sends_from_host_to_host_is_followed_once() -> None:
    async with HubFront(config=[BUSY], hub=[]) as server:
        server._hub[:] = [told("RUNNING", server.space(name)) for name in ("one", "two", "three")]
        (error,) = await ask(server)

    assert type(error) is SpaceUnavailableError
    assert [each.host for each in server.of("/config")] == ["owner-name.hub.test", "one.hub.test"]


async def test_the_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async with HubFront(config=[BUSY, APP], hub=[told("BUILDING"), Answer(401)]) as server:
        await ask(server, hf_token=TOKEN)

    assert caplog.records
    assert TOKEN not in caplog.text


# Rate limits and quotas


@pytest.mark.parametrize("of", ["config", "join"])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"Retry-After": "37"}, 37.0, id="seconds"),
        pytest.param({"Retry-After": "soon"}, None, id="nonsense"),
    ],
)
async def test_too_many_requests_are_a_rate_limit(
    of: str, headers: dict[str, str], seconds: float | None
) -> None:
    too_many = Answer(429, PAGE_404, headers)

    async with HubFront(**{of: [too_many]}) as server:
        (error,) = await ask(server, max_retries=2)

    assert type(error) is QuotaError
    assert error.retry_after == seconds
    assert (f"in {seconds or 0:.0f} seconds" in str(error)) is (seconds is not None)
    assert "rate limit" in str(error)
    assert "429" in str(error)
    assert len(server.of(f"/{of}" if of == "config" else "/queue/join")) == 1


async def test_a_short_retry_after_is_waited_for() -> None:
    too_many = Answer(429, "", {"Retry-After": "1"})

    async with HubFront(config=[too_many, APP]) as server:
        start = time.monotonic()
        got = await ask(server, max_retries=1)
        took = time.monotonic() - start

    assert isinstance(got[-1], Completed)
    assert took >= 1
    assert server.asked == []


async def test_a_join_is_not_sent_again_after_a_retry_after() -> None:
    async with HubFront(join=[Answer(429, "", {"Retry-After": "0"})]) as server:
        (error,) = await ask(server, max_retries=2)

    assert type(error) is QuotaError
    assert len(server.of("/queue/join")) == 1


NOW = 1445412480.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:30 GMT", 0.0),
        ("-1", None),
        ("1.5", 1.5),
        ("1.5.2", None),
        ("", None),
        ("99999999999999999999", None),
        ("Wed, 21 Oct 99999 07:28:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


FREE = "You have exceeded your free ZeroGPU quota (60s requested vs. 30s left). "
OLD = "You have exceeded your GPU quota (60s requested vs. 56s left). "
LINK = '<a style="white-space: nowrap" href="https://hf.co/join">Create a free account</a>'


@pytest.mark.parametrize(
    ("title", "text", "says", "seconds"),
    [
        ("ZeroGPU quota exceeded", f"{FREE}Try again in 0:09:48. ", "0:09:48", 588),
        ("ZeroGPU quota exceeded", f"{FREE}Try again in 1 day, 0:00:01", "1 day", 86401),
        (None, f"{OLD}{LINK} to get more &amp; more", "Create a free account to get more &", None),
        ("ZeroGPU quota exceeded", None, "ZeroGPU quota exceeded", None),
        (
            "ZeroGPU illegal duration",
            "The requested GPU duration (300s) is larger than the maximum allowed",
            "(300s) is larger than the maximum allowed.",
            None,
        ),
        (None, "The requested GPU duration (9s) is larger than the maximum allowed", "(9s)", None),
        ("ZeroGPU queue timeout", "No GPU was available after 60s", "after 60s.", None),
        (None, "No GPU was available after 60s", "after 60s.", None),
        (None, "No GPU was available", "No GPU was available.", None),
        ("ZeroGPU queue timeout", None, "ZeroGPU queue timeout.", None),
        ("ZeroGPU pending credits exceeded", "Add credits", "Add credits.", None),
        (None, "Space app has reached its GPU limit. Ask the owner.", "Ask the owner.", None),
        (None, "Requests rate limit exceeded, please try again later.", "exceeded", None),
    ],
)
def test_a_gpu_quota_is_a_quota(
    title: str | None, text: str | None, says: str, seconds: float | None
) -> None:
    with pytest.raises(QuotaError) as caught:
        receive(Job("e", 1), ProcessCompleted(success=False, output=Output(None, text, title)))

    assert says in str(caught.value)
    assert "<" not in str(caught.value)
    assert "rate limit (HTTP 429" in str(caught.value)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("ZeroGPU worker error", "GPU task aborted"),
        (None, "GPU task aborted"),
        ("ZeroGPU client error", "Expired ZeroGPU proxy token"),
        ("ZeroGPU worker error", None),
        ("Error", "CUDA out of memory on GPU 0"),
    ],
)
def test_any_other_failure_of_a_gpu_is_the_job_s(title: str | None, text: str | None) -> None:
    with pytest.raises(JobError):
        receive(Job("e", 1), ProcessCompleted(success=False, output=Output(None, text, title)))


# A plain address


@pytest.mark.parametrize(
    ("of", "end"), [(APP, Completed), (BUSY, SpaceUnavailableError), (NOT_FOUND, Completed)]
)
async def test_a_plain_address_asks_no_hub(of: Any, end: type[object]) -> None:
    answer = status(of.status, of.body) if isinstance(of, Answer) else status(404, {"detail": "x"})

    async with HubFront(hub=[told("PAUSED")]) as server, ScriptedServer(config=answer) as plain:
        got = await ask(server, plain.url)

    assert isinstance(got[-1], end)
    assert server.seen == []
    assert len(plain.of("/config")) == 1


@pytest.mark.parametrize("page", [IN_ERROR, NOT_FOUND])
async def test_a_plain_address_gets_the_prompt_once(page: Answer) -> None:
    config, join = status(200, CONFIG), status(page.status, page.body)

    async with HubFront() as server, ScriptedServer(config=config, join=join) as plain:
        (error,) = await ask(server, plain.url)

    assert type(error) in {SpaceUnavailableError, SpaceStatusError}
    assert len(plain.joins) == len(plain.of("/config")) == 1


def a_page(status: int) -> SpaceStatusError:
    error = SpaceStatusError(status, "u", "Sorry")
    error.is_page = True
    return error


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (SpaceUnreachableError("u", "r"), True),
        (StreamInterruptedError("", "r"), True),
        (ProtocolError("p"), True),
        (SpaceUnavailableError("u", "d"), True),
        (a_page(404), True),
        (a_page(500), True),
        (SpaceStatusError(404, "u", "Not Found"), False),
        (SpaceStatusError(302, "u", "moved to /", "/"), False),
        (AuthenticationError("u", "d"), False),
        (QuotaError("d"), False),
        (SpaceTimeoutError("silence", 1), False),
    ],
)
def test_errors_of_the_front_are_told_from_errors_of_the_app(
    error: QwenSpaceError, is_one: bool
) -> None:
    assert hub.is_of_the_front(error) is is_one


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", ""),
        (" Your space is in error ", "Your space is in error"),
        ("a < b", "a < b"),
        (PAGE_404, "404 Sorry, we can't find the page you are looking for."),
        ("<html><script>x < y</script><body>Hi <b>there</b>\n&amp; you", "Hi there & you"),
        ("<!doctype html><head><style>p{}</style></head><p>Hi", "Hi"),
        ("<html>" + "<script" * 100_000, "<script" * 100_000),
    ],
)
def test_a_page_is_reduced_to_its_words(body: str, text: str) -> None:
    assert hub.page_text(body) == text or len(body) > 10_000 >= len(hub.page_text(body))


@pytest.mark.parametrize("bad", ["", "huggingface.co", "ftp://a", "https://", "https://u:p@a.b"])
def test_a_hub_is_an_address(bad: str) -> None:
    with pytest.raises(ValueError, match="hub must be a URL"):
        SpaceConfig(hub=bad)


def test_a_token_does_not_go_to_hugging_face_in_the_open() -> None:
    assert SpaceConfig(space="http://a-b.hf.space").url == "https://a-b.hf.space"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("SLEEPING", "was asleep and is waking up.*Try again in a minute"),
        ("APP_STARTING", "is starting.*Try again in a minute"),
        ("PAUSED", "paused it.*Only the owner can restart it"),
    ],
)
async def test_app_config_tells_the_stage_and_does_not_wait(stage: str, said: str) -> None:
    server = HubFront(config=[BUSY], hub=[told(stage)])
    async with server, server.client("owner/name") as client:
        with pytest.raises(SpaceUnavailableError, match=said) as caught:
            await client.app_config()

    assert caught.value.stage == stage
    assert pickle.loads(pickle.dumps(caught.value)).stage == stage
    assert len(server.asked) == 1
