from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from qwen_space import AuthenticationError, Completed, SpaceClient
from qwen_space.chat_model.space import Space
from qwen_space.client.login import Login
from qwen_space.config import Secret
from tests import gradio_app, thinking_app
from tests.scripted_server import Exchange, ScriptedServer, status

AUTH = ("ada", "p&ss wörd=1")
NOT_LOGGED_IN = {"detail": "Not authenticated"}
NEWER = {"detail": {"error": "Not authenticated", "auth_message": None}}  # Gradio 5.50 on


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    """A real Gradio app with a login."""
    with gradio_app.running(thinking_app.build, "/chat", auth=AUTH) as url:
        yield url


# A real app


async def test_a_login_opens_a_real_app(locked: str) -> None:
    async with SpaceClient(locked, endpoint="plain", auth=AUTH) as client:
        done = await client.complete(thinking_app.asked(("say", "Hello")))

    assert done.text == "Hello"


async def test_a_wrong_password_is_told_and_not_shown(locked: str) -> None:
    async with SpaceClient(locked, auth=("ada", "secret")) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.complete("Hi")

    assert "Incorrect credentials. Check auth=(user, password)" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_the_error_without_a_login_asks_for_auth_and_not_for_a_token(locked: str) -> None:
    async with SpaceClient(locked) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.complete("Hi")

    assert "give auth=(user, password)" in str(caught.value)
    assert "hf_token" not in str(caught.value)


# An app that counts


class Locked:
    """A Space that answers only to the cookie that its last login gave."""

    def __init__(self, refusal: Any = NOT_LOGGED_IN) -> None:
        self.refusal = refusal
        self.logins = 0
        self.token = "none"
        self.server = ScriptedServer(others={"/login": self.log_in})
        for path in ("config", "join", "data"):
            setattr(self.server, path, self.guarding(getattr(self.server, path)))

    def end_session(self) -> None:
        self.token = "none"

    async def log_in(self, exchange: Exchange) -> None:
        self.logins += 1
        self.token = f"t{self.logins}"
        assert exchange.headers["content-type"] == "application/x-www-form-urlencoded"
        assert exchange.body == b"username=ada&password=p%26ss+w%C3%B6rd%3D1"
        cookie = f"access-token-unsecure-x={self.token}; HttpOnly; Path=/; SameSite=lax"
        await exchange.answer(200, {"success": True}, {"Set-Cookie": cookie})

    def guarding(self, answer: Any) -> Any:
        async def guarded(exchange: Exchange) -> None:
            cookie = f"access-token-unsecure-x={self.token}"
            if cookie in exchange.headers.get("cookie", "").split("; "):
                await answer(exchange)
            else:
                await exchange.answer(401, self.refusal)

        return guarded


@pytest.mark.parametrize("refusal", [NOT_LOGGED_IN, NEWER])
async def test_an_app_is_logged_in_to_once(refusal: Any) -> None:
    app = Locked(refusal)

    async with app.server as server, SpaceClient(server.url, auth=AUTH) as client:
        texts = [(await client.complete("Hi")).text for _ in range(3)]

    assert texts == ["Hello there."] * 3
    assert app.logins == 1
    assert len(server.joins) == 3


async def test_a_session_that_has_ended_is_begun_anew_and_a_prompt_is_accepted_once() -> None:
    app = Locked()

    async with app.server as server, SpaceClient(server.url, auth=AUTH) as client:
        await client.complete("Hi")
        app.end_session()
        await client.complete("Hi")
        accepted = len(server.streams)

    assert app.logins == 2
    assert len(server.joins) == 3  # one of them was refused
    assert accepted == 2


async def test_calls_at_the_same_time_log_in_once() -> None:
    app = Locked()

    async with app.server as server, SpaceClient(server.url, auth=AUTH) as client:
        done = await asyncio.gather(*(client.complete("Hi") for _ in range(5)))

    assert [each.text for each in done] == ["Hello there."] * 5
    assert app.logins == 1
    assert server.exchanges


async def test_the_clients_of_a_space_share_its_login() -> None:
    app = Locked()

    async with app.server as server:
        space = Space(server.url, auth=AUTH)
        done = [await space.acomplete("Hi") for _ in range(2)]

    assert all(isinstance(each, Completed) for each in done)
    assert app.logins == 1


async def test_cookies_of_the_caller_s_are_sent_beside_the_login_s() -> None:
    app = Locked()
    headers = {"cookie": "own=1"}

    async with (
        app.server as server,
        SpaceClient(server.url, auth=AUTH, headers=headers) as client,
    ):
        await client.complete("Hi")

    assert "own=1" in server.joins[-1].headers["cookie"]


async def test_a_login_that_does_not_help_is_an_error_and_no_loop() -> None:
    refusing = status(401, NOT_LOGGED_IN)
    login = status(200, {"success": True})

    async with (
        ScriptedServer(config=refusing, others={"/login": login}) as server,
        SpaceClient(server.url, auth=AUTH) as client,
    ):
        with pytest.raises(AuthenticationError):
            await client.complete("Hi")

    assert [each.path for each in server.exchanges] == ["/config", "/login", "/config"]


async def test_an_app_with_a_login_of_another_kind_is_told() -> None:
    refusing = status(401, NOT_LOGGED_IN)

    async with (
        ScriptedServer(config=refusing) as server,
        SpaceClient(server.url, auth=AUTH) as client,
    ):
        with pytest.raises(AuthenticationError, match="HTTP 404, Not Found") as caught:
            await client.complete("Hi")

    assert 'headers={"Cookie": ...}' in str(caught.value)


async def test_an_app_without_a_login_is_not_told_the_password() -> None:
    async with ScriptedServer() as server, SpaceClient(server.url, auth=AUTH) as client:
        assert (await client.complete("Hi")).text == "Hello there."

    assert server.of("/login") == []


def test_a_login_is_in_no_pickle_copy_or_repr() -> None:
    login = Login()
    login.cookie = Secret("access-token=very_secret")
    space = Space("http://127.0.0.1:1", auth=AUTH)
    space._login = login

    assert b"very_secret" not in pickle.dumps(space)
    assert "very_secret" not in repr(login)
    assert "very_secret" not in repr(vars(login))
    assert copy.deepcopy(login).cookie == ""


# A server in front


@pytest.mark.parametrize(
    ("challenge", "says"),
    [
        ('Basic realm="Staff only"', 'give headers={"Authorization": "Basic ..."}'),
        ("Negotiate", "a login of another kind (negotiate)"),
        ("NTLM", "a login of another kind (ntlm)"),
    ],
)
async def test_a_login_of_a_server_in_front_is_told_as_that(challenge: str, says: str) -> None:
    refusing = status(401, "<html>401</html>", {"WWW-Authenticate": challenge})

    async with (
        ScriptedServer(config=refusing, others={"/login": status(200)}) as server,
        SpaceClient(server.url, auth=AUTH) as client,
    ):
        with pytest.raises(AuthenticationError) as caught:
            await client.complete("Hi")

    assert says.lower() in str(caught.value).lower()
    assert "hf_token" not in str(caught.value)
    assert server.of("/login") == []


async def test_a_header_opens_a_server_in_front() -> None:
    headers = {"Authorization": "Basic YWRhOnB3"}

    async with ScriptedServer() as server, SpaceClient(server.url, headers=headers) as client:
        await client.complete("Hi")

    assert {each.headers["authorization"] for each in server.exchanges} == {"Basic YWRhOnB3"}
