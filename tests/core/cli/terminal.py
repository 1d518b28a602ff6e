"""`qwen-space chat` on a pseudo-terminal, as a person has it."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

import pyte

__all__ = ["Terminal"]

# The byte \x03 is a signal only for a process whose controlling terminal it comes from.
_CHAT = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("qwen_space", run_name="__main__")
"""
_SIZE = (200, 240)  # nothing scrolls away, no path is wrapped
_PASTE = 2004 << 5  # as pyte has it: the program takes bracketed pastes
_PATIENCE = 20.0  # seconds


class Terminal:
    """A wide terminal in which `qwen-space chat` runs.

    Args:
        arguments: Those of the command.
        history: The file of the lines typed; none by default.
        size: Its rows and columns.
    """

    def __init__(self, *arguments: str, history: str = "", size: tuple[int, int] = _SIZE) -> None:
        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHAT, "chat", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            env={
                # Not another terminal's size, which pytest-xdist gives its workers.
                **{k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}},
                "TERM": "xterm",
                "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here says where the cursor is
                "QWEN_SPACE_HISTORY": history,
            },
        )
        os.close(there)
        self._screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines = [""] * size[0]
        self._read = 0  # characters of the screen that a test has read

    def type(self, keys: str) -> None:
        os.write(self._here, keys.encode())

    def paste(self, text: str) -> None:
        """Do as a terminal does that knows bracketed pastes."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def ask(self, prompt: str) -> None:
        self.wait_for_prompt()
        self.type(f"{prompt}\r")
        self.read_until(prompt)

    def wait_for_prompt(self) -> None:
        """Wait until the chat takes keys."""
        self._wait(lambda: self._line == "> " and _PASTE in self._screen.mode, "prompt")

    def see(self, text: str) -> None:
        """Wait for a text below the last that was read."""
        self._wait(lambda: text in self._shown[self._read :], text)

    def read_until(self, text: str) -> str:
        """Return the lines from the last text that was read to this one, once it is there."""
        self.see(text)
        start = self._read
        self._read = self._shown.index(text, start) + len(text)
        return self._shown[start : self._read]

    def end(self) -> int:
        """Type Ctrl-D at the prompt, and return the exit status."""
        self.wait_for_prompt()
        self.type("\x04")
        return self.process.wait(_PATIENCE)

    def count(self, word: str) -> int:
        """Count a word on the screen."""
        return self._shown.count(word)

    @property
    def _shown(self) -> str:
        """The screen's lines; pyte's own would be rendered anew, cell by cell, at each look."""
        for row in self._screen.dirty:
            cells = self._screen.buffer[row]
            text = "".join(cells[each].data for each in range(max(cells, default=-1) + 1))
            self._lines[row] = text.rstrip()
        self._screen.dirty.clear()
        return "\n".join(self._lines)

    @property
    def _line(self) -> str:
        """The line of the cursor, up to it."""
        row, column = self._screen.cursor.y, self._screen.cursor.x
        return "".join(self._screen.buffer[row][each].data for each in range(column))

    def _wait(self, is_there: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not is_there():
            ready, _, _ = select.select([self._here], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {name!r} in:\n{self._shown.rstrip()}"
            try:
                came = os.read(self._here, 65536)
            except OSError:  # Linux has it so when the other end is closed
                came = b""
            assert came, f"the chat ended without {name!r}:\n{self._shown.rstrip()}"
            self._stream.feed(self._decoder.decode(came))

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows the keys that are typed, by lines, as a shell wants it."""
        wanted = termios.ECHO | termios.ICANON
        return bool(termios.tcgetattr(self._here)[3] & wanted == wanted)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._here)
