"""The stand-in servers speak as those that they stand for; a target is reached or not."""

from __future__ import annotations

import json
import re

import aiohttp
import pytest

from benchmarks import frames
from benchmarks.peers import PeerServer
from benchmarks.targets import points
from qwen_space.events import TextDelta
from qwen_space.gradio.job import Job
from qwen_space.local import ScriptedEngine

TOKENS = frames.tokens(50)


def unchunked(body: bytes) -> bytes:
    """The body without HTTP's chunks, each of which must have the length that it says."""
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        assert body[count : count + 2] == b"\r\n"
        out, body = out + body[:count], body[count + 2 :]
    return out


def deltas(body: bytes, protocol: str) -> list[str]:
    job = Job(frames.EVENT_ID, 1, protocol)
    found = [*job.receive(unchunked(body))]
    assert job.done
    return [each.delta for each in found if isinstance(each, TextDelta)]


@pytest.mark.parametrize("history", [0, 3])
def test_gradio_sends_each_token_as_an_edit(history: int) -> None:
    assert deltas(frames.gradio(history).body(TOKENS), "sse_v3") == TOKENS


def test_gradio_sends_whole_values() -> None:
    body = b"".join(frames.whole_values(TOKENS)) + b"0\r\n\r\n"

    assert deltas(body, "sse_v1") == TOKENS


def test_ollama_sends_the_same_tokens() -> None:
    lines = [json.loads(line) for line in unchunked(frames.ollama().body(TOKENS)).splitlines()]

    assert [each["message"]["content"] for each in lines] == [*TOKENS, ""]
    assert [each["done"] for each in lines] == [False] * len(TOKENS) + [True]


def test_openai_sends_the_same_tokens() -> None:
    body = unchunked(frames.openai().body(TOKENS)).decode()
    *events, done = re.findall(r"data: (.*)\n\n", body)
    pieces = [json.loads(each)["choices"][0]["delta"].get("content") for each in events]

    assert (pieces, done) == (["", *TOKENS, None], "[DONE]")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_a_peer_says_that_its_engine_failed(path: str, stream: bool) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}

    with PeerServer(ScriptedEngine(["Hel", ValueError("no luck")])) as server:
        async with aiohttp.request("POST", server.url + path, json=chat) as response:
            body = await response.text()

    assert "no luck" in body


@pytest.mark.parametrize(("connections", "is_reached"), [(1, True), (3, False)])
def test_a_point_is_reached_or_not(connections: int, is_reached: bool) -> None:
    requests = {"connections": connections, "paths": {"/config": 1}}
    start = {"imports": {}, "constructors": {}, "requests": requests}

    verdicts = {each.what: each.is_reached for each in points({"start": start})}

    assert verdicts["connections of three replies in a row"] is is_reached
