"""Models from the hub: a server on loopback stands for it."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_space.local.weights import hub as hub_source
from qwen_space.local.weights.cache import Cache
from qwen_space.local.weights.catalogue import HubFile, Unavailable
from qwen_space.local.weights.hub import from_hub, from_hub_cache
from tests.core.local.weights.content import CONTENT, sha256

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


def test_a_small_file_has_an_etag_that_is_no_sha_256(
    hub: type[Hub], fetch: Callable[[HubFile], Path]
) -> None:
    hub.etag = "a" * 40  # git's

    assert fetch(HubFile("owner/made-up", FILE)).read_bytes() == CONTENT


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


@pytest.mark.parametrize("filename", [None, FILE])
def test_a_hub_out_of_reach_is_said_once_and_at_once(
    cache: Cache,
    said: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    filename: str | None,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    with pytest.raises(Unavailable, match="refused"):
        from_hub(HubFile("owner/made-up", filename), cache, said.append, endpoint=NOWHERE)

    assert pauses == []
    assert said == []
    assert caplog.records == []
