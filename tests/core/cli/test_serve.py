"""`qwen-space serve`, as an operator has it: from its first line to its status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from qwen_space.cli.main import main
from qwen_space.local.space import _listen
from tests.completions_server import running_model

COMMAND = [sys.executable, "-m", "qwen_space", "serve", "--port", "0"]
SECRETS = ("sk-the-key", "pass-word")


@pytest.fixture
def model() -> Iterator[Any]:
    with running_model() as model:
        yield model


def get(url: str, token: str = "open-sesame") -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def join(url: str, session: str) -> None:
    body = {"data": ["Hi", [], "", "72B"], "fn_index": 3, "session_hash": session}
    request = urllib.request.Request(
        f"{url}/gradio_api/queue/join",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer open-sesame"},
    )
    urllib.request.urlopen(request, timeout=20).close()


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_servers_life_from_its_first_line_to_its_status(model: Any) -> None:
    environment = {
        **os.environ,
        "OPENAI_API_KEY": "sk-the-key",
        "QWEN_SPACE_TOKEN": "open-sesame",
    }
    command = [*COMMAND, "--base-url", model.url, "--log-json", "--parallel", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout is not None
        url = served.stdout.readline().split(" answers at ")[1].split()[0]
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            get(f"{url}/config", "wrong")
        refused.value.close()
        healthy = urllib.request.urlopen(f"{url}/health", timeout=20).read()
        shown = get(url) + get(f"{url}/config") + get(f"{url}/gradio_api/info")

        model.go_on.set()
        join(url, "whole")
        whole = get(f"{url}/gradio_api/queue/data?session_hash=whole")
        metrics = get(f"{url}/metrics")

        model.go_on.clear()
        join(url, "stopped")
        request = urllib.request.Request(
            f"{url}/gradio_api/queue/data?session_hash=stopped",
            headers={"Authorization": "Bearer open-sesame"},
        )
        with urllib.request.urlopen(request, timeout=20) as stream:
            while b"Hello" not in stream.readline():
                pass
            served.send_signal(signal.SIGTERM)
            told = stream.read().decode()
        said, log = served.communicate(timeout=20)

    assert served.returncode == 0
    assert json.loads(healthy) == {"status": "ok", "model": "served"}
    assert "Hello there" in whole
    assert 'qwen_space_replies_total{outcome="done"} 1.0' in metrics
    assert 'qwen_space_tokens_total{kind="prompt"} 9.0' in metrics
    assert "This Space is being stopped" in told
    replies = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["outcome"] for line in replies] == ["done", "failed"]
    assert replies[0]["reply_tokens"] == 2
    for secret in SECRETS:
        assert secret not in shown + whole + told + said + log + metrics
    assert str(model.url.rpartition("@")[2]) not in shown
    assert model.keys[0] is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--temperature", "-1"], "'-1' is not between 0.0 and 2.0"),
        (["--temperature", "nan"], "'nan' is not between"),
        (["--context", "0"], "'0' is not between 128"),
        (["--max-tokens", "0"], "'0' is not between 1"),
        (["--parallel", "0"], "'0' is not between 1"),
        (["--threads", "x"], "'x' is not between 1"),
        (["--gpu-layers", "-1"], "'-1' is not between 0"),
        (["--port", "99999"], "'99999' is not between 0 and 65535"),
        (["--max-queue", "0"], "'0' is not between 1"),
        (["--allow-host", "http://x"], "'http://x' is no name of a host"),
        (["--allow-host", "x:80"], "'x:80' is no name of a host"),
        (["--embed-in", "x.example"], "'x.example' is no origin"),
    ],
)
def test_a_senseless_value_is_refused(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["serve", *options])

    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--base-url", "http://u:pass-word@127.0.0.1:9"],
            "http://127.0.0.1:9/v1 cannot be reached",
        ),
        (["--base-url", "nonsense://u:pass-word@host"], "is no address of a server"),
        (["--base-url", "http://127.0.0.1:9", "--auth", "user"], "USER:PASS"),
        (["--small", "--model", "x"], "--small is a model by itself"),
        (["--base-url", "http://127.0.0.1:9", "--threads", "2"], "--threads is for a file"),
        (["--base-url", "http://127.0.0.1:9", "--no-prompt-cache"], "is for a file"),
        (["--base-url", "http://127.0.0.1:9", "--tls-key", "x"], "--tls-key needs --tls-cert"),
        (["--base-url", "http://127.0.0.1:9", "--tls-cert", "no/x.pem"], "no/x.pem: No such file"),
        (["--base-url", "http://127.0.0.1:9", "--root-path", "chat"], "begins with a slash"),
    ],
)
def test_a_wrong_option_is_named_at_the_start(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        status = main(["serve", "--port", "0", *options])
    finally:
        signal.signal(signal.SIGTERM, before)

    error = capsys.readouterr().err
    assert status == 1
    assert said in error
    assert "pass-word" not in error


def said_at_start(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Run the command up to the wait for its end; return its output."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qwen_space.cli.serve.wait_for_end", stop)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["serve", "--port", "0", *options]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    return said.out + said.err


def test_a_model_that_the_server_does_not_list_is_warned_of(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_at_start(["--base-url", model.url, "--model", "servd"], monkeypatch, capsys)

    assert "does not list the model 'servd'. Did you mean 'served'? It lists: served" in said
    assert "pass-word" not in said


@pytest.mark.parametrize(
    ("options", "variables", "open_"),
    [
        pytest.param([], {}, True, id="open"),
        pytest.param(["--token", "x"], {}, False, id="token"),
        pytest.param([], {"QWEN_SPACE_AUTH": "a:b"}, False, id="login"),
    ],
)
def test_an_address_that_others_reach_is_warned_of(
    model: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    variables: dict[str, str],
    open_: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # The command is told to listen on all addresses, and the Space listens on loopback.
    monkeypatch.setattr(
        "qwen_space.local.space._listen", lambda _, port: _listen("127.0.0.1", port)
    )
    every = ["--host", "0.0.0.0", "--base-url", model.url]

    said = said_at_start([*every, *options], monkeypatch, capsys)

    warned = said[said.index("Warning: everybody who reaches http://") :]
    assert ("without a login: see --auth and --token" in warned) == open_
    assert "not encrypted" in warned
    assert "http://0.0.0.0" not in said


def test_on_the_hub_nothing_is_warned_of(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPACE_ID", "owner/name")
    monkeypatch.setattr(
        "qwen_space.local.space._listen", lambda _, port: _listen("127.0.0.1", port)
    )

    said = said_at_start(["--host", "0.0.0.0", "--base-url", model.url], monkeypatch, capsys)

    assert "Warning" not in said
