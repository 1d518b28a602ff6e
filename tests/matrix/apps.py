"""The app, run on a Gradio release in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

__all__ = ["Apps", "environment"]

APP = Path(__file__).with_name("app.py")


class Apps:
    """The flavours of the app that one environment runs, in one process: the last asked for.

    Args:
        log: The file of their output.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started: tuple[Path, list[str]] | None = None
        self._urls: dict[str, str] = {}

    def running(self, python: Path, flavours: list[str]) -> dict[str, str]:
        """Return the addresses of the flavours, which are started if need be."""
        if (python, flavours) != self._started:
            # On a busy machine `launch` gives up where its own page takes more than 3 seconds.
            # Nobody has asked the app for anything by then.
            for _ in range(3):
                self.stop()
                self._start(python, flavours)
                if len(self._urls) == len(flavours):
                    break
            else:
                pytest.fail(f"the app did not start:\n{self._log.read_text()[-2000:]}")
            self._started = python, flavours
        return self._urls

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._started, self._urls = None, None, {}

    def _start(self, python: Path, flavours: list[str]) -> None:
        """Start the flavours, and wait until each says that it is ready, or the process ends."""
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [python, APP, *flavours],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
            )
        deadline = time.monotonic() + 180
        while len(self._urls) < len(flavours) and time.monotonic() < deadline:
            has_ended = self._process.poll() is not None
            self._urls = dict(
                re.findall(r"^ready (\S+) (\S+)\n", self._log.read_text(), re.MULTILINE)
            )
            if has_ended:
                return
            time.sleep(0.1)


def environment(release: str, day: str | None, more: list[str]) -> Path:
    """Return the Python of an environment with a release, which is made if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "qwen-space", "matrix")
    folder = cache / "-".join([release, *more])
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run(["uv", "venv", "-q", "--clear", "--python", "3.11", folder], check=True)
        dated = [] if day is None else ["--exclude-newer", day]
        install = ["uv", "pip", "install", "-q", "--python", python, *dated]
        subprocess.run([*install, f"gradio=={release}", *more], check=True)
        (folder / "complete").touch()
    return python
