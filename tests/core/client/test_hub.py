"""A Space of the hub: its address, its status, and errors of the front before it."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    Completed,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceConfig,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.client import hub
from qwen_space.client.http import Transport
from tests.hub_front import (
    APP,
    BUSY,
    IN_ERROR,
    NOT_FOUND,
    PAGE_404,
    TOKEN,
    Answer,
    HubFront,
    ask,
    told,
)
from tests.scripted_server import CONFIG, ScriptedServer, status

pytestmark = pytest.mark.usefixtures("short_pauses")


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
        """The first call is refused after the second one has moved the client already."""
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
