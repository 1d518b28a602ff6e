"""nginx in front of a real Gradio app: TLS, a password, compression, buffers, replicas."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    AuthenticationError,
    SpaceClient,
    SpaceUnreachableError,
    TextDelta,
)
from qwen_space.local import LocalSpace, ScriptedEngine
from tests.certificates import CA

if TYPE_CHECKING:
    from conftest import ScriptedSpace

    from tests.network.conftest import Start

pytestmark = pytest.mark.network


def passing(space: ScriptedSpace, more: str = "proxy_buffering off;") -> str:
    return f"location / {{ proxy_pass {space.url}; {more} }}"


@pytest.fixture
def tls(folder: Path) -> str:
    """Directives of a certificate that a private authority has signed."""
    certificate = CA.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    CA.cert_pem.write_to_path(folder / "ca.pem")
    return f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;"


async def test_a_private_authority_is_trusted_by_its_file(
    space: ScriptedSpace, nginx: Start, tls: str, folder: Path
) -> None:
    url = nginx(tls + passing(space), tls=True)
    verify = folder / "ca.pem"

    async with SpaceClient(url, verify=verify) as client:
        assert (await client.complete("Hi")).text == "Hello there."
    assert (await ChatQwenSpace(space=url, verify=verify).ainvoke("Hi")).text == "Hello there."
    assert (await QwenSpace(space=url, verify=verify).acomplete("Hi")).text == "Hello there."


async def test_the_error_of_an_unknown_authority_names_the_remedy(
    space: ScriptedSpace, nginx: Start, tls: str
) -> None:
    async with SpaceClient(nginx(tls + passing(space), tls=True)) as client:
        with pytest.raises(SpaceUnreachableError, match=r'verify="ca\.pem"'):
            await client.complete("Hi")


async def test_the_password_of_nginx_is_sent_as_a_header(
    space: ScriptedSpace, nginx: Start, folder: Path
) -> None:
    (folder / "users").write_text("ada:{PLAIN}pw\n")
    url = nginx(f'auth_basic "Staff only"; auth_basic_user_file {folder}/users;{passing(space)}')
    header = f"Basic {base64.b64encode(b'ada:pw').decode()}"

    async with SpaceClient(url, headers={"Authorization": header}) as client:
        assert (await client.complete("Hi")).text == "Hello there."
    async with SpaceClient(url) as client:
        with pytest.raises(AuthenticationError, match="Staff only") as caught:
            await client.complete("Hi")
    assert 'headers={"Authorization": "Basic ..."}' in str(caught.value)


@pytest.mark.parametrize(
    ("location", "http"),
    [
        pytest.param("proxy_buffering on;", "", id="buffers"),
        pytest.param(
            "proxy_buffering off;",
            "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;",
            id="compression",
        ),
    ],
)
async def test_nginx_holds_no_token_back(
    space: ScriptedSpace, nginx: Start, location: str, http: str
) -> None:
    space.engine.gate = gate = threading.Semaphore(1)
    url = nginx(passing(space, location), http)

    async with SpaceClient(url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, TextDelta):
                gate.release()  # the next piece is made when this one has arrived

    assert space.engine.finished == 1


@pytest.mark.parametrize("method", ["", "random;"])
async def test_replicas_by_turns_answer_each_prompt_once(
    space: ScriptedSpace, other_space: tuple[str, Any], nginx: Start, method: str
) -> None:
    url, engine = other_space
    servers = "".join(f"server {each.removeprefix('http://')};" for each in (space.url, url))
    front = nginx(
        "location / { proxy_pass http://replicas; proxy_buffering off; }",
        f"upstream replicas {{ {method} {servers} }}",
    )

    async with SpaceClient(front) as client:
        texts = [(await client.complete("Hi")).text for _ in range(6)]
        while not (space.engine.requests and engine.requests) and len(texts) < 40:
            texts.append((await client.complete("Hi")).text)  # chance may leave one out for long

    assert set(texts) == {"Hello there."}
    assert len(space.engine.requests) + len(engine.requests) == len(texts)
    assert space.engine.requests
    assert engine.requests


async def test_info_may_be_closed(space: ScriptedSpace, nginx: Start) -> None:
    url = nginx("location ~ /info { return 403; }" + passing(space))

    async with SpaceClient(url) as client:
        assert (await client.complete("Hi")).text == "Hello there."


async def test_a_space_under_a_path_answers_there(nginx: Start) -> None:
    async with LocalSpace(ScriptedEngine(["Hello"]), root_path="/chat") as space:
        proxied = f"proxy_pass {space.url}/; proxy_buffering off;"
        url = nginx(f"location /chat/ {{ {proxied} }}") + "/chat"

        async with SpaceClient(url) as client:
            text = (await client.complete("Hi")).text
        async with aiohttp.ClientSession() as http, http.get(f"{url}/") as answer:
            page = await answer.text()

    assert text == "Hello"
    assert f"{url}/gradio_api" in page or f'"root":"{url}"' in page
