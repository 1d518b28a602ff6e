"""The server's door: hosts, origins, tokens and limits."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import trustme

from qwen_space import AuthenticationError, QwenSpaceError, SpaceClient
from qwen_space.local import Limits, LocalSpace, ScriptedEngine, describe_message
from tests.media_app import PNG

BODY = {"data": ["Hi", [], "", "72B"], "fn_index": 3, "session_hash": "s"}


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    with LocalSpace(
        ScriptedEngine(["Hello"]),
        allowed_hosts=["chat.example"],
        limits=Limits(queue=2, request_bytes=100_000),
        concurrency=1,
    ) as running:
        yield running


@pytest.fixture
async def http(space: LocalSpace) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(space.url) as session:
        yield session


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:PORT", 200),
        ("localhost:PORT", 200),
        ("LOCALHOST:PORT", 200),
        ("space.localhost:PORT", 200),
        ("[::1]:PORT", 200),
        ("chat.example", 200),
        ("rebound.example:PORT", 403),
        ("127.0.0.1.rebound.example", 403),
        ("192.168.0.7:PORT", 403),
        ("nonsense:x:y", 403),
        ("", 403),
    ],
)
async def test_on_loopback_a_foreign_host_is_refused(
    space: LocalSpace, http: aiohttp.ClientSession, host: str, status: int
) -> None:
    named = host.replace("PORT", space.url.rpartition(":")[2])

    async with http.get("/config", headers={"Host": named}) as answer:
        assert answer.status == status
        body = await answer.text()

    assert ("--allow-host" in body) == (status == 403)


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        pytest.param("http://127.0.0.1:PORT", "127.0.0.1:PORT", 200, id="own"),
        pytest.param("http://localhost:PORT", "localhost:PORT", 200, id="by-name"),
        pytest.param("https://chat.example", "127.0.0.1:PORT", 200, id="allowed"),
        pytest.param("https://chat.example:443", "chat.example", 200, id="default-port"),
        pytest.param("http://evil.example", "127.0.0.1:PORT", 403, id="foreign"),
        pytest.param("http://127.0.0.1:1", "127.0.0.1:PORT", 403, id="another-port"),
        pytest.param("null", "127.0.0.1:PORT", 403, id="null"),
        pytest.param("http://[", "127.0.0.1:PORT", 403, id="broken"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_foreign_origin_is_refused_and_never_allowed_by_cors(
    space: LocalSpace, http: aiohttp.ClientSession, method: str, origin: str, host: str, status: int
) -> None:
    port = space.url.rpartition(":")[2]
    headers = {
        "Origin": origin.replace("PORT", port),
        "Host": host.replace("PORT", port),
        "Access-Control-Request-Method": "POST",
    }
    path = "/gradio_api/cancel" if method == "POST" else "/config"
    body = {"session_hash": "none", "fn_index": 3, "event_id": "none"}

    async with http.request(method, path, headers=headers, json=body) as answer:
        assert (answer.status == 403) == (status == 403)
        allowed = answer.headers.get("Access-Control-Allow-Origin")

    if status == 403:
        assert allowed is None


async def test_the_host_that_a_proxy_forwards_counts_for_the_origin(
    http: aiohttp.ClientSession,
) -> None:
    headers = {"Origin": "https://front.example", "X-Forwarded-Host": "front.example"}

    async with http.get("/config", headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/redoc"),
        ("GET", "/openapi.json"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/deep_link?session_hash=s"),
        ("GET", "/gradio_api/proxy=https://x.hf.space/a"),
        ("GET", "/gradio_api/dev/reload"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/upload/"),
        ("POST", "/gradio_api//upload"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/stream/e"),
        ("PUT", "/gradio_api/queue/join"),
    ],
)
async def test_paths_that_the_app_does_not_need_are_closed(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with http.request(method, path, data={"files": "x"}) as answer:
        assert answer.status in {404, 405}
        assert "swagger" not in (await answer.text()).lower()


@pytest.mark.parametrize("said", ["Content-Length: 1099511627776", "Transfer-Encoding: chunked"])
async def test_a_request_that_is_too_large_is_refused_before_it_is_read(
    space: LocalSpace, said: str
) -> None:
    host, port = space.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    head = f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\n{said}\r\n\r\n"
    writer.write(head.encode())
    if "chunked" in said:
        writer.write(b"30000\r\n" + b" " * 0x30000 + b"\r\n")
    answer = await reader.readline()
    writer.transport.abort()

    assert b" 413 " in answer


async def test_the_queue_has_an_end(space: LocalSpace, http: aiohttp.ClientSession) -> None:
    engine = space.engine
    assert isinstance(engine, ScriptedEngine)
    engine.gate = threading.Semaphore(0)
    statuses = []
    for number in range(6):
        body = {**BODY, "session_hash": f"q{number}"}
        async with http.post("/gradio_api/queue/join", json=body) as answer:
            statuses.append(answer.status)
        if not number:
            await asyncio.to_thread(engine.wait_until, lambda seen: seen.running == 1)

    engine.gate = None
    await asyncio.to_thread(engine.wait_until, lambda seen: seen.finished >= 3)

    assert statuses == [200, 200, 200, 503, 503, 503]


async def test_a_reply_that_does_not_end_is_ended() -> None:
    def forever(_: object) -> Iterator[str]:
        while True:
            yield "on and "

    engine = ScriptedEngine(forever, delay=0.01)
    async with (
        LocalSpace(engine, limits=Limits(reply_seconds=0.3)) as space,
        aiohttp.ClientSession(space.url) as http,
    ):
        async with http.post("/gradio_api/queue/join", json=BODY):
            pass
        async with http.get("/gradio_api/queue/data?session_hash=s") as stream:
            text = await stream.text()

    assert '"process_completed"' in text
    assert engine.running == 0


async def test_connections_have_a_limit() -> None:
    async with LocalSpace(ScriptedEngine([]), limits=Limits(connections=4)) as space:
        host, port = space.url.removeprefix("http://").split(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        for _, writer in held:  # begun, and never finished: a whole head could be answered
            writer.write(b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        status = 0
        async with aiohttp.ClientSession() as http:
            while status != 503:  # the kernel accepts a connection before the server does
                async with http.get(f"{space.url}/config") as answer:
                    status = answer.status
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize(
    ("server", "client"),
    [
        pytest.param({"auth": ("ada", "sesame")}, {"auth": ("ada", "sesame")}, id="login"),
        pytest.param({"token": "sesame"}, {"hf_token": "sesame"}, id="token"),
    ],
)
async def test_a_closed_space_opens_to_our_client_alone(server: Any, client: Any) -> None:
    async with LocalSpace(ScriptedEngine(["Hello"]), **server) as space:
        async with SpaceClient(space.url, **client) as let_in:
            text = (await let_in.complete("Hi")).text
        with pytest.raises(QwenSpaceError, match=r"refused access|login|log in"):
            async with SpaceClient(space.url, max_retries=0) as refused:
                await refused.complete("Hi")

    assert text == "Hello"


@pytest.mark.parametrize(("given", "said"), [(None, "needs a token"), ("x", "take this token")])
async def test_a_missing_token_is_named_to_the_client(given: str | None, said: str) -> None:
    async with (
        LocalSpace(ScriptedEngine(["Hello"]), token="sesame") as space,
        SpaceClient(space.url, hf_token=given, max_retries=0) as client,
    ):
        with pytest.raises(AuthenticationError, match=rf"{said}: hf_token in a client"):
            await client.complete("Hi")


async def test_a_certificate_of_its_own_encrypts_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    files = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")

    async with (
        LocalSpace(ScriptedEngine(["Hello"]), tls=files) as space,
        SpaceClient(space.url, verify=tmp_path / "ca.pem") as client,
    ):
        url, text = space.url, (await client.complete("Hi")).text

    assert url.startswith("https://127.0.0.1:")
    assert text == "Hello"


async def test_a_page_may_show_it_only_if_it_is_named() -> None:
    origin = "https://huggingface.co"
    policies = []
    for embedded_in in ((), (origin,)):
        async with (
            LocalSpace(ScriptedEngine(["Hello"]), embedded_in=embedded_in) as space,
            aiohttp.ClientSession(space.url) as http,
            http.get("/") as answer,
        ):
            policies.append(answer.headers["Content-Security-Policy"])

    assert policies[0].endswith("frame-ancestors 'self'")
    assert policies[1].endswith(f"frame-ancestors 'self' {origin}")


async def test_behind_a_path_its_links_have_the_path() -> None:
    async with (
        LocalSpace(ScriptedEngine(["Hello"]), root_path="/chat") as space,
        aiohttp.ClientSession(space.url) as http,
        http.get("/config") as answer,
    ):
        root, url = (await answer.json())["root"], space.url

    assert root == f"{url}/chat"


@pytest.mark.parametrize("name", ["model_chat", "model_chat_1", "chat", "page"])
def test_no_file_of_the_machine_is_given_away(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    rows = [{"role": "user", "content": [{"type": "file", "file": file}]}]
    engine = ScriptedEngine(describe_message, takes=["image"])
    with LocalSpace(engine) as space, httpx.Client(base_url=space.url) as client:
        config = client.get("/config").json()
        function = next(
            each
            for each in config["dependencies"]
            if each["api_name"] == name
            or (name == "page" and each["api_visibility"] == "private" and each["inputs"])
        )
        kinds = {each["id"]: each["type"] for each in config["components"]}
        values = {
            "chatbot": rows,
            "textbox": "Look",
            "multimodaltextbox": {"text": "Look"},
            "slider": 1,
        }
        data = [values.get(kinds[each]) for each in function["inputs"]]
        job = {"data": data, "fn_index": function["id"], "session_hash": "s"}
        client.post("/gradio_api/queue/join", json=job).raise_for_status()
        said = client.get("/gradio_api/queue/data", params={"session_hash": "s"}).text

    assert '"success":false' in said
    assert hashlib.sha256(PNG).hexdigest() not in said
    assert engine.requests == []
