from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT

pytest.importorskip("termios", reason="Windows has no pseudo-terminals")

from qwen_space.local import LocalSpace, ScriptedEngine, Thinking, describe_message
from tests.core.cli.terminal import Terminal
from tests.media_app import PNG, MediaApp, describe

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.processes


@pytest.fixture
def chat(space: ScriptedSpace) -> Iterator[Terminal]:
    with contextlib.closing(Terminal(space.url)) as chat:
        yield chat


def test_the_turns_of_a_chat_reach_the_space(space: ScriptedSpace, chat: Terminal) -> None:
    chat.ask("Hi")
    chat.read_until("Hello there.")
    chat.ask("And now?")
    chat.read_until("Hello there.")
    assert chat.end() == 0
    assert [space.transcript(0), space.transcript(1)] == [
        "Hi",
        "User: Hi\nAssistant: Hello there.\nUser: And now?\nAssistant:",
    ]
    assert [join["data"][2:] for join in space.joins] == [[DEFAULT_SYSTEM_PROMPT, "72B"]] * 2


def test_options_of_a_chat_reach_the_space(space: ScriptedSpace) -> None:
    options = ["--system", "Be brief.", "--model", "7B", "--history", "native"]
    with contextlib.closing(Terminal(space.url, "--endpoint", "model_chat", *options)) as chat:
        chat.ask("Hi")
        chat.read_until("Hello there.")
        chat.ask("And now?")
        chat.read_until("Hello there.")
        chat.wait_for_prompt()

    prompt, history, system, size = space.joins[1]["data"]
    assert (prompt, system, size) == ("And now?", "Be brief.", "7B")
    assert [row["role"] for row in history] == ["user", "assistant"]
    assert {join["fn_index"] for join in space.joins} == {2}


def test_ctrl_c_cancels_the_answer_and_not_the_chat(space: ScriptedSpace, chat: Terminal) -> None:
    space.engine.reply = ["Half ", "an answer"]
    space.engine.gate = threading.Semaphore(1)
    chat.ask("Hi")
    chat.read_until("Half")

    chat.type("\x03")

    chat.read_until("(cancelled)")
    space.engine.wait_until(lambda engine: engine.cancelled == 1)
    space.engine.gate = None
    space.engine.reply = ["Once more."]
    chat.ask("Again")
    chat.read_until("Once more.")
    assert space.transcript(1) == "User: Hi\nAssistant: Half \nUser: Again\nAssistant:"
    chat.wait_for_prompt()
    assert chat.process.poll() is None


def test_half_an_answer_stays_in_view(space: ScriptedSpace, chat: Terminal) -> None:
    space.engine.reply = ["# Half\n\n", "an answer\n\n", "lost"]
    space.engine.gate = threading.Semaphore(2)
    chat.ask("Hi")
    chat.see("an answer")

    chat.type("\x03")

    assert "an answer" in chat.read_until("(cancelled)")


@pytest.mark.parametrize(
    "character", ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u4e2d"]
)
def test_characters_of_any_width_are_painted_once(space: ScriptedSpace, character: str) -> None:
    space.engine.reply = lambda _: (
        time.sleep(0.005) or each for each in f"Beginning {character * 12} " + "x" * 60
    )
    with contextlib.closing(Terminal(space.url, size=(50, 60))) as chat:
        chat.ask("Hi")
        chat.read_until("x" * 60)
        chat.wait_for_prompt()

        assert chat.count("Beginning") == 1


def test_ctrl_c_at_the_prompt_leaves_the_line_and_not_the_chat(
    space: ScriptedSpace, chat: Terminal
) -> None:
    chat.wait_for_prompt()
    chat.type("\x03")
    chat.read_until("(Ctrl-D or /bye ends the chat)")
    chat.wait_for_prompt()
    chat.type("not this\x03")
    chat.read_until("(Ctrl-D or /bye ends the chat)")
    chat.ask("Hi")
    chat.read_until("Hello there.")

    assert chat.end() == 0
    assert [join["data"][0] for join in space.joins] == ["Hi"]


def test_a_turn_that_fails_is_a_sentence_and_is_not_kept(
    space: ScriptedSpace, chat: Terminal
) -> None:
    space.engine.reply = ["Half ", ValueError("bad luck")]
    chat.ask("Hi")
    said = chat.read_until("The app failed: ValueError: bad luck")
    assert "Traceback" not in said

    space.engine.reply = ["Well."]
    chat.ask("Again")

    chat.read_until("Well.")
    assert space.joins[1]["data"][0] == "Again"
    chat.wait_for_prompt()


def test_a_model_that_is_not_there_is_a_sentence(space: ScriptedSpace) -> None:
    with contextlib.closing(Terminal(space.url, "--model", "8000B")) as chat:
        chat.ask("Hi")

        chat.read_until("is not offered by this Space")
        chat.wait_for_prompt()


def test_a_paste_is_one_prompt(space: ScriptedSpace, chat: Terminal) -> None:
    lines = "\n".join(f"line {number}: {'x' * 60}" for number in range(120))
    chat.wait_for_prompt()

    chat.paste(lines.replace("\n", "\r"))
    chat.type("\r")

    chat.read_until("Hello there.")
    assert space.joins[0]["data"][0] == lines


def test_a_paste_during_an_answer_waits_for_the_prompt(
    space: ScriptedSpace, chat: Terminal
) -> None:
    space.engine.reply = ["Half ", "an answer"]
    space.engine.gate = threading.Semaphore(1)
    chat.ask("Hi")
    chat.read_until("Half")

    chat.paste("one\rtwo")
    space.engine.gate.release()
    chat.read_until("two")
    space.engine.gate = None
    chat.type("\r")

    chat.read_until("an answer")
    assert space.transcript(1).endswith("User: one\ntwo\nAssistant:")


@pytest.mark.parametrize(
    ("keys", "prompt"),
    [
        pytest.param("one\x1b\rtwo\r", "one\ntwo", id="alt-enter"),
        pytest.param('"""one\r\rtwo"""\r', "one\n\ntwo", id="quotes"),
        pytest.param('"""\rone\r"""\r', "one", id="quotes-on-lines-of-their-own"),
        pytest.param('""" one """\r', "one", id="quotes-on-one-line"),
    ],
)
def test_a_prompt_may_have_several_lines(
    space: ScriptedSpace, chat: Terminal, keys: str, prompt: str
) -> None:
    chat.wait_for_prompt()

    chat.type(keys)

    chat.read_until("Hello there.")
    assert space.joins[0]["data"][0].strip() == prompt


def test_ctrl_j_begins_a_new_line(space: ScriptedSpace, chat: Terminal) -> None:
    chat.wait_for_prompt()
    chat.type("one")
    chat.read_until("> one")

    chat.type("\ntwo\r")

    chat.read_until("Hello there.")
    assert space.joins[0]["data"][0] == "one\ntwo"


def test_lines_typed_before_the_prompt_is_there_are_sent(
    space: ScriptedSpace, chat: Terminal
) -> None:
    chat.type("One\rTwo\r")  # newlines for the program, as terminals translate them until it reads

    chat.read_until("Hello there.")
    chat.read_until("Hello there.")
    assert [space.transcript(0), space.transcript(1).splitlines()[-2]] == ["One", "User: Two"]


def test_the_lines_of_a_session_come_back_in_the_next(space: ScriptedSpace, tmp_path: Path) -> None:
    history = tmp_path / "state" / "history"
    with contextlib.closing(Terminal(space.url, history=str(history))) as chat:
        chat.ask("The first prompt")
        chat.read_until("Hello there.")
        assert chat.end() == 0
    assert history.stat().st_mode & 0o777 == 0o600

    with contextlib.closing(Terminal(space.url, history=str(history))) as chat:
        chat.wait_for_prompt()
        chat.type("\x1b[A")
        chat.read_until("The first prompt")
        chat.type("\r")
        chat.read_until("Hello there.")

    assert [join["data"][0] for join in space.joins] == ["The first prompt"] * 2


def test_commands_of_a_chat(space: ScriptedSpace, chat: Terminal, tmp_path: Path) -> None:
    saved, other = tmp_path / "chat.json", tmp_path / "chat.md"
    other.write_text("## User\n", "utf-8")
    chat.ask("/help")
    chat.read_until("/retry")
    chat.ask("/retry")
    chat.read_until("There is no prompt to ask again.")
    chat.ask("/system Be brief.")
    chat.ask("/model")
    assert "32B" in chat.read_until("0.5B")
    chat.ask("/model 7B")
    chat.ask("Hi")
    chat.read_until("Hello there.")
    chat.ask("/retry")
    chat.read_until("Hello there.")
    chat.ask(f"/save {saved}")
    chat.read_until("Saved as")
    chat.ask("/clear")
    chat.read_until("The chat is forgotten.")
    chat.ask("/save /no/where.md")
    chat.read_until("/no/where.md: No such file or directory")
    chat.ask(f"/load {other}")
    chat.read_until("is no .json file that /save wrote.")
    chat.ask(f"/load {saved}")
    chat.read_until("Loaded 2 messages")
    chat.ask("/clear")
    chat.ask("/system -")
    chat.ask("/usr/bin is a folder")
    chat.read_until("Hello there.")
    chat.ask("/model -")
    chat.read_until("Model: qwen-2.5")
    chat.ask("/halp")
    chat.read_until("did you mean /help?")
    chat.ask("/sett")
    chat.read_until("did you mean /set?")
    chat.ask("/show info")
    chat.read_until("did you mean /model?")
    chat.ask(" /help me")
    chat.read_until("Hello there.")
    chat.ask("/?")
    chat.read_until("/retry")
    chat.ask("/exit")

    assert chat.process.wait(20) == 0
    asked = [(space.transcript(at), *join["data"][2:]) for at, join in enumerate(space.joins)]
    assert asked == [
        ("Hi", "Be brief.", "7B"),
        ("Hi", "Be brief.", "7B"),
        ("/usr/bin is a folder", DEFAULT_SYSTEM_PROMPT, "7B"),
        (
            "User: /usr/bin is a folder\nAssistant: Hello there.\nUser: /help me\nAssistant:",
            DEFAULT_SYSTEM_PROMPT,
            "72B",
        ),
    ]
    assert json.loads(saved.read_text()) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello there."},
    ]


def test_values_are_set_within_a_chat(space: ScriptedSpace) -> None:
    options = ["--endpoint", "chat", "--temperature", "0.9", "--role", "Top-p="]
    with contextlib.closing(Terminal(space.url, *options)) as chat:
        chat.ask("/set temperature 0.2")
        chat.read_until("temperature: 0.2")
        chat.ask("/set parameter max_tokens 9")  # as in `ollama run`
        chat.ask("/set Top-p=0.25")
        chat.ask("/set system Be brief.")
        chat.read_until("System prompt: Be brief.")
        chat.ask("/set temperature hot")
        chat.read_until("temperature='hot' is no number.")
        chat.ask("/set")
        assert chat.read_until("Top-p: 0.25").split("\n")[1:] == [
            *("temperature: 0.2", "max_tokens: 9", "Top-p: 0.25"),
        ]
        chat.ask("/set verbose")
        chat.read_until("/set NAME VALUE:")
        chat.ask("Hi")
        chat.read_until("Hello there.")
        chat.ask("/set temperature -")
        chat.read_until("temperature: 0.9")
        chat.ask("Hi")
        chat.read_until("Hello there.")
        chat.wait_for_prompt()

    first, second = (join["data"] for join in space.joins)
    assert {"Be brief.", 0.2, 9, 0.25} <= {each for each in first if not isinstance(each, list)}
    assert {0.9, 9, 0.25} <= {each for each in second if not isinstance(each, list)}


def test_an_answer_without_a_word_is_a_line(space: ScriptedSpace, chat: Terminal) -> None:
    space.engine.reply = []

    chat.ask("Hi")

    chat.read_until("(an empty answer)")


def test_thoughts_and_figures_of_an_answer_can_be_seen(space: ScriptedSpace) -> None:
    space.engine.reply = [Thinking("Well, well."), "Yes."]
    with contextlib.closing(Terminal(space.url, "--usage", "--hide-thinking")) as chat:
        chat.ask("/thinking")
        chat.read_until("There were no thoughts.")
        chat.ask("Hi")
        assert "Well" not in chat.read_until("Yes.")
        chat.read_until(" tokens in, ")
        chat.ask("/thinking")
        chat.read_until("Well, well.")
        chat.wait_for_prompt()


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_a_word_that_ends_other_chats_ends_this_one(
    space: ScriptedSpace, chat: Terminal, word: str
) -> None:
    chat.ask(f"{word} is a word")
    chat.read_until("Hello there.")
    chat.ask(word)

    assert chat.process.wait(20) == 0
    assert len(space.joins) == 1


def test_ctrl_z_is_no_part_of_a_prompt(space: ScriptedSpace, chat: Terminal) -> None:
    chat.wait_for_prompt()
    chat.type("Hi\x1a")  # it stops no process without a shell to wake it
    chat.type("\r")
    chat.read_until("Hello there.")

    assert space.joins[0]["data"][0] == "Hi"


def test_ctrl_d_leaves_the_terminal_as_it_was(space: ScriptedSpace, chat: Terminal) -> None:
    chat.ask("Hi")
    chat.read_until("Hello there.")

    assert chat.end() == 0
    assert chat.echoes


def test_a_file_goes_with_the_next_prompt_of_a_conversation(
    media_app: MediaApp, tmp_path: Path
) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(PNG)
    line = describe("red.png", PNG)
    with contextlib.closing(Terminal(media_app("chat_interface"))) as chat:
        chat.ask(f"/file {picture}")
        chat.read_until("With the next prompt:")
        chat.ask("Look")
        chat.read_until(line)
        chat.ask("/file")
        chat.read_until("no file")
        chat.ask("/file nothing.png")
        chat.read_until("there is no file 'nothing.png'")
        chat.ask("/retry")
        chat.read_until("You said: Look")
        chat.read_until(line)
        assert chat.end() == 0


@pytest.mark.parametrize(
    "written", ["{}", "'{}'", '"{}"', "{}?"], ids=["bare", "quoted", "double-quoted", "question"]
)
def test_a_picture_whose_path_is_in_a_prompt_goes_with_it(
    media_app: MediaApp, tmp_path: Path, written: str
) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(PNG)
    with contextlib.closing(Terminal(media_app("chat_interface"))) as chat:
        chat.ask(f"Look at {written.format(picture)}")
        chat.read_until(f"With this prompt: {picture}")
        chat.read_until(describe("red.png", PNG))


def test_a_picture_whose_path_is_in_a_prompt_goes_to_a_space_that_has_a_function_for_files(
    tmp_path: Path,
) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(PNG)
    engine = ScriptedEngine(describe_message, takes=["image"])
    with LocalSpace(engine) as seeing, contextlib.closing(Terminal(seeing.url)) as chat:
        chat.ask(f"Look at {picture}")
        chat.read_until(f"With this prompt: {picture}")
        chat.read_until(f"image {len(PNG)} bytes")


def test_a_picture_s_path_is_text_for_an_app_that_takes_none(
    space: ScriptedSpace, chat: Terminal, tmp_path: Path
) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(PNG)
    chat.ask(f"What opens {picture}")
    chat.read_until("Hello there.")

    assert space.joins[0]["data"][0] == f"What opens {picture}"
