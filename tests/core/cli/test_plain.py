"""One prompt, whose reply is printed."""

from __future__ import annotations

import io
import re
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from qwen_space.cli import main
from qwen_space.cli.plain import _Printer
from qwen_space.events import Queued, Started
from qwen_space.local import Thinking

if TYPE_CHECKING:
    from conftest import ScriptedSpace


@pytest.fixture(autouse=True)
def _stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "options", "seen"),
    [
        pytest.param({}, [], "\x1b[2mWell, well.\x1b[0m\n", id="dim"),
        pytest.param({"TERM": "dumb"}, [], "Well, well.\n", id="dumb"),
        pytest.param({"NO_COLOR": "1"}, [], "Well, well.\n", id="no-color"),
        pytest.param({}, ["--hide-thinking"], "", id="hidden"),
    ],
)
def test_thoughts_are_seen_where_stderr_is_a_terminal(
    space: ScriptedSpace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: list[str],
    seen: str,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    space.engine.reply = [Thinking("Well, \x07"), Thinking("well."), "Yes."]

    assert main(["chat", space.url, "Hi", *options]) == 0

    assert (capsys.readouterr().out, screen.getvalue()) == ("Yes.\n", seen)


def test_thoughts_are_no_part_of_a_log(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = [Thinking("Well, well."), "Yes."]

    assert main(["chat", space.url, "Hi"]) == 0

    assert tuple(capsys.readouterr()) == ("Yes.\n", "")


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        (Screen, "qwen-space: In the queue, 2 in front, about 4 s to wait\n"),
        (io.StringIO, ""),
    ],
)
def test_the_place_in_the_queue_is_seen_where_stderr_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: type[io.StringIO], said: str
) -> None:
    monkeypatch.setattr(sys, "stderr", screen := terminal())
    printer = _Printer(show_thinking=True)

    for event in (Queued(2, 3, 4.2), Queued(0, 1, None), Started(None)):
        printer.print(event)
    printer.end()

    assert screen.getvalue() == said


@pytest.mark.parametrize("option", ["-u", "--usage", "--verbose"])
def test_tokens_and_times_are_a_line_on_stderr(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["chat", space.url, "Hi", option]) == 0

    said = capsys.readouterr()
    assert said.out == "Hello there.\n"
    assert re.fullmatch(
        r"qwen-space: 3\d tokens in, 3 out; \d+\.\d\d s, the first after \d+\.\d\d s"
        r"(, \d+ tokens/s)?\n",
        said.err,
    )


@pytest.mark.parametrize("form", [["-x"], ["--json"], ["--schema", "{}"]], ids=" ".join)
def test_each_form_of_a_reply_has_figures_and_notices(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    space.engine.reply = ['{"age": 3}']

    assert main(["chat", f"http://127.0.0.1:9,{space.url}", "Hi", "--usage", *form]) == 0

    said = capsys.readouterr()
    notice, figures = said.err.splitlines()
    assert "age" in said.out
    assert notice.startswith("qwen-space: http://127.0.0.1:9 does not answer: ")
    assert re.fullmatch(r"qwen-space: \d+ tokens in, \d out; \d+\.\d\d s(, .*)?", figures)


def test_a_limit_of_time_names_the_option_for_it(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.gate = threading.Semaphore(0)

    assert main(["chat", space.url, "Hi", "--timeout", "0.2"]) == 1

    assert capsys.readouterr().err.endswith("If that is to be expected, give a longer --timeout.\n")


@pytest.mark.filterwarnings("default")
def test_an_option_that_the_app_has_no_input_for_is_a_line(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--endpoint", "model_chat", "--temperature", "0.5"]

    assert main(["chat", space.url, "Hi", *options]) == 0

    said = capsys.readouterr().err
    assert said == f"qwen-space: {space.url} has no input for temperature: the app keeps its own.\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_is_closed_gets_nothing(
    space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sys, name, None)  # as after >&- or in a service

    assert main(["chat", space.url, "Hi", "--usage"]) == 0

    assert space.joins[0]["data"][0] == "Hi"
