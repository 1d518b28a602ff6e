from __future__ import annotations

import asyncio
import pickle
import sys
import traceback
from urllib.parse import quote

import aiohttp
import pytest

from qwen_space import (
    QwenSpaceError,
    SpaceClient,
    SpaceTimeoutError,
    SpaceUnreachableError,
    Timeouts,
)
from qwen_space.client.proxies import Proxy, choose_proxy
from qwen_space.config import SpaceConfig
from tests.certificates import CA, server_tls, trusting_tls
from tests.forward_proxy import ForwardProxy
from tests.scripted_server import ScriptedServer
from tests.socks_proxy import SocksProxy

HTTP, TLS, ALL = "http://http.proxy:1", "http://tls.proxy:2", "http://all.proxy:3"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# The choice of a proxy


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://a.example/config", {}, None),
        ("http://a.example/config", {"http": HTTP, "https": TLS}, HTTP),
        ("https://a.example/config", {"http": HTTP, "https": TLS}, TLS),
        ("https://a.example/config", {"http": HTTP}, None),
        ("https://a.example/config", {"http": HTTP, "all": ALL}, ALL),
        ("https://a.example/config", {"https": TLS, "all": ALL}, TLS),
        ("https://a.example/config", {"https": "tls.proxy:2"}, TLS),
        ("https://a.example/config", {"https": ""}, None),
        # This machine
        ("http://127.0.0.1:7860/config", {"http": HTTP}, None),
        ("http://127.8.9.1/config", {"http": HTTP}, None),
        ("http://localhost:7860/config", {"http": HTTP}, None),
        ("http://app.localhost/config", {"http": HTTP}, None),
        ("http://[::1]:7860/config", {"http": HTTP}, None),
        ("http://0.0.0.0:7860/config", {"http": HTTP}, None),
        # NO_PROXY
        ("https://a.example/config", {"https": TLS, "no": "a.example"}, None),
        ("https://a.example/config", {"https": TLS, "no": "b.example, A.Example"}, None),
        ("https://a.example/config", {"https": TLS, "no": "b.example a.example"}, None),
        ("https://x.a.example/config", {"https": TLS, "no": "a.example"}, None),
        ("https://x.a.example/config", {"https": TLS, "no": ".a.example"}, None),
        ("https://x.a.example/config", {"https": TLS, "no": "*.a.example"}, None),
        ("https://ba.example/config", {"https": TLS, "no": "a.example"}, TLS),
        ("https://a.example/config", {"https": TLS, "no": "*"}, None),
        ("https://a.example/config", {"https": TLS, "no": "x,*"}, None),
        ("https://a.example:8443/config", {"https": TLS, "no": "a.example:8443"}, None),
        ("https://a.example/config", {"https": TLS, "no": "a.example:8443"}, TLS),
        ("https://a.example/config", {"https": TLS, "no": "a.example:443"}, None),
        ("http://a.example/config", {"http": HTTP, "no": "a.example:80"}, None),
        ("https://a.example/config", {"https": TLS, "no": "a.example."}, None),
        ("https://a.example/config", {"https": TLS, "no": "https://a.example"}, None),
        ("https://a.example/config", {"https": f" {TLS} "}, TLS),
        ("http://10.1.2.3/config", {"http": HTTP, "no": "10.0.0.0/8"}, None),
        ("http://10.1.2.3:7860/config", {"http": HTTP, "no": "10.1.2.3"}, None),
        ("http://11.1.2.3/config", {"http": HTTP, "no": "10.0.0.0/8"}, HTTP),
        ("http://[fd00::1]:7860/config", {"http": HTTP, "no": "[fd00::1]"}, None),
        ("http://[fd00::1]:7860/config", {"http": HTTP, "no": "fd00::/8"}, None),
        ("https://a.example/config", {"https": TLS, "no": ",, ,"}, TLS),
    ],
)
def test_the_environment_names_a_proxy(
    url: str, environment: dict[str, str], expected: str | None
) -> None:
    chosen = choose_proxy(SpaceConfig(), url, environment)

    assert (None if chosen is None else chosen.url) == expected


@pytest.mark.parametrize("url", ["http://127.0.0.1:7860", "https://a.example"])
def test_a_proxy_that_is_given_wins(url: str) -> None:
    config = SpaceConfig(proxy="http://given.proxy:9")
    environment = {"http": HTTP, "https": TLS, "no": "*"}

    assert choose_proxy(config, url, environment) == Proxy("http://given.proxy:9")


@pytest.mark.parametrize("shown", [str, repr])
def test_a_proxy_shows_no_password(shown: type[str]) -> None:
    assert "user" not in shown(Proxy("http://user:secret@h:1"))
    assert "secret" not in shown(Proxy("http://user:secret@h:1"))
    assert "http://h:1" in shown(Proxy("http://user:secret@h:1"))


# In use


async def ask(space: str, **options: object) -> str:
    async with SpaceClient(space, max_retries=0, **options) as client:  # type: ignore[arg-type]
        return (await client.complete("Hi")).text


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_every_request_goes_through_the_proxy_of_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url) as proxy:
        monkeypatch.setenv(name, proxy.url)

        text = await ask("http://space.example:7860")

    assert text == "Hello there."
    assert [line.split()[1].split("?")[0] for line in proxy.lines] == [
        "http://space.example:7860/config",
        "http://space.example:7860/queue/join",
        "http://space.example:7860/queue/data",
    ]


async def test_tls_goes_through_its_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(CA.issue_cert("space.example"))

    async with ScriptedServer(tls=tls) as server, ForwardProxy(server.url) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        text = await ask("https://space.example", verify=trusting_tls())

    assert text == "Hello there."
    assert set(proxy.lines) == {"CONNECT space.example:443 HTTP/1.1"}


async def test_the_environment_is_not_asked_where_it_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(SpaceUnreachableError):
            await ask("http://space.invalid:7860", trust_env=False)

    assert proxy.lines == []


async def test_this_machine_is_asked_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        text = await ask(server.url)

    assert text == "Hello there."
    assert proxy.lines == []


@pytest.fixture(params=["http", "https"])
def space(request: pytest.FixtureRequest) -> str:
    return f"{request.param}://space.example"


async def test_a_proxy_with_a_password_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url, login="ada:p@ss") as proxy:
        address = proxy.url.replace("http://", "http://ada:p%40ss@")
        monkeypatch.setenv("HTTP_PROXY", address)

        assert await ask("http://space.example") == "Hello there."


@pytest.mark.parametrize(
    ("login", "says"),
    [("", "wants a user and a password"), ("ada:wrong@", "does not take this user and password")],
)
async def test_a_proxy_that_wants_a_password_is_named_without_it(
    space: str, login: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url, login="ada:p") as proxy:
        address = proxy.url.replace("http://", f"http://{login}")
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("HTTPS_PROXY", address)
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask(space)

    assert f"the proxy {proxy.url} {says} (HTTP 407)" in str(caught.value)
    assert "wrong" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url, refusal=403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//ada:secret@"))
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask("https://space.example")

    assert f"the proxy {proxy.url} answered HTTP 403" in str(caught.value)
    assert "trust_env=False goes without" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_proxy_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://ada:secret@127.0.0.1:{unused_tcp_port}")

    with pytest.raises(SpaceUnreachableError) as caught:
        await ask("http://space.example")

    assert f"no connection to the proxy http://127.0.0.1:{unused_tcp_port}: " in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("login", ["ад\u0430:p\xe4ss:w", "token:"])
async def test_a_password_is_sent_in_utf_8(login: str) -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url, login=login) as proxy:
        user, _, password = login.partition(":")
        address = proxy.url.replace("//", f"//{quote(user)}:{quote(password)}@")

        assert await ask("http://space.example", proxy=address) == "Hello there."


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_login_of_windows_is_told(scheme: str) -> None:
    ways = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n"

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 407 No\r\n{ways}Content-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(refusing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy = f"http://ada:secret@127.0.0.1:{port}"
        with pytest.raises(SpaceUnreachableError, match="a login by negotiate, ntlm") as caught:
            await ask(f"{scheme}://space.example", proxy=proxy)

    assert "px or cntlm" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_proxy_s_certificate_is_told_as_its_own() -> None:
    async with ScriptedServer(tls=server_tls()) as proxy:
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask("https://space.example", proxy=proxy.url)

    assert f"the certificate of the proxy {proxy.url} is not valid" in str(caught.value)


async def test_a_proxy_that_speaks_no_http_is_named() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x15\x03\x01\x00\x02\x02F")
        writer.close()

    async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(QwenSpaceError, match=f"through the proxy {address}"):
            await ask("https://space.example", proxy=address)


# SOCKS


@pytest.mark.every_loop
@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h", "SOCKS5"])
@pytest.mark.parametrize("login", [None, "ada:p@ss"])
async def test_every_request_goes_through_socks(scheme: str, login: str | None) -> None:
    async with ScriptedServer() as server, SocksProxy(server.url, login=login) as proxy:
        given = "" if login is None else "ada:p%40ss@"
        text = await ask("http://space.example:7860", proxy=f"{scheme}://{given}{proxy.address}")

    assert text == "Hello there."
    assert set(proxy.targets) == {("space.example", 7860)}


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY"])
async def test_tls_goes_through_the_socks_of_the_environment(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = server_tls(CA.issue_cert("space.example"))

    async with ScriptedServer(tls=tls) as server, SocksProxy(server.url) as proxy:
        monkeypatch.setenv(variable, f"socks5://{proxy.address}/")
        text = await ask("https://space.example", verify=trusting_tls())
        with pytest.raises(SpaceUnreachableError, match="its certificate is not valid"):
            await ask("https://space.example")
        with pytest.raises(SpaceUnreachableError, match="its certificate is not valid"):
            await ask("https://other.example", verify=trusting_tls())

    assert text == "Hello there."
    assert set(proxy.targets) == {("space.example", 443), ("other.example", 443)}


async def test_a_socks_proxy_that_refuses_is_named_without_its_password() -> None:
    async with ScriptedServer() as server, SocksProxy(server.url, login="ada:p") as proxy:
        address = f"socks5://ada:secret@{proxy.address}"
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask("http://space.example", proxy=address)

    assert f"the proxy socks5://{proxy.address}: " in str(caught.value)
    assert "authentication" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_a_socks_proxy_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    address = f"socks5://127.0.0.1:{unused_tcp_port}"

    with pytest.raises(SpaceUnreachableError, match="no connection to it") as caught:
        await ask("http://space.example", proxy=address)

    assert f"the proxy {address}: " in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "says"), [("http", "no connection to the proxy"), ("socks5", "no connection to it")]
)
async def test_a_proxy_whose_name_is_unknown_is_named_with_the_reason(
    scheme: str, says: str
) -> None:
    address = f"{scheme}://nosuch.invalid:3128"

    with pytest.raises(SpaceUnreachableError, match=says) as caught:
        await ask("http://space.example", proxy=address)

    assert f"the proxy {address}" in str(caught.value)
    assert "Unknown error" not in str(caught.value)


async def test_a_socks_proxy_that_breaks_off_before_a_request_is_no_interrupted_stream() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()  # with bytes unread, which is a reset

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        address = f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask("http://space.example", proxy=address)

    assert f"the proxy {address}: it " in str(caught.value)
    assert not caught.value.may_have_run


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 20"])
async def test_a_proxy_that_breaks_its_tunnel_off_has_got_no_request(answer: bytes | None) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:  # else it closes with bytes unread, which is a reset
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask("https://space.example", proxy=address)

    assert f"no connection to the proxy {address}: it broke the tunnel off" in str(caught.value)


async def test_a_password_that_is_too_long_for_socks_is_an_error_of_the_proxy() -> None:
    async with ScriptedServer() as server, SocksProxy(server.url, login="ada:p") as proxy:
        with pytest.raises(SpaceUnreachableError, match="the proxy"):
            await ask("http://space.example", proxy=f"socks5://ada:{'p' * 300}@{proxy.address}")


async def test_a_socks_proxy_that_is_silent_is_no_longer_waited_for_than_any() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client goes
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        address = f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(SpaceTimeoutError) as caught:
            await ask("http://space.example", proxy=address, timeouts=Timeouts(connect=0.2))

    assert caught.value.limit == "connect"


async def test_without_its_package_socks_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://ada:secret@127.0.0.1:1080")

    with pytest.raises(SpaceUnreachableError) as caught:
        await ask("http://space.example")

    assert "the proxy socks5://127.0.0.1:1080 speaks SOCKS" in str(caught.value)
    assert 'pip install "qwen-space[socks]"' in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_session_of_the_callers_has_a_socks_of_its_own() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SpaceUnreachableError, match="whose connector speaks SOCKS"):
            await ask("http://space.example", proxy="socks5://127.0.0.1:1080", session=session)


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@[::1",
        "http://user:secret@a\u2100b:1",
        "user:secret@h:port",
        "http://",
        ":",
    ],
)
async def test_a_proxy_of_the_environment_that_has_no_address_is_named_without_its_password(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)

    with pytest.raises(SpaceUnreachableError, match="is no address") as caught:
        await ask("http://space.example:7860")

    assert "Check HTTPS_PROXY" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
