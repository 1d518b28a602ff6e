"""Programs that are run to their end in a process of their own, where nothing may be said."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping

__all__ = ["begin", "run"]

_BEGINNING = """
import asyncio, atexit, copy, gc, os, pickle, sys, threading, time, warnings
from qwen_space import SpaceConfig, TextDelta
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space

URL = sys.argv[1]
HI = [Turn("user", "Hi")]
space = Space.from_config(SpaceConfig(space=URL))

def pieces(space=space):
    return (event.delta for event in space.stream_chat(HI) if isinstance(event, TextDelta))
"""


def run(
    url: str, program: str, *flags: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with all warnings as errors, and return its output and its end.

    Errors where nobody can be told, as in `__del__`, are written to stderr by Python.
    """
    return subprocess.run(
        _command(url, program, *flags),
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def begin(url: str, program: str) -> subprocess.Popen[str]:
    """Begin a program in the same way, to talk to it while it runs."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        _command(url, program), stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
    )


def _command(url: str, program: str, *flags: str) -> list[str]:
    return [sys.executable, *flags, "-W", "error", "-c", _BEGINNING + textwrap.dedent(program), url]
