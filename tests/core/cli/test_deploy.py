"""`qwen-space deploy`: its folders, and their apps as the hub starts them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio
import pytest
import yaml
from packaging.requirements import Requirement

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space.cli.main import main
from qwen_space.local import find_weights
from tests.completions_server import running_model

# The environment of the hub's containers; it listens on 0.0.0.0 there.
HUB = {
    "GRADIO_SERVER_NAME": "127.0.0.1",
    "GRADIO_SERVER_PORT": "0",
    "SPACE_HOST": "owner-name.hf.space",
    "SPACE_ID": "owner/name",
    "SYSTEM": "spaces",
}
ADDRESS = re.compile(r"answers (?:at (http:\S+)|on port (\d+))")
ENGINES = {
    "gguf": {"space"},
    "endpoint": {"space"},
    "vllm": {"space", "vllm"},
    "ollama": {"space", "ollama", "pull"},
    "zerogpu": None,
}


def deploy(folder: Path, *options: str) -> int:
    return main(["deploy", str(folder), *options])


def read_header(folder: Path) -> Any:
    _, header, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    assert "$" not in text
    return yaml.safe_load(header)


@contextlib.contextmanager
def started(folder: Path, *, end: int = 0, **more: str) -> Iterator[str]:
    """Start the folder's app as the hub does, and give its address; SIGTERM has to end it.

    Args:
        folder: The folder.
        end: The status that it ends with.
        more: Further variables of its environment.
    """
    environment = {**os.environ, **HUB, **more, "PYTHONPATH": ""}
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as app:
        try:
            assert app.stdout is not None
            assert app.stderr is not None
            lines = iter(app.stdout.readline, "")
            found = next(filter(None, map(ADDRESS.search, lines)), None)
            assert found is not None, app.stderr.read()
            yield found[1] or f"http://127.0.0.1:{found[2]}"
        finally:
            app.send_signal(signal.SIGTERM)
            app.communicate(timeout=20)
    assert app.returncode == (1 if sys.platform == "win32" else end)  # which ends it at once


def test_without_gradio_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)

    assert deploy(tmp_path / "folder") == 1

    assert "needs gradio, which is not installed" in capsys.readouterr().err
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_folder_has_all_that_the_hub_and_docker_read(tmp_path: Path, engine: str) -> None:
    folder = tmp_path / "space"
    options = ["--base-url", "https://models.example/v1"] if engine == "endpoint" else []

    assert deploy(folder, "--engine", engine, "--title", 'My "Qwen"', *options) == 0

    header = read_header(folder)
    assert header["title"] == 'My "Qwen"'
    assert header["sdk"] == "gradio"
    assert header["sdk_version"] == gradio.__version__
    assert header["app_file"] == "app.py"
    compile((folder / "app.py").read_text("utf-8"), "app.py", "exec")
    lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    names = {Requirement(line).name for line in lines}
    assert {"aiohttp", "gradio", "openai"} <= names
    assert ("xllamacpp" in names) == (engine == "gguf")
    assert ("spaces" in names) == (engine == "zerogpu")
    assert (folder / "qwen_space" / "local" / "page" / "page.css").is_file()
    assert not list(folder.rglob("__pycache__"))
    services = ENGINES[engine]
    assert (folder / "Dockerfile").exists() == (services is not None)
    if services is not None:
        compose = yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))
        assert set(compose["services"]) == services
        assert compose["services"]["space"]["environment"]["QWEN_SPACE_TOKEN"] == (
            "${QWEN_SPACE_TOKEN:-}"
        )


@pytest.mark.processes
def test_a_folder_in_front_of_a_server_answers_both_frameworks(tmp_path: Path) -> None:
    folder = tmp_path / "space"
    with running_model() as model:
        model.go_on.set()
        deploy(folder, "--base-url", "https://models.example/v1")
        secrets = {"QWEN_SPACE_BASE_URL": model.url, "OPENAI_API_KEY": "sk-the-key"}
        with started(folder, **secrets) as url:
            chain = ChatQwenSpace(space=url).invoke("Hi").text
            index = QwenSpace(space=url).complete("Hi").text

    assert (chain, index) == ("Hello there", "Hello there")
    where = [sys.executable, "-c", "import qwen_space; print(qwen_space.__file__)"]
    found = subprocess.run(where, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(folder)


def test_the_options_of_the_engine_go_with_the_folder(tmp_path: Path) -> None:
    deploy(tmp_path / "file", "--ocr", "--no-prompt-cache", "--threads", "3", "--parallel", "1")
    deploy(tmp_path / "server", "--base-url", "https://models.example", "--takes", "image,audio")

    file = (tmp_path / "file" / "app.py").read_text("utf-8")
    for line in ('"--threads", "3"', '"--parallel", "1"', '"--ocr"', '"--no-prompt-cache"'):
        assert f"    {line},\n" in file
    assert "rapidocr" in (tmp_path / "file" / "requirements.txt").read_text("utf-8")
    assert '    "--takes", "audio,image",\n' in (tmp_path / "server" / "app.py").read_text("utf-8")


@pytest.mark.model
def test_a_folder_with_a_file_answers_both_frameworks(tmp_path: Path) -> None:
    folder = tmp_path / "space"
    file = find_weights(small=True, progress=False)
    deploy(folder, "--model", str(file), "--max-tokens", "8", "--parallel", "1")

    with started(folder) as url:
        chain = ChatQwenSpace(space=url).invoke("Hi").text
        index = QwenSpace(space=url).complete("Hi").text

    assert chain.strip()
    assert index.strip()
    assert "*.gguf filter=lfs" in (folder / ".gitattributes").read_text("utf-8")


def test_a_folder_with_files_is_overwritten_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")

    assert deploy(tmp_path) == 1
    refused = capsys.readouterr().err
    assert (tmp_path / "app.py").read_text() == "mine"
    assert deploy(tmp_path, "--force") == 0
    assert deploy(tmp_path, "--force", "--engine", "zerogpu") == 0

    assert "is not empty" in refused
    assert "--force" in refused
    assert "TransformersEngine" in (tmp_path / "app.py").read_text("utf-8")
    assert not (tmp_path / "compose.yaml").exists()  # a file of the engine before
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--engine", "endpoint"], "needs --base-url", id="no-address"),
        pytest.param(["--engine", "gguf", "--base-url", "http://x"], "takes no --base", id="both"),
        pytest.param(["--base-url", "http://u:p4ss@x"], "QWEN_SPACE_BASE_URL", id="password"),
        pytest.param(["--title", "a\nb"], "cannot be shown", id="title"),
        pytest.param(["--engine", "zerogpu", "--threads", "2"], "no --threads", id="unused"),
        pytest.param(["--takes", "image"], "--takes is for the server", id="contradiction"),
    ],
)
def test_a_folder_that_cannot_be_deployed_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    status = deploy(tmp_path / "space", *options)

    error = capsys.readouterr().err
    assert status == 1
    assert said in error
    assert "p4ss" not in error


def test_another_packages_folder_of_our_name_is_kept(tmp_path: Path) -> None:
    mine = tmp_path / "qwen_space" / "mine.py"
    mine.parent.mkdir()
    mine.write_text("mine")

    assert deploy(tmp_path, "--force") == 1

    assert mine.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["qwen_space"]


def test_a_server_that_a_space_cannot_reach_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(tmp_path / "a", "--base-url", "http://models.example:8000/v1")
    deploy(tmp_path / "b", "--base-url", "https://models.example/v1")

    said = capsys.readouterr().err
    assert said.count("cannot reach") == 1
    assert "models.example:8000" in said
