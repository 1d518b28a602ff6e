"""Squid between the client and the app, as companies have it, with and without a password."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import SpaceClient, SpaceUnreachableError
from tests.certificates import CA, server_tls
from tests.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from conftest import ScriptedSpace

    from tests.network.conftest import Start

pytestmark = pytest.mark.network

OPEN = "http_access allow all"
CLOSED = "http_access deny all"
HELPER = "/usr/lib/squid/basic_ncsa_auth"


def by_name(url: str) -> str:
    """Return the address of a server on this machine under a name that only Squid knows."""
    parts = urlsplit(url)
    return f"{parts.scheme}://space.test:{parts.port}"


@pytest.fixture(params=["HTTP_PROXY", "ALL_PROXY"])
def variable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    name: str = request.param
    return name


async def test_every_client_goes_through_the_proxy_of_the_environment(
    space: ScriptedSpace, squid: Start, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, squid(OPEN))
    url = by_name(space.url)

    async with SpaceClient(url) as client:
        assert (await client.complete("Hi")).text == "Hello there."
    assert (await ChatQwenSpace(space=url).ainvoke("Hi")).text == "Hello there."
    assert (await asyncio.to_thread(QwenSpace(space=url).complete, "Hi")).text == "Hello there."


async def test_tls_goes_through_squid(squid: Start, folder: Path) -> None:
    CA.cert_pem.write_to_path(folder / "ca.pem")
    tls = server_tls(CA.issue_cert("space.test"))

    async with ScriptedServer(tls=tls) as server:
        proxy, url = squid(OPEN), by_name(server.url)
        async with SpaceClient(url, proxy=proxy, verify=folder / "ca.pem") as client:
            assert (await client.complete("Hi")).text == "Hello there."


@pytest.fixture
def locked(squid: Start, folder: Path) -> str:
    """A Squid that wants a user and a password."""
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", "p@ss"], capture_output=True, check=True, text=True
    ).stdout.strip()
    (folder / "users").write_text(f"ada:{hashed}\n")
    (folder / "users").chmod(0o644)
    return squid(f"""
auth_param basic program {HELPER} {folder}/users
acl staff proxy_auth REQUIRED
http_access allow staff
http_access deny all
""")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("login", "says"),
    [("", "wants a user and a password"), ("ada:wrong@", "does not take this user and password")],
)
async def test_a_password_that_is_missing_or_wrong_is_told(
    locked: str, scheme: str, login: str, says: str
) -> None:
    proxy = locked.replace("//", f"//{login}")

    async with SpaceClient(f"{scheme}://space.test:7860", proxy=proxy) as client:
        with pytest.raises(SpaceUnreachableError) as caught:
            await client.complete("Hi")

    assert f"the proxy {locked} {says} (HTTP 407)" in str(caught.value)
    assert "wrong" not in str(caught.value)


async def test_the_right_password_opens_it(space: ScriptedSpace, locked: str) -> None:
    proxy = locked.replace("//", "//ada:p%40ss@")

    async with SpaceClient(by_name(space.url), proxy=proxy) as client:
        assert (await client.complete("Hi")).text == "Hello there."


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_does_not_let_it_through_is_named(squid: Start, scheme: str) -> None:
    proxy = squid(CLOSED)

    async with SpaceClient(f"{scheme}://space.test:7860", proxy=proxy) as client:
        with pytest.raises(SpaceUnreachableError) as caught:
            await client.complete("Hi")

    assert f"the proxy {proxy}" in str(caught.value)
    assert "HTTP 403" in str(caught.value)
    assert caught.value.tries == ()
