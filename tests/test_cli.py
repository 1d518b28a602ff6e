"""The command line, as people call it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from qwen_space import __version__
from qwen_space.cli import main

if TYPE_CHECKING:
    from conftest import ScriptedSpace

COMMAND = [sys.executable, "-m", "qwen_space"]


def test_the_demo_shows_both_frameworks_on_another_space(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = lambda messages: ["An ", "answer ", f"of {len(messages)} messages."]

    status = main(["demo", "--space", space.url])

    said = capsys.readouterr().out
    assert status == 0
    assert space.url in said
    chain, query_engine = said.split("== LlamaIndex")
    for part in (chain, query_engine):
        assert "Question  " in part
        assert "Queue     started" in part
        assert "An answer of 2 messages." in part
        assert re.search(r"\(3 tokens; the first after \d+\.\d\d s, then \d+ tokens/s\)", part)
    assert "ChatQwenSpace" in chain
    assert re.search(r"Source    [\w-]+\.md \(\d+\.\d+\): \S", query_engine)
    assert "Leaving a stream early" in space.joins[1]["data"][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["demo", "--space", "http://127.0.0.1:9"], "Cannot reach", id="unreachable"),
        pytest.param(["demo", "--space", "no space"], "space='no space'", id="no-space"),
        pytest.param(["serve", "--model", "no/where.gguf"], "no/where.gguf", id="no-model"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_a_status(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(arguments)

    assert status == 1
    error = capsys.readouterr().err
    assert error.startswith("qwen-space: ")
    assert said in error


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])

    assert exit_.value.code == 0
    assert capsys.readouterr().out.strip() == f"qwen-space {__version__}"


def test_the_demo_answers_with_a_real_model() -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--small"], capture_output=True, text=True, timeout=110
    )

    assert done.returncode == 0, done.stderr
    assert "SmolLM2-135M-Instruct" in done.stdout
    tokens = [int(count) for count in re.findall(r"\((\d+) tokens; the first after", done.stdout)]
    assert len(tokens) == 2
    assert min(tokens) > 1, "the answers did not stream"


def test_a_served_space_answers_until_it_is_told_to_stop() -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--small", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        line = next(line for line in served.stdout if " answers at " in line)
        url = line.split(" answers at ")[1].split()[0]
        with urllib.request.urlopen(url, timeout=10) as page:
            html = page.read().decode()
        served.send_signal(signal.SIGTERM)
        served.wait(20)

    assert "gradio" in html.lower()
    assert served.returncode == 130
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)
