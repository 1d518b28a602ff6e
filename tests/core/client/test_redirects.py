"""Redirects of the hub and of the front, and the hosts that get the token."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from qwen_space import Completed, SpaceStatusError, SpaceUnavailableError
from qwen_space.client import hub
from tests.hub_front import APP, BUSY, TOKEN, Answer, HubFront, Seen, ask, told

pytestmark = pytest.mark.usefixtures("short_pauses")


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
