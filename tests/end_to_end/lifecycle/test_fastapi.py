"""A FastAPI app that streams replies, under uvicorn with uvloop: the visitors come and go."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from llama_index.core.llms import ChatMessage

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.end_to_end.lifecycle.conftest import CONFIG, JOIN, STREAM, WatchedSpace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no uvloop")

FRAMEWORKS = ["langchain", "llama-index"]


def make_app(url: str) -> FastAPI:
    """Return the app that the documentation of either framework would have one write."""
    app = FastAPI()
    model, llm = ChatQwenSpace(space=url), QwenSpace(space=url)

    async def langchain_pieces() -> AsyncIterator[str]:
        async for chunk in model.astream("Hi"):
            yield str(chunk.text)

    async def llama_index_pieces() -> AsyncIterator[str]:
        async for chunk in await llm.astream_chat([ChatMessage("Hi")]):
            yield chunk.delta or ""

    @app.get("/stream/langchain")
    async def _() -> StreamingResponse:
        return StreamingResponse(langchain_pieces())

    @app.get("/stream/llama-index")
    async def _() -> StreamingResponse:
        return StreamingResponse(llama_index_pieces())

    @app.get("/whole/langchain")
    async def _() -> str:
        return str((await model.ainvoke("Hi")).text)

    @app.get("/whole/llama-index")
    async def _() -> str:
        return (await llm.acomplete("Hi")).text

    return app


@pytest.fixture
def site(watched: WatchedSpace) -> Iterator[str]:
    """The address of the app while it runs."""
    config = uvicorn.Config(make_app(watched.url), port=0, loop="uvloop", log_level="error")
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def starting(*args: object, **options: object) -> None:
        await startup(*args, **options)  # type: ignore[arg-type]
        started.set()

    server.startup = starting  # type: ignore[method-assign, assignment]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def visit(site: str, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Return a visitor's connection, with the answer that has begun on it."""
    connection = begin_visit(site, path)
    return connection, connection.getresponse()


def begin_visit(site: str, path: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=20)
    connection.request("GET", path)
    return connection


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_ten_visitors_at_once_each_get_the_reply(
    watched: WatchedSpace, site: str, framework: str
) -> None:
    def read(way: str) -> str:
        connection, response = visit(site, f"/{way}/{framework}")
        try:
            return response.read().decode().strip('"')
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(read, ["stream", "whole"] * 5))

    assert replies == ["one two three"] * 10
    watched.until_left()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_visitor_who_leaves_stops_the_job(
    watched: WatchedSpace, site: str, framework: str
) -> None:
    watched.hold(1)
    connection, response = visit(site, f"/stream/{framework}")
    assert response.read1(4) == b"one "

    connection.close()

    watched.until_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("stage", [CONFIG, JOIN, STREAM])
def test_a_visitor_who_leaves_early_leaves_no_job(
    watched: WatchedSpace, site: str, framework: str, stage: str
) -> None:
    watched.hold(0)
    watched.watch.held = stage
    connection = begin_visit(site, f"/stream/{framework}")
    watched.until(lambda: stage in watched.watch.asked)

    connection.close()
    watched.watch.held = None

    watched.until_left(for_good=True)
    assert watched.watch.asked.count(JOIN) == (stage != CONFIG)
