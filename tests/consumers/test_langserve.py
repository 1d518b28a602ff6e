"""A chain behind LangServe, and clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI
from langchain_core.output_parsers import StrOutputParser
from langserve import RemoteRunnable, add_routes

from langchain_qwen_space import ChatQwenSpace

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve([opened]))
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def chain_of(space: ScriptedSpace) -> FastAPI:
    app = FastAPI()
    add_routes(app, ChatQwenSpace(space=space.url) | StrOutputParser(), path="/chat")
    return app


async def test_a_remote_chain_streams_and_invokes(space: ScriptedSpace) -> None:
    async with serving(chain_of(space)) as url:
        chain = RemoteRunnable(f"{url}/chat")
        pieces = [piece async for piece in chain.astream("Hi")]
        whole = await chain.ainvoke("Hi")

    assert "".join(pieces) == "Hello there."
    assert whole == "Hello there."


async def test_a_client_that_leaves_between_two_pieces_stops_the_job(space: ScriptedSpace) -> None:
    # Where it leaves while a piece is handed on, LangServe keeps the error, and so the stream.
    space.engine.reply = ["word "] * 1000
    space.engine.gate = threading.Semaphore(1)

    async with serving(chain_of(space)) as url, aiohttp.ClientSession() as session:
        answer = await session.post(f"{url}/chat/stream", json={"input": "Hi"})
        while b"word" not in await answer.content.readany():
            pass
        for _ in range(20):
            await asyncio.sleep(0)  # until LangServe, in this loop, waits for the next piece
        answer.close()
        await asyncio.to_thread(space.engine.wait_idle)

    assert (space.engine.finished, space.engine.cancelled) == (0, 1)
