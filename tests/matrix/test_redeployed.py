"""An app that is deployed anew at its address, with another function under the number of its chat.

Each client that lives on looks the chat up again before it sends a prompt.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Space, SpaceClient
from tests.matrix.apps import Apps, environment
from tests.matrix.releases import MEDIA_RELEASES

if TYPE_CHECKING:
    from tests.core.cli.terminal import Terminal

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]

Deploy = Callable[[str], Any]


@pytest.fixture(params=[pytest.param(each[:2], id=each[0]) for each in MEDIA_RELEASES])
def python(request: pytest.FixtureRequest) -> Path:
    release, day = request.param
    return environment(release, day, [])


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MATRIX_PORT", str(port))
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def deploy(python: Path, tmp_path: Path, url: str) -> Iterator[Deploy]:
    """Give a function that starts the app in its old or its new state."""
    apps = Apps(tmp_path / "log")
    yield lambda flavour: apps.running(python, [flavour])
    apps.stop()


@contextlib.contextmanager
def terminal(url: str) -> Iterator[Terminal]:
    from tests.core.cli.terminal import Terminal  # not on Windows

    chat = Terminal(url)
    try:
        yield chat
    finally:
        chat.close()


async def test_each_client_finds_the_chat_again(deploy: Deploy, url: str) -> None:
    space, chat, llm = Space(url), ChatQwenSpace(space=url), QwenSpace(space=url)

    async def ask(client: SpaceClient) -> list[str]:
        return [
            (await client.complete("Hi")).text,
            (await space.acomplete("Hi")).text,
            (await chat.ainvoke("Hi")).text,
            "".join([chunk.text async for chunk in chat.astream("Hi")]),
            (await llm.acomplete("Hi")).text,
        ]

    async with SpaceClient(url) as client:
        deploy("old")
        before = await ask(client)
        deploy("new")
        after = await ask(client)

    assert (before, after) == (["old: Hi"] * 5, ["new: Hi"] * 5)


def test_blocking_callers_and_a_conversation_on_a_terminal_do(deploy: Deploy, url: str) -> None:
    space, chat, llm = Space(url), ChatQwenSpace(space=url), QwenSpace(space=url)

    def ask() -> list[str]:
        blocking = [space.complete("Hi").text, chat.invoke("Hi").text, llm.complete("Hi").text]
        return [*blocking, "".join(chunk.delta or "" for chunk in llm.stream_complete("Hi"))]

    deploy("old")
    with terminal(url) as conversation:
        before = ask()
        conversation.ask("Hi")
        conversation.see("old: Hi")
        deploy("new")
        after = ask()
        conversation.ask("/new")
        conversation.ask("Again")
        conversation.see("new: Again")

    assert (before, after) == (["old: Hi"] * 4, ["new: Hi"] * 4)
