"""`qwen-space api`, as an operator has it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import openai
import pytest

from qwen_space.cli.main import main

if TYPE_CHECKING:
    from conftest import ScriptedSpace

COMMAND = [sys.executable, "-m", "qwen_space", "api", "--port", "0"]


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_servers_life_from_its_first_line_to_its_status(space: ScriptedSpace) -> None:
    gone = "http://127.0.0.1:9"
    with subprocess.Popen(
        [*COMMAND, gone, space.url, "--alias", "gpt-4o"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QWEN_SPACE_TOKEN": "open-sesame"},
    ) as served:
        assert served.stdout is not None
        line = served.stdout.readline()
        url = line.split(" is at ")[1].split()[0]
        with openai.OpenAI(base_url=url, api_key="open-sesame", max_retries=0) as client:
            reply = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]
            )
        served.send_signal(signal.SIGTERM)
        _, said = served.communicate(timeout=20)

    assert f"over {gone}, {space.url} is at http://127.0.0.1:" in line
    assert reply.choices[0].message.content == "Hello there."
    assert reply.model_extra is not None
    assert reply.model_extra["qwen_space"]["space"] == space.url
    assert served.returncode == 0
    assert f"{gone} does not answer: Cannot reach" in said
    assert "open-sesame" not in line + said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["api", "no space"], "space='no space'"),
        (["api", "http://127.0.0.1:9", "--strategy", "sticky", "--model", ""], "model is empty"),
        (["api", "http://127.0.0.1:9", "--host", "192.0.2.1"], "--host 192.0.2.1 --port 8000: "),
    ],
)
def test_a_start_that_fails_is_one_sentence_and_a_status(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        assert main(["api", "http://127.0.0.1:9", "--port", number]) == 1

    assert f"--port {number}: Address already in use. Give another" in capsys.readouterr().err


def test_without_jsonschema_it_says_which_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    assert main(["api", "http://127.0.0.1:9"]) == 1
    assert 'pip install "qwen-space[api]"' in capsys.readouterr().err
