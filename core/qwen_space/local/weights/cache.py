"""The folder of downloaded models, with a note of each verified hash.

Hashing a gigabyte takes seconds at each start, so a file is hashed in full once. A note keeps its
size and its time of change. A file that was damaged, replaced or cut short differs in one of
them: it is hashed again and, if the hash is wrong, fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

__all__ = ["Cache", "cache_folder"]


def cache_folder() -> Path:
    """Return the models' folder: QWEN_SPACE_CACHE, or `qwen-space` in the user's cache folder."""
    if named := os.environ.get("QWEN_SPACE_CACHE"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qwen-space"


def _sha256_of(path: Path) -> str:
    """Return the hash of a file, as hexadecimal digits."""
    digest, buffer = hashlib.sha256(), bytearray(1 << 20)
    view = memoryview(buffer)
    with path.open("rb") as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


class Cache:
    """A folder of models.

    Args:
        folder: Its path; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, filename: str) -> Path:
        """Return the path of a file, which need not exist yet."""
        return self.folder / filename

    def is_whole(self, path: Path, sha256: str, size: int | None = None) -> bool:
        """Whether the file at `path` exists and has this hash."""
        try:
            stat = path.stat()
        except OSError:
            return False
        if size is not None and stat.st_size != size:
            return False
        return self._noted(path, sha256) == _marks(stat) or self.verify(path, sha256)

    def verify(self, path: Path, sha256: str) -> bool:
        """Hash the file at `path`, and note the hash if it is the expected one."""
        stat = path.stat()
        if _sha256_of(path) != sha256:
            return False
        self._note(path, sha256, _marks(stat))
        return True

    def adopt(self, path: Path, filename: str, sha256: str) -> Path | None:
        """Rename the file at `path`, in this folder, in one step, if its hash is right."""
        if _sha256_of(path) != sha256:
            return None
        target = path.replace(self.path(filename))
        self._note(target, sha256, _marks(target.stat()))
        return target

    def _note(self, path: Path, sha256: str, marks: list[int]) -> None:
        note = self._note_path(path, sha256)
        note.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=note.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(marks, file)
        Path(name).replace(note)

    def _noted(self, path: Path, sha256: str) -> object:
        try:
            return json.loads(self._note_path(path, sha256).read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def _note_path(self, path: Path, sha256: str) -> Path:
        """Return the note's path, made of the hash and of the file's place."""
        place = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
        return self.folder / "verified" / f"{sha256}-{place}.json"


def _marks(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns]
