"""JavaScript clients over `qwen-space api`: OpenAI's and LangChain's, installed from npm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space import Space
from qwen_space.api import ApiOptions
from tests.api_server import serving
from tests.obedient import obedient

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.javascript

PACKAGES = ["openai@>=5", "@langchain/openai@>=1", "@langchain/core@>=1", "zod@>=4"]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, and the packages beside them."""
    folder = tmp_path_factory.mktemp("javascript")
    for script in Path(__file__).parent.glob("*.mjs"):
        shutil.copy(script, folder)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
    subprocess.run(npm, cwd=folder, check=True, timeout=110)
    return folder


@pytest.fixture
def ask(folder: Path, space: ScriptedSpace) -> Iterator[Ask]:
    """Ask in one of a script's ways."""
    with serving(Space(space.url), ApiOptions(token="sk-1")) as url:

        def run(way: str, script: str = "client.mjs") -> Any:
            done = subprocess.run(
                ["node", script, way],
                cwd=folder,
                env={**os.environ, "BASE_URL": f"{url}/v1"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        yield run


def test_a_chat_and_a_stream(ask: Ask) -> None:
    reply, stream = ask("chat"), ask("stream")

    assert reply["text"] == stream["text"] == "Hello there."
    assert reply["tokens"] > 0
    assert stream["pieces"] > 3


def test_a_tool_is_called(ask: Ask, space: ScriptedSpace) -> None:
    space.engine.reply = list('<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')

    assert ask("tool") == {"name": "add", "arguments": {"a": 1}}


def test_leaving_a_stream_stops_the_job(ask: Ask, space: ScriptedSpace) -> None:
    space.engine.gate = threading.Semaphore(1)
    ask("leave")
    space.engine.wait_idle()

    assert (space.engine.cancelled, space.engine.finished) == (1, 0)


def test_errors_and_models(ask: Ask) -> None:
    assert ask("error") == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert "72B" in ask("models")["names"]


def test_langchain_chats_calls_tools_and_gives_objects(ask: Ask, space: ScriptedSpace) -> None:
    space.engine.reply = obedient("three")

    assert ask("chat", "langchain.mjs") == ["Hello there.", "Hello there."]
    assert ask("tool", "langchain.mjs") == "add"
    assert ask("object", "langchain.mjs") == {"name": "a text"}
