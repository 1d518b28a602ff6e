from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from qwen_space.cli import main
from qwen_space.cli.live import LiveAnswer
from qwen_space.events import Completed, FileReceived, ReplyFile, Uploading
from tests.media_app import PNG, MediaApp, describe


@pytest.fixture(autouse=True)
def _stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    return path


def test_a_file_goes_with_a_prompt(
    media_app: MediaApp, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["chat", media_app("image"), "Look", "--file", str(picture)])

    assert capsys.readouterr().out == f"You said: Look\n{describe('red.png', PNG)}\n"


def test_the_files_of_a_reply_are_named(
    media_app: MediaApp, capsys: pytest.CaptureFixture[str]
) -> None:
    url = media_app("reply")
    main(["chat", url, "Hi"])
    plain = capsys.readouterr()
    main(["chat", url, "Hi", "--json"])
    [file] = json.loads(capsys.readouterr().out)["files"]

    assert plain.out == "See:\n"
    assert f"qwen-space: red.png: {url}" in plain.err
    assert (file["name"], file["mime_type"]) == ("red.png", "image/png")


def test_an_upload_is_a_bar_and_a_reply_s_file_a_line() -> None:
    console = Console(file=io.StringIO(), width=60, height=20, force_terminal=True)
    file = ReplyFile("http://x/a.png", "image", "image/png", "a\x1b[2J.png")
    with LiveAnswer(console) as answer:
        answer.show(Uploading(1, 4))
        console.print(answer._growing())
        answer.show(FileReceived(file))
        answer.show(Completed("Done.", 1.0))

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Uploading, 25%" in shown
    assert "a[2J.png: http://x/a.png" in shown
