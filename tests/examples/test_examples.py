"""The examples, against a Space that answers by script."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import io
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from qwen_space import Space
from qwen_space.local import EngineError
from tests.obedient import obedient
from tests.pdf import write_pdf

if TYPE_CHECKING:
    from conftest import ScriptedSpace

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _space(space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_SPACE_URL", space.url)


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# A folder of documents


@pytest.mark.usefixtures("llama_index_loop")
def test_questions_about_a_folder_are_answered_from_its_files(
    space: ScriptedSpace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lions.md").write_text("# Lions\n\nLions rest for twenty hours.\n")
    write_pdf(tmp_path / "zebras.pdf", "Zebras sleep standing up.")
    (tmp_path / "notes.txt").write_text("Zebras are not read from here.")
    space.engine.reply = ["Standing", " up."]

    load("rag").main([str(tmp_path), "How do zebras sleep?"])

    said = capsys.readouterr().out
    assert said.startswith("Standing up.\n\nzebras.pdf, page 1: Zebras sleep standing up.")
    assert "Zebras sleep standing up." in space.joins[0]["data"][0]
    assert "not read from here" not in space.joins[0]["data"][0]


def test_a_folder_without_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no Markdown file"):
        load("rag").main([str(tmp_path), "Why?"])


# An agent


def test_an_agent_calls_a_tool_and_answers_with_its_result(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = obedient()

    load("agent").main(["What is '17 * 25'?"])

    said = capsys.readouterr().out
    assert "-> calculate({'expression': '17 * 25'})" in said
    assert "<- 425\n" in said
    assert said.endswith("as the tool said.\n")


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 * (3 + 4)", "14"),
        ("-7 / 2", "-3.5"),
        ("1 / 0", "That cannot be calculated: division by zero"),
        ("__import__('os')", "That cannot be calculated: Call is no arithmetic"),
        ("2 ** 9", "That cannot be calculated: <class 'ast.Pow'>"),
        ("'a' * 9", "That cannot be calculated: Constant is no arithmetic"),
    ],
)
def test_the_calculator_calculates_and_nothing_else(expression: str, result: str) -> None:
    assert load("agent").calculate.invoke({"expression": expression}) == result


# A server


async def served(module: Any, **params: str) -> httpx.Response:
    transport = httpx.ASGITransport(module.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.get("/ask", params=params)


async def test_the_endpoint_streams_a_reply() -> None:
    response = await served(load("fastapi_app"), question="Hi")

    assert (response.status_code, response.text) == (200, "Hello there.")


async def test_a_visitor_who_leaves_stops_the_job(space: ScriptedSpace) -> None:
    space.engine.reply = ["Hello", " there"]
    space.engine.gate = threading.Semaphore(1)
    module = load("fastapi_app")
    response = await module.ask("Hi")
    body = response.body_iterator

    first = await anext(body)
    with anyio.CancelScope() as scope:  # as Starlette does
        scope.cancel()
        await anext(body)

    assert first == "Hello"
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)
    assert not module.free.locked()


async def test_a_failure_before_the_text_has_a_status(space: ScriptedSpace) -> None:
    space.engine.reply = [EngineError("bad luck")]

    failed = await served(load("fastapi_app"), question="Hi")
    empty = await served(load("fastapi_app"), question=" ")

    assert (failed.status_code, empty.status_code) == (502, 422)
    assert "bad luck" in failed.text


async def test_more_visitors_than_allowed_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASK_AT_ONCE", "0")

    response = await served(load("fastapi_app"), question="Hi")

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


# A bot


async def test_the_bot_remembers_each_person(space: ScriptedSpace) -> None:
    bot = load("bot").Bot(Space(space.url))

    await bot.answer("ada", "I am Ada.")
    await bot.answer("bob", "I am Bob.")
    await bot.answer("ada", "Who am I?")
    bot.forget("ada")
    await bot.answer("ada", "Hi")

    prompts = [space.transcript(index) for index in range(4)]
    assert prompts[2].startswith("User: I am Ada.\nAssistant: Hello there.\nUser: Who am I?")
    assert "Bob" not in prompts[2]
    assert prompts[3] == "Hi"


async def test_a_failure_is_a_sentence_and_is_not_remembered(space: ScriptedSpace) -> None:
    bot = load("bot").Bot(Space(space.url))
    space.engine.reply = [EngineError("bad luck")]

    said = await bot.answer("ada", "Hi")
    space.engine.reply = ["Well."]
    await bot.answer("ada", "Again")

    assert "bad luck" in said
    assert space.joins[1]["data"][0] == "Again"


async def test_lines_are_answered_to_their_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("ada: Hi\nnonsense\nbob: Hello\n"))

    await load("bot").main()

    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [
        "Write `name: text`.",
        "bot to ada: Hello there.",
        "bot to bob: Hello there.",
    ]


# A batch


def write_rows(folder: Path, count: int) -> tuple[Path, Path]:
    rows = "".join(f'"line {at}, ""quoted""",{at}\n' for at in range(1, count + 1))
    (folder / "in.csv").write_text(f"text,id\n{rows}", "utf-8")
    return folder / "in.csv", folder / "out.csv"


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_a_batch_goes_on_where_it_has_stopped(
    space: ScriptedSpace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write_rows(tmp_path, 6)
    batch = load("csv_batch")

    def reply(messages: Any) -> list[Any]:
        prompt = messages[-1]["content"]
        return [EngineError("bad luck")] if "line 3" in prompt else [f"Fait: {prompt}"]

    space.engine.reply = reply
    assert batch.main([str(source), str(target), "French: {text}"]) == 1
    assert "Rows with an error: 1." in capsys.readouterr().out
    rows = read_rows(target)
    assert rows["2"]["reply"] == 'Fait: French: line 2, "quoted"'
    assert "bad luck" in rows["3"]["error"]
    cut = target.read_bytes()
    target.write_bytes(cut + b'7,"cut o')  # as a crash leaves it
    space.joins.clear()
    space.engine.reply = ["Well."]

    assert batch.main([str(source), str(target), "French: {text}"]) == 0

    assert [join["data"][0] for join in space.joins] == ['French: line 3, "quoted"']
    rows = read_rows(target)
    assert sorted(rows) == ["1", "2", "3", "4", "5", "6"]
    assert rows["3"]["reply"] == "Well."


def test_no_more_rows_are_asked_at_once_than_allowed(space: ScriptedSpace, tmp_path: Path) -> None:
    source, target = write_rows(tmp_path, 5)
    running = []

    def reply(_: Any) -> list[str]:
        running.append(space.engine.running)
        return ["Well."]

    space.engine.reply = reply

    load("csv_batch").main([str(source), str(target), "{text}", "--at-once", "1"])

    assert max(running) == 1
    assert len(read_rows(target)) == 5
