"""The command line, as people call it."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import signal
import subprocess
import sys
import threading
import types
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qwen_space import __version__
from qwen_space.__main__ import main as run_program
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.cli.chat import _split_words
from qwen_space.cli.main import _parser, main
from qwen_space.cli.space_options import build_config
from qwen_space.config import SpaceConfig, Timeouts
from qwen_space.local import EngineError

if TYPE_CHECKING:
    from conftest import ScriptedSpace

COMMAND = [sys.executable, "-m", "qwen_space"]


@pytest.fixture(autouse=True)
def _stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def test_the_demo_shows_both_frameworks_on_another_space(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = lambda messages: ["An ", "answer ", f"of {len(messages)} messages."]

    status = main(["demo", "--space", space.url])

    said = capsys.readouterr().out
    assert status == 0
    assert space.url in said
    chain, query_engine = said.split("== LlamaIndex")
    assert "Wait      for LangChain to load" in chain
    assert "Wait      for LlamaIndex to load" in query_engine
    for part in (chain, query_engine):
        assert "Question  " in part
        assert "Queue     started" in part
        assert "An answer of 2 messages." in part
        assert re.search(r"\(3 tokens; the first after \d+\.\d\d s, then \d+ tokens/s\)", part)
    assert "ChatQwenSpace" in chain
    assert re.search(r"Source    [\w-]+\.md \(\d+\.\d+\): \S", query_engine)
    assert "the job stops on the server" in space.joins[1]["data"][0]


def test_a_chat_with_several_spaces_says_which_one_did_not_answer(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", f"http://127.0.0.1:9,{space.url}", "Hi"]) == 0

    said = capsys.readouterr()
    assert said.out == "Hello there.\n"
    assert said.err.count("http://127.0.0.1:9 does not answer: Cannot reach") == 1


def test_an_inspection_is_of_one_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a/b,c/d"]) == 1
    assert "inspect looks at one Space: name one of a/b, c/d." in capsys.readouterr().err


class Interrupted(types.ModuleType):
    """A module during whose import a person types Ctrl-C."""

    def __getattr__(self, name: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_during_the_imports_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qwen_space.cli.main", Interrupted("qwen_space.cli.main"))

    assert run_program() == 130


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["demo", "--space", "http://127.0.0.1:9"], "Cannot reach", id="unreachable"),
        pytest.param(["demo", "--space", "no space"], "space='no space'", id="no-space"),
        pytest.param(["serve", "--model", "no/where.gguf"], "no/where.gguf", id="no-model"),
        pytest.param(["chat", "http://127.0.0.1:9", "Hi"], "Cannot reach", id="chat-unreachable"),
        pytest.param(["chat", "http://127.0.0.1:9", " "], "empty", id="chat-without-prompt"),
        pytest.param(["chat", "Hello there"], "space='Hello there'", id="chat-no-space"),
        pytest.param(["chat", "Hello there"], "name the Space before it", id="chat-no-space-hint"),
        pytest.param(["chat", "Why", "is"], "name the Space before it", id="chat-words-no-space"),
        pytest.param(["inspect", "no space"], "space='no space'", id="inspect-no-space"),
        pytest.param(["inspect", "--role", "x"], "takes --role INPUT=ROLE.", id="role"),
        pytest.param(["inspect", "--input", "x"], "takes --input INPUT=VALUE.", id="input"),
    ],
)
def test_an_error_is_one_sentence_and_a_status(
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


def test_a_prompt_prints_the_answers_text_and_nothing_else(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = ["**One**\n\n", "two\x1b[0m"]

    status = main(["chat", space.url, "Hi", "-s", "Be brief.", "-m", "7B"])

    assert (status, *capsys.readouterr()) == (0, "**One**\n\ntwo\x1b[0m\n", "")
    assert space.joins[0]["data"] == ["Hi", [], "Be brief.", "7B"]


def test_a_prompt_can_come_through_a_pipe(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", space.url)
    monkeypatch.setattr(sys, "stdin", io.StringIO("  Two\nlines\n"))

    status = main(["chat"])

    assert (status, *capsys.readouterr()) == (0, "Hello there.\n", "")
    assert space.joins[0]["data"] == ["  Two\nlines", [], DEFAULT_SYSTEM_PROMPT, "72B"]


def test_an_answer_that_fails_ends_its_line_and_says_why(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = ["Half", ValueError("bad luck")]

    status = main(["chat", space.url, "Hi"])

    assert status == 1
    printed = capsys.readouterr()
    assert printed.out == "Half\n"
    assert printed.err == "qwen-space: The app failed: ValueError: bad luck\n"


def test_an_error_of_the_app_does_not_move_the_terminal(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = [EngineError("\x1b[2J\x1b]0;title\x07bad\u202e luck\x9b")]

    status = main(["chat", space.url, "Hi"])

    assert status == 1
    assert capsys.readouterr().err == "qwen-space: The app failed: [2J]0;titlebad luck\n"


def test_a_pipe_that_closes_ends_the_answer_quietly(space: ScriptedSpace) -> None:
    space.engine.reply = ["One\ntwo", " and", " three"]
    space.engine.gate = threading.Semaphore(1)

    with subprocess.Popen(
        [*COMMAND, "chat", space.url, "Hi"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdout is not None
        assert chat.stderr is not None
        line = chat.stdout.readline()
        chat.stdout.close()
        space.engine.gate.release()  # " and" finds the pipe closed; " three" is held back
        said = chat.stderr.read()
        status = chat.wait(20)

    assert (line, said, status) == ("One\n", "", 141)
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


def test_the_token_of_the_environment_goes_to_hugging_face_only(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")

    for arguments in (["chat", space.url, "Hi"], ["inspect", space.url, "--json"]):
        assert main(arguments) == 0

    assert not any("hf_environment" in str(headers) for headers in space.headers)
    options = _parser().parse_args(["chat", "Qwen/Qwen2.5"])
    assert build_config(options, "Qwen/Qwen2.5").hf_token == "hf_environment"
    assert "hf_environment" not in capsys.readouterr().out


def configured(*arguments: str) -> SpaceConfig:
    return build_config(_parser().parse_args(["chat", *arguments]), "http://127.0.0.1:7860")


def test_a_login_and_certificates_are_options_and_the_password_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ["--auth", "ada", "--verify", "ca.pem"]

    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    assert configured(*options).auth == ("ada", "typed at Password of ada: ")
    monkeypatch.setenv("QWEN_SPACE_PASSWORD", "of the environment")
    assert configured(*options).auth == ("ada", "of the environment")
    assert configured(*options).verify == "ca.pem"
    assert configured("--no-verify").verify is False
    assert configured().verify is True


def test_a_password_that_cannot_be_asked_for_is_a_sentence_and_no_line_of_stdin() -> None:
    asked = subprocess.run(
        [*COMMAND, "chat", "http://127.0.0.1:9", "--auth", "ada"],
        input=b"A text.\n",
        capture_output=True,
        check=False,
        start_new_session=True,  # without a terminal
    )

    assert asked.returncode == 1
    said = "qwen-space: --auth ada: no password was typed on a terminal. Set QWEN_SPACE_PASSWORD."
    assert asked.stderr.decode().strip() == said


def test_the_network_has_options(tmp_path: Path) -> None:
    secret = tmp_path / "headers"
    secret.write_text("Authorization: Basic abc\n\nX-Two: 2\n")

    config = configured(
        *("--timeout", "2.5", "--proxy", "http://127.0.0.1:3128"),
        *("--header", "X-One: 1: one", "--header", f"@{secret}"),
    )

    assert config.timeouts == Timeouts(total=2.5, first_token=None, wake=None)
    assert config.proxy == "http://127.0.0.1:3128"
    assert config.headers == {"X-One": "1: one", "Authorization": "Basic abc", "X-Two": "2"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["caht"], "(did you mean chat?)", id="command"),
        pytest.param(["chat", "--modle", "7B"], "(did you mean --model?)", id="option"),
        pytest.param(["chat", "--modle=7B"], "(did you mean --model?)", id="option-with-value"),
        pytest.param(["chat", "--history", "nativ"], "native", id="choice"),
        pytest.param(["chat", "--xyzzy"], "(qwen-space chat --help lists the ", id="nothing-near"),
        pytest.param(["chat", "--timeout", "soon"], "'soon' is no number of seconds", id="seconds"),
        pytest.param(["chat", "--max-tokens", "0"], "'0' is no whole number above 0", id="count"),
        pytest.param(["chat", "--file", "no.png"], "there is no file 'no.png'", id="file"),
        pytest.param([], "show an app's functions", id="no-command-lists-them"),
        pytest.param([], "error: a COMMAND is missing\n", id="no-command"),
    ],
)
def test_a_mistyped_line_is_status_2_and_a_suggestion(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_options_may_stand_between_the_words(space: ScriptedSpace) -> None:
    assert main(["chat", space.url, "--model", "7B", "Hi"]) == 0

    assert space.joins[0]["data"] == ["Hi", [], DEFAULT_SYSTEM_PROMPT, "7B"]


def test_a_text_on_stdin_stands_before_the_prompt(
    space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", space.url)
    monkeypatch.setattr(sys, "stdin", io.StringIO("A long\ntext\n"))

    assert main(["chat", "Summarise it."]) == 0

    assert space.joins[0]["data"][0] == "A long\ntext\n\nSummarise it."


@pytest.mark.parametrize(
    ("data", "locale", "text"),
    [
        pytest.param("Привет".encode(), "utf-8", "Привет", id="utf-8"),
        pytest.param("Привет".encode(), "cp1251", "Привет", id="utf-8-in-another-locale"),
        pytest.param("Привет".encode("utf-8-sig"), "utf-8", "Привет", id="with-its-mark"),
        pytest.param("Привет".encode("utf-16"), "utf-8", "Привет", id="powershell"),
        pytest.param("Привет".encode("cp1251"), "cp1251", "Привет", id="the-locales-own"),
        pytest.param(b"one\r\ntwo\r\n", "utf-8", "one\ntwo", id="line-ends"),
    ],
)
def test_stdin_is_utf_8_or_in_the_locale_s_encoding(
    space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, data: bytes, locale: str, text: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), locale))

    assert main(["chat", space.url]) == 0

    assert space.joins[0]["data"][0] == text


def test_stdin_that_is_no_text_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x89PNG\xff"), "utf-8"))

    assert main(["chat", "http://127.0.0.1:9"]) == 1

    assert "stdin is no text in utf-8: convert it" in capsys.readouterr().err


def test_a_writer_who_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()

    class Silent(io.StringIO):
        def read(self, size: int | None = -1, /) -> str:
            assert said.wait(20)
            return ""

    class Heard(io.StringIO):
        def write(self, text: str, /) -> int:
            if text.endswith("\n"):
                said.set()
            return super().write(text)

    monkeypatch.setattr("qwen_space.cli.chat._PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stdin", Silent())
    monkeypatch.setattr(sys, "stderr", heard := Heard())

    assert main(["chat", "http://127.0.0.1:9"]) == 1
    assert heard.getvalue().startswith("qwen-space: reading stdin to its end")


@pytest.mark.parametrize(
    ("words", "named", "expected"),
    [
        pytest.param([], "", ("Qwen/Qwen2.5", None), id="none"),
        pytest.param([], "http://named", ("http://named", None), id="none-and-environment"),
        pytest.param(["a/b"], "http://named", ("a/b", None), id="a-space"),
        pytest.param(["Hi there"], "http://named", ("http://named", "Hi there"), id="a-prompt"),
        pytest.param(["a/b", "Hi"], "http://named", ("a/b", "Hi"), id="both"),
        pytest.param(["a/b,c/d"], "http://named", (["a/b", "c/d"], None), id="several"),
        pytest.param(["a/b", "Why", "is"], "", ("a/b", "Why is"), id="without-quotes"),
        pytest.param(
            ["Why", "a/b"], "http://named", ("http://named", "Why a/b"), id="and-no-space"
        ),
        pytest.param(["a/b", ""], "", ("a/b", ""), id="an-empty-prompt"),
    ],
)
def test_the_first_word_is_the_space_if_it_can_be_one(
    words: list[str],
    named: str,
    expected: tuple[str | list[str], str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", named)

    assert _split_words(words) == expected


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Top-p=0.25", 0.25),
        ("max_tokens=7", 7),
        ("System prompt=Say a=b.", "Say a=b."),
        ('System prompt="5"', "5"),
    ],
)
def test_an_input_has_a_value_as_json_or_as_text(
    space: ScriptedSpace, given: str, sent: object, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = ["--role", "System prompt=", "--role", "Top-p="]

    status = main(["chat", space.url, "Hi", "--endpoint", "chat", *roles, "--input", given])

    assert (status, capsys.readouterr().err) == (0, "")
    assert sent in space.joins[0]["data"]


def test_json_is_one_object(space: ScriptedSpace, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--json", "--temperature", "0.5", "--max-tokens", "9"]

    status = main(["chat", space.url, "Hi", "--endpoint", "chat", *options])

    said = capsys.readouterr()
    assert (status, said.err) == (0, "")
    reply = json.loads(said.out)
    assert list(reply) == [
        *("text", "thinking", "files", "components", "model", "finish_reason"),
        *("duration", "event_id", "space", "error"),
    ]
    assert (reply["text"], reply["finish_reason"]) == ("Hello there.", "stop")
    assert (reply["space"], reply["error"]) == (space.url, None)
    assert {0.5, 9} <= set(space.joins[0]["data"][2:])


def test_json_of_a_failure_has_its_kind_and_the_text_so_far(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = ["Half", ValueError("bad luck")]

    status = main(["chat", space.url, "Hi", "--json"])

    reply = json.loads(capsys.readouterr().out)
    assert status == 1
    assert (reply["text"], reply["finish_reason"]) == ("Half", "error")
    assert reply["error"]["type"] == "JobError"
    assert "bad luck" in reply["error"]["message"]


@pytest.mark.parametrize(
    ("shell", "files"),
    [("bash", "_shtab_compgen_files"), ("zsh", "FILE:_files"), ("fish", "__fish_complete_path")],
)
def test_a_shell_can_complete_commands_options_and_files(
    shell: str, files: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert "inspect" in script
    assert "max-tokens" in script
    assert files in script


def test_without_rich_the_table_names_the_extra_and_json_works(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)

    assert main(["inspect", space.url]) == 1
    assert 'pip install "qwen-space[cli]"' in capsys.readouterr().err
    assert main(["inspect", space.url, "--json"]) == 0


@pytest.mark.parametrize(
    ("missing", "said"),
    [("rich.console", "The table needs rich: "), ("huggingface_hub", "Finding Spaces needs hugg")],
)
def test_without_its_extras_the_search_for_spaces_does_not_begin(
    missing: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    assert main(["find"]) == 1
    assert capsys.readouterr().err.startswith(f"qwen-space: {said}")


@pytest.mark.parametrize("package", ["langchain_core", "llama_index", "llama_index.core", "bm25s"])
def test_without_a_framework_the_demo_names_the_extra_before_it_begins(
    package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str) -> object:
        if name.startswith(f"{package}."):
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return None if name == package else found(name)

    monkeypatch.setattr("importlib.util.find_spec", find_spec)

    assert main(["demo", "--space", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"qwen-space: The demo needs {package}")
    assert 'pip install "qwen-space[all]"' in said.err


@pytest.mark.model
@pytest.mark.timeout(240)  # half a minute on two cores, which others may use too
def test_the_demo_answers_with_a_real_model() -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--small", "--max-tokens", "24"],
        capture_output=True,
        text=True,
        timeout=220,
    )

    assert done.returncode == 0, done.stderr
    assert "SmolLM2-135M-Instruct" in done.stdout
    tokens = [int(count) for count in re.findall(r"\((\d+) tokens; the first after", done.stdout)]
    assert len(tokens) == 2
    assert min(tokens) > 1, "the answers did not stream"


@pytest.mark.model
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
    assert served.returncode == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)
