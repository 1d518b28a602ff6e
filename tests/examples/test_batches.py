"""Ten thousand prompts by Ray Data, as the example has it; here a few hundred."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space.local import EngineError, Limits, LocalSpace, ScriptedEngine

if TYPE_CHECKING:
    from conftest import ScriptedSpace

EXAMPLE = Path(__file__).parents[2] / "examples" / "batches.py"


@pytest.fixture(scope="module")
def batches() -> Any:
    spec = importlib.util.spec_from_file_location("batches", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_prompts(folder: Path, count: int) -> tuple[Path, Path]:
    prompts = folder / "prompts.jsonl"
    lines = [json.dumps({"id": f"p{at}", "prompt": f"Ünd {at}?"}) + "\n" for at in range(count)]
    prompts.write_text("".join(lines), "utf-8")
    return prompts, folder / "replies"


def read_replies(folder: Path) -> list[dict[str, Any]]:
    """Return all whole lines."""
    files = sorted(folder.glob("*.jsonl"))
    lines = [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]
    return [json.loads(line) for line in lines]


def run(batches: Any, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    options = [*map(str, arguments), "--workers", "0"]
    monkeypatch.setattr(sys, "argv", ["batches.py", *options])
    batches.main()


def test_a_prompt_that_fails_is_asked_again_by_the_next_run(
    batches: Any,
    space: ScriptedSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prompts, replies = write_prompts(tmp_path, 70)
    space.engine.reply = lambda messages: (
        [EngineError("no")] if messages[-1]["content"] == "Ünd 66?" else ["yes"]
    )
    run(batches, monkeypatch, prompts, replies, "--space", space.url)
    first = capsys.readouterr().out
    space.engine.reply = ["now"]
    space.engine.requests.clear()

    run(batches, monkeypatch, prompts, replies, "--space", space.url)

    assert "69 of 70 prompts have a reply; 1 failed" in first
    assert capsys.readouterr().out == "70 of 70 prompts have a reply\n"
    assert [asked[-1]["content"] for asked in space.engine.requests] == ["Ünd 66?"]
    assert sorted(file.name for file in replies.glob("*.jsonl")) == ["000000.jsonl", "000001.jsonl"]


def test_a_line_that_a_kill_has_cut_is_no_reply(batches: Any, tmp_path: Path) -> None:
    whole = b'{"id": 1, "reply": "a"}\n'
    (tmp_path / "000003.jsonl").write_bytes(whole + b'{"id": 2, "rep')
    file = batches.ChunkFile(tmp_path, 3)

    assert list(file.read()) == [1]
    file.append({"id": 2, "reply": "b"})
    assert list(file.read()) == [1, 2]


def test_replies_of_other_prompts_are_not_mixed(batches: Any, tmp_path: Path) -> None:
    batches.plan(*write_prompts(tmp_path, 3))

    with pytest.raises(SystemExit, match="replies of other prompts"):
        batches.plan(*write_prompts(tmp_path, 4))


@contextlib.contextmanager
def slow_space() -> Iterator[tuple[str, ScriptedEngine]]:
    engine = ScriptedEngine(lambda messages: ["Re: ", messages[-1]["content"]], delay=0.02)
    with LocalSpace(engine, limits=Limits(queue=2000)) as space:
        yield space.url, engine


def start(prompts: Path, replies: Path, url: str, workers: int) -> subprocess.Popen[str]:
    options = ["--space", url, "--workers", str(workers), "--concurrency", "8", "--cpus", "0.5"]
    command = [sys.executable, str(EXAMPLE), str(prompts), str(replies), *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_session(leader: int) -> None:
    """Kill a process and all that it has started, at once, as a machine that fails does."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            session = int(stat.read_text().rpartition(")")[2].split()[3])
            if session == leader:
                os.kill(int(stat.parent.name), signal.SIGKILL)


@pytest.mark.batch
@pytest.mark.timeout(400)  # Ray starts twice
@pytest.mark.parametrize("workers", [0, 2])
def test_after_a_kill_nothing_is_lost_and_nothing_that_is_written_is_asked_twice(
    tmp_path: Path, workers: int
) -> None:
    prompts, replies = write_prompts(tmp_path, 200)
    with slow_space() as (url, engine), start(prompts, replies, url, workers) as killed:
        engine.wait_until(lambda seen: seen.finished >= 70, timeout=120)
        kill_session(killed.pid)
        killed.communicate()
    written = {row["id"] for row in read_replies(replies)}

    # A Space of its own, as the first may still begin a job of the run that is dead.
    with slow_space() as (url, engine), start(prompts, replies, url, workers) as resumed:
        said, log = resumed.communicate(timeout=200)

    assert resumed.returncode == 0, log
    assert "200 of 200 prompts have a reply" in said
    rows = read_replies(replies)
    assert sorted(row["id"] for row in rows) == sorted(f"p{at}" for at in range(200))
    assert all(row["reply"] == f"Re: Ünd {row['id'][1:]}?" for row in rows)
    asked = [str(messages[-1]["content"]) for messages in engine.requests]
    again = {"p" + re.findall(r"\d+", each)[0] for each in asked}
    on_the_way = 8 * max(workers, 1)
    assert 70 - on_the_way <= len(written) < 200
    assert again == {row["id"] for row in rows} - written
    assert len(asked) == len(again)
