"""OpenAI's JavaScript client over `qwen-space api`. It is installed from npm, once a run."""

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

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.javascript

SCRIPT = Path(__file__).with_name("client.mjs")
Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script, and the package beside it."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copy(SCRIPT, folder)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "openai@>=5"]
    subprocess.run(npm, cwd=folder, check=True, timeout=110)
    return folder


@pytest.fixture
def ask(folder: Path, space: ScriptedSpace) -> Iterator[Ask]:
    """Ask in one of the script's ways."""
    with serving(Space(space.url), ApiOptions(token="sk-1")) as url:

        def run(way: str) -> Any:
            done = subprocess.run(
                ["node", SCRIPT.name, way],
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
