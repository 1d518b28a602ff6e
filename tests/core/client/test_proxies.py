from __future__ import annotations

import pickle
import ssl
import traceback

import pytest
import trustme

from qwen_space import SpaceClient, SpaceUnreachableError
from qwen_space.client.proxies import Proxy, choose_proxy
from qwen_space.config import SpaceConfig
from tests.forward_proxy import ForwardProxy
from tests.scripted_server import ScriptedServer

HTTP, TLS, ALL = "http://http.proxy:1", "http://tls.proxy:2", "http://all.proxy:3"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# Which one


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
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("space.example").configure_cert(tls)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)

    async with ScriptedServer(tls=tls) as server, ForwardProxy(server.url) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        text = await ask("https://space.example", verify=trusting)

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


async def test_a_socks_proxy_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://ada:secret@127.0.0.1:1080")

    with pytest.raises(SpaceUnreachableError) as caught:
        await ask("http://space.example")

    assert "the proxy socks5://127.0.0.1:1080 speaks SOCKS" in str(caught.value)
    assert "secret" not in str(caught.value)


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
