from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.cli.live import LiveAnswer, _blocks, _place
from qwen_space.cli.plain import strip_control_chars
from qwen_space.events import (
    Completed,
    Event,
    Notice,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)

if TYPE_CHECKING:
    from conftest import ScriptedSpace

# The byte \x03 is a signal only for a process whose controlling terminal it comes from.
CHAT = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("qwen_space", run_name="__main__")
"""
ESCAPES = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\r")
PATIENCE = 30.0  # seconds


class Chat:
    """`qwen-space chat` on a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHAT, "chat", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(there)
        self._unread = ""

    def type(self, keys: str) -> None:
        os.write(self._here, keys.encode())

    def ask(self, prompt: str) -> None:
        self.read_until("> ")
        self.type(f"{prompt}\n")
        self.read_until(prompt)

    def read_until(self, text: str) -> str:
        """Return what comes up to `text`, without the terminal's control sequences."""
        while text not in self._unread:
            ready, _, _ = select.select([self._here], [], [], PATIENCE)
            assert ready, f"no {text!r} in {self._unread!r}"
            try:
                came = os.read(self._here, 65536)
            except OSError:  # Linux has it so when the other end is closed
                came = b""
            assert came, f"the chat ended without {text!r}: {self._unread!r}"
            self._unread = ESCAPES.sub("", self._unread + came.decode(errors="replace"))
        before, _, self._unread = self._unread.partition(text)
        return before + text

    def end_by(self, key: str) -> int:
        """Type a key and return the exit status.

        The key is typed again if nothing comes of it: Python does not hear a signal that comes
        after the prompt is printed and before `input` waits for keys.
        """
        for _ in range(10):
            self.type(key)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(PATIENCE / 10)
        raise AssertionError("the chat goes on")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._here)


@pytest.fixture
def chat(space: ScriptedSpace) -> Iterator[Chat]:
    with contextlib.closing(Chat(space.url)) as chat:
        yield chat


def test_the_turns_of_a_chat_reach_the_space(space: ScriptedSpace, chat: Chat) -> None:
    chat.ask("Hi")
    chat.read_until("Hello there.")
    chat.ask("And now?")
    chat.read_until("Hello there.")
    chat.read_until("> ")
    assert chat.end_by("\x04") == 0
    assert [join["data"] for join in space.joins] == [
        ["Hi", [], DEFAULT_SYSTEM_PROMPT, "72B"],
        [
            "User: Hi\nAssistant: Hello there.\nUser: And now?\nAssistant:",
            [],
            DEFAULT_SYSTEM_PROMPT,
            "72B",
        ],
    ]


def test_options_of_a_chat_reach_the_space(space: ScriptedSpace) -> None:
    options = ["--system", "Be brief.", "--model", "7B", "--history", "native"]
    with contextlib.closing(Chat(space.url, "--endpoint", "model_chat", *options)) as chat:
        chat.ask("Hi")
        chat.read_until("Hello there.")
        chat.ask("And now?")
        chat.read_until("Hello there.")
        chat.read_until("> ")

    prompt, history, system, size = space.joins[1]["data"]
    assert (prompt, system, size) == ("And now?", "Be brief.", "7B")
    assert [row["role"] for row in history] == ["user", "assistant"]
    assert {join["fn_index"] for join in space.joins} == {2}


def test_ctrl_c_cancels_the_answer_and_not_the_chat(space: ScriptedSpace, chat: Chat) -> None:
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
    assert space.joins[1]["data"][0] == "User: Hi\nAssistant: Half \nUser: Again\nAssistant:"
    chat.read_until("> ")
    assert chat.process.poll() is None


def test_half_an_answer_stays_in_view(space: ScriptedSpace, chat: Chat) -> None:
    space.engine.reply = ["# Half\n\n", "an answer\n\n", "lost"]
    space.engine.gate = threading.Semaphore(2)
    chat.ask("Hi")
    chat.read_until("an answer")

    chat.type("\x03")

    assert "an answer" in chat.read_until("(cancelled)")


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_the_chat_ends_at_the_prompt(chat: Chat, key: str) -> None:
    chat.read_until("> ")

    assert chat.end_by(key) == 0


def test_a_turn_that_fails_is_a_sentence_and_is_not_kept(space: ScriptedSpace, chat: Chat) -> None:
    space.engine.reply = ["Half ", ValueError("bad luck")]
    chat.ask("Hi")
    said = chat.read_until("The app failed: ValueError: bad luck")
    assert "Traceback" not in said

    space.engine.reply = ["Well."]
    chat.ask("Again")

    chat.read_until("Well.")
    assert space.joins[1]["data"][0] == "Again"
    chat.read_until("> ")


def test_a_model_that_is_not_there_is_a_sentence(space: ScriptedSpace) -> None:
    with contextlib.closing(Chat(space.url, "--model", "8000B")) as chat:
        chat.ask("Hi")

        chat.read_until("is not offered by this Space")
        chat.read_until("> ")


# What is shown, without a process


def shown(events: Sequence[Event]) -> tuple[str, str]:
    """Return what stays on the terminal of some events, and the answer's text."""
    file = io.StringIO()
    with LiveAnswer(Console(file=file, width=40)) as answer:
        for event in events:
            answer.show(event)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()), answer.text


def pieces(text: str) -> list[Event]:
    return [TextDelta(each) for each in re.findall(r"\S+|\s", text)]


def test_an_answer_is_shown_as_markdown_block_by_block() -> None:
    text = "# Title\n\nSome **bold**.\n\n- one\n- two\n\n```python\nx = 1\n\ny = 2\n```\n\nEnd"

    view, kept = shown([*pieces(text), Completed(text, 1.0)])

    assert kept == text
    assert re.sub(r"(?m)^ +", "", view) == (
        "Title\n\nSome bold.\n\n• one\n• two\n\nx = 1\n\ny = 2\n\nEnd\n"
    )


def test_what_is_not_the_answer_does_not_stay_except_notices() -> None:
    view, text = shown(
        [
            Queued(2, 3, 4.2),
            Notice("Mind \x1b[31mthe [red]gap"),
            Started(None),
            ThinkingDelta("Well, well"),
            *pieces("Yes"),
        ]
    )

    assert view == "Mind [31mthe [red]gap\nYes\n"
    assert text == "Yes"


@pytest.mark.parametrize(
    ("before", "event", "view", "text"),
    [
        pytest.param("One", Rewritten("Two"), "Two\n", "Two", id="not-printed-yet"),
        pytest.param(
            "One\n\nmore\n",
            Rewritten("Two"),
            "One\n\nThe app has rewritten its answer:\nTwo\n",
            "Two",
            id="printed",
        ),
        pytest.param(
            "One\n\nmore\n",
            Rewritten("One\n\nless"),
            "One\n\nless\n",
            "One\n\nless",
            id="after-that",
        ),
        pytest.param(
            "a\n\nb\n", Completed(" a\n\n b", 1.0), "a\n\nb\n", " a\n\n b", id="white-space-printed"
        ),
        pytest.param("a b", Completed("a  b", 1.0), "a  b\n", "a  b", id="white-space"),
        pytest.param("", Completed("", 1.0), "", "", id="empty"),
    ],
)
def test_what_the_app_changes_is_changed_where_it_can_be(
    before: str, event: Event, view: str, text: str
) -> None:
    assert shown([*pieces(before), event]) == (view, text)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(["One"], id="one"),
        pytest.param(["One\nmore\n"], id="may-go-on"),
        pytest.param(["\n\nOne\n\n", "T"], id="two"),
        pytest.param(["One\n", "# Two\n", "- a\n\n- b\n"], id="a-list-grows"),
        pytest.param(["One\n\n", "```\na\n\nb\n"], id="code-grows"),
        pytest.param(["a\u2028b\n\n", "c"], id="other-line-ends"),
        pytest.param(["a\n\n[b]: /c\n"], id="a-definition-is-no-block"),
        pytest.param([""], id="empty"),
    ],
)
def test_a_text_is_split_where_a_block_begins(blocks: list[str]) -> None:
    assert _blocks("".join(blocks)) == blocks


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Queued(2, 3, 4.2), "In the queue, 2 in front, about 4 s to wait"),
        (Queued(0, 1, None), "In the queue, 0 in front"),
        (Queued(None, None, None), "In the queue"),
    ],
)
def test_the_place_in_the_queue_is_shown_while_waiting(event: Queued, words: str) -> None:
    assert _place(event) == words
    file = io.StringIO()

    with LiveAnswer(Console(file=file, force_terminal=True, width=80)) as answer:
        answer.show(event)

    assert words in file.getvalue()


def test_a_block_that_is_higher_than_the_terminal_shows_its_end() -> None:
    file = io.StringIO()
    rows = "\n".join(f"- row{number}" for number in range(50))

    with LiveAnswer(Console(file=file, force_terminal=True, width=40, height=10)) as answer:
        answer.show(TextDelta(rows))
        answer._live.refresh()
        painted = file.getvalue()

    assert "row49" in painted
    assert "row30" not in painted
    assert file.getvalue().count("row0\x1b") + file.getvalue().count("row0 ") == 1


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b]0;x\x07y\r\x9b", "]0;xy"),
        ("a\u202eb\u2066c\u200f", "abc"),
        ("ä\u2028", "ä\u2028"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(text: str, cleaned: str) -> None:
    assert strip_control_chars(text) == cleaned


@pytest.mark.parametrize(
    "hostile",
    [
        "&#27;[2J&#x1b;]0;title&#7;",
        "[link](http://x/&#27;[2J)",
        "[link](http://x/\x1b]8;;evil\x07)",
        "`\x1b[2J`",
        "```\n\x1b[2J\x9b2J\n```",
        "| a\x1b[1A |\n|---|\n| b\r |",
        "![p\x08\x08](http://x/\x9d0;t\x9c)",
        "<b\x1b[2J>",
    ],
)
def test_no_text_of_an_app_moves_the_terminal(hostile: str) -> None:
    file = io.StringIO()

    with LiveAnswer(Console(file=file, force_terminal=True, width=80)) as answer:
        answer.show(Notice(hostile, "info"))
        answer.show(ThinkingDelta(hostile))
        answer.show(TextDelta(f"{hostile}\n\nend"))
    shown = file.getvalue()

    # Left are colours, links, and what paints the last block anew.
    rich = r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b\x07]*\x1b\\|\x1b\[(?:\?25[hl]|1A|2K)|\r|\n"
    rest = re.sub(rich, "", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", rest)
    assert "\x1b[2J" not in shown
    assert "\x1b]0;" not in shown
