"""The same chat app on Gradio releases from the oldest to the newest, each as it was in its day.

Not part of the quick tests: `pytest -m matrix` makes an environment for each release.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import JobError, Notice, SpaceClient, TextDelta
from qwen_space.space import Space

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(300)]

APP = Path(__file__).with_name("app.py")

# The release, a day soon after it (its dependencies are those of that day), and the flavours of
# the app: what the chat consists of, an answer in steps, or a gr.ChatInterface. "modelscope" comes
# with the release of modelscope_studio whose chatbot is shown.
RELEASES = [
    ("4.0.2", "2023-11-10", "pairs steps interface"),
    ("4.8.0", "2023-12-08", "pairs interface"),
    ("4.9.1", "2023-12-20", "pairs interface"),
    ("4.16.0", "2024-02-10", "pairs interface"),
    ("4.20.1", "2024-03-10", "pairs interface"),
    ("4.21.0", "2024-03-16", "pairs interface"),
    ("4.26.0", "2024-04-10", "pairs interface"),
    ("4.44.1", "2024-12-15", "pairs messages steps interface modelscope==0.5.2"),
    ("5.0.2", "2024-10-20", "pairs messages interface"),
    ("5.29.0", "2025-05-10", "pairs messages interface"),
    ("5.50.0", "2026-03-01", "pairs messages steps interface modelscope==1.6.1"),
    ("6.0.2", "2025-12-12", "messages interface"),
    ("6.31.0", None, "messages steps interface"),
]

PIECES = ["a", "a", " b", "[1]", '["append", [0], "x"]', "\nlist\n", "- x", " 你好🙂", "!"]
TEXT = "".join(PIECES)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((release, day, flavour), id=f"{release}-{flavour}")
        for release, day, flavours in RELEASES
        for flavour in flavours.split()
    ],
)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app."""
    release, day, named = request.param
    flavour = named.partition("==")[0]
    python = environment(release, day, [f"modelscope_studio{named[10:]}"] * ("==" in named))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log"
    with log.open("w") as output:
        app = subprocess.Popen(
            [python, APP, str(port), flavour],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/config", app, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            app.kill()
            app.wait()


def environment(release: str, day: str | None, more: list[str]) -> Path:
    """Return the Python of an environment with a release, which is made if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "qwen-space", "matrix")
    folder = cache / "-".join([release, *more])
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run(["uv", "venv", "-q", "--clear", "--python", "3.11", folder], check=True)
        dated = [] if day is None else ["--exclude-newer", day]
        install = ["uv", "pip", "install", "-q", "--python", python, *dated]
        subprocess.run([*install, f"gradio=={release}", *more], check=True)
        (folder / "complete").touch()
    return python


def wait_for(url: str, app: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the app answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and app.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):  # noqa: PERF203 - not up yet
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the app did not start:\n{log.read_text()[-2000:]}")


async def test_each_piece_is_a_delta_and_the_text_is_exact(url: str) -> None:
    async with SpaceClient(url) as client, client.stream(json.dumps(PIECES)) as stream:
        events = [event async for event in stream]

    deltas = [event.delta for event in events if isinstance(event, TextDelta)]
    assert events[-1].text == "".join(deltas) == TEXT
    # Two pieces may come as one: a trailing line break waits for what follows it, and servers
    # up to 6.10 send what has come up every 50 ms.
    assert len(deltas) >= len(PIECES) - 2


def test_langchain_and_llama_index_agree_streamed_and_not(url: str) -> None:
    chat, llm, prompt = ChatQwenSpace(space=url), QwenSpace(space=url), json.dumps(PIECES)

    texts = {
        "invoke": chat.invoke(prompt).text,
        "stream": "".join(chunk.text for chunk in chat.stream(prompt)),
        "complete": llm.complete(prompt).text,
        "stream_complete": "".join(chunk.delta or "" for chunk in llm.stream_complete(prompt)),
    }

    assert texts == dict.fromkeys(texts, TEXT)


async def test_a_failing_app_is_an_error_with_the_text_so_far(url: str) -> None:
    async with SpaceClient(url) as client:
        with pytest.raises(JobError) as caught:
            await client.complete(json.dumps(["one ", "two", "RAISE"]))

    assert caught.value.text == "one two"
    assert caught.value.reason in {"planned failure", None}


async def test_a_message_of_the_app_is_a_notice(url: str, request: pytest.FixtureRequest) -> None:
    flavour = request.node.callspec.params["url"][2]
    async with SpaceClient(url) as client, client.stream(json.dumps(["a"])) as stream:
        notices = [event.message async for event in stream if isinstance(event, Notice)]

    assert notices == ([] if flavour in {"steps", "interface"} else ["answering"])


def test_a_blocking_stream_that_is_left_early_closes(url: str) -> None:
    from qwen_space import SpaceConfig
    from qwen_space.chat import Turn

    stream = Space(SpaceConfig(space=url)).iterate([Turn("user", json.dumps(["a"] * 100))])
    first = next(event for event in stream if isinstance(event, TextDelta))

    stream.close()

    assert first.delta == "a"
