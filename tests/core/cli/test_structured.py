from __future__ import annotations

import io
import json
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qwen_space.cli import main
from qwen_space.cli.structured import find_code
from tests.media_app import PNG, MediaApp

if TYPE_CHECKING:
    from conftest import ScriptedSpace

SCHEMA = json.dumps(
    {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
)


@pytest.fixture(autouse=True)
def _stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_reply_by_a_schema_is_its_json_alone(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], tmp_path: Path, *, in_a_file: bool
) -> None:
    space.engine.reply = ['Here:\n```json\n{"age": 3}\n```\n']
    path = tmp_path / "dog.json"
    path.write_text(SCHEMA)

    status = main(["chat", space.url, "A dog", "--schema", str(path) if in_a_file else SCHEMA])

    said = capsys.readouterr()
    assert (status, json.loads(said.out), said.err) == (0, {"age": 3}, "")
    assert '"age"' in space.transcript(0)


def test_a_reply_that_fits_no_schema_is_an_error(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # without pytest's, as in a shell
    space.engine.reply = ['{"age": "three"}']

    assert main(["chat", space.url, "A dog", "--schema", SCHEMA]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"qwen-space: .*age.*\n", said.err)
    assert len(space.joins) == 2, "the model is asked once more"


def test_a_picture_goes_with_a_schema(
    media_app: MediaApp, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(PNG)

    options = ["--file", str(picture), "--schema", SCHEMA]
    main(["chat", media_app("image"), 'Say {"age": 5}', *options])

    assert '"age"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{oops", "argument --schema: '{oops' is no JSON"),
        ("no/where.json", "argument --schema: no/where.json: No such file or directory"),
    ],
)
def test_a_schema_that_is_none_is_a_mistake_in_the_command_line(
    capsys: pytest.CaptureFixture[str], given: str, said: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["chat", "http://127.0.0.1:9", "A dog", "--schema", given])

    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_a_schema_with_a_mistake_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    schema = '{"type": "nonsense"}'

    assert main(["chat", "http://127.0.0.1:9", "A dog", "--schema", schema]) == 1

    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        pytest.param(
            "So:\n\n```python\nx = 1\n\ny = 2\n```\n\n```\nz\n```", "x = 1\n\ny = 2", id="first"
        ),
        pytest.param("~~~\n```\na\n```\n~~~", "```\na\n```", id="within-tildes"),
        pytest.param("````md\n```\na\n```\n````\n", "```\na\n```", id="within-longer"),
        pytest.param("```sh\ncut off", "cut off", id="not-closed"),
        pytest.param("Use ```x``` here.\n", "Use ```x``` here.\n", id="none"),
        pytest.param("```x``` is none", "```x``` is none", id="within-a-line"),
    ],
)
def test_the_first_block_of_code_is_found(reply: str, code: str) -> None:
    assert find_code(reply) == code


def test_a_block_of_code_can_be_printed_alone(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = ["Here:\n\n```sh\nls", " -l\n```\n", "It lists."]

    assert main(["chat", space.url, "List", "-x"]) == 0

    assert tuple(capsys.readouterr()) == ("ls -l\n", "")


@pytest.mark.parametrize("options", [["-x"], ["--schema", "{}"]])
def test_neither_moves_a_terminal(
    space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    space.engine.reply = ['```\n{"age": "\x1b]0;title\x07\x9b2J"}\n```']
    monkeypatch.setattr(sys, "stdout", screen := Screen())

    main(["chat", space.url, "Hi", *options])

    assert not set("\x1b\x07\x9b") & set(screen.getvalue())
    assert "age" in screen.getvalue()
