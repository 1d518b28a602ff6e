"""A Space that means harm: an error, or flat memory, and nothing that it names is opened.

Memory is the peak of Python's allocations. The server's small share is included, as it lives in
this process too.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import sys
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import brotli
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import ProtocolError, SpaceTimeoutError, Timeouts
from qwen_space.chat_model.bridge import iterate_sync, run_sync
from qwen_space.config import SpaceConfig
from qwen_space.gradio.job import Job
from qwen_space.gradio.wire.sse import SSEDecoder
from tests.end_to_end.faults.acts import ALL, BEGUN, DONE, ONE, THREE, TWO, app
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import END, Endless, http, message, playing, sse
from tests.end_to_end.faults.ways import WAYS, InWays
from tests.queue_stream import receive
from tests.scripted_server import (
    EVENT_ID,
    append,
    completed,
    estimation,
    generating,
    starts,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 200_000  # max_size: bytes of a message, characters of a reply
MB = 2**20

# Ways that stand for all, as a case takes a second in each
ONE_OF_EACH = ["core-stream", "langchain-stream", "llama-index-stream_chat"]


@contextmanager
def flat(most: float) -> Iterator[None]:
    """Fail if more memory than some bytes is allocated at any time."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < most, f"{(peak - before) / MB:.1f} MB"


def edit(*edits: Any) -> dict[str, Any]:
    """Return a message with edits of the chat, as the public Space sends them."""
    output = {"data": [[], list(edits), []], "is_generating": True}
    return {
        "msg": "process_generating",
        "event_id": EVENT_ID,
        "output": output,
        "success": True,
    }


def log(text: str) -> dict[str, Any]:
    return {"msg": "log", "event_id": EVENT_ID, "log": text, "level": "info"}


# Endless, and kept: an error before the memory is full

GROWING = {
    "lines": b"x" * 10_000,
    "event-of-lines": b"data: x\n" * 1_000,
    "event-of-empty-lines": b"data\n" * 2_000,
    "text": message(append("x" * 1_000)),
    "text-in-tiny-pieces": message(append("xxxx")) * 100,
    "rows-above": message(edit(["add", [0], [{"text": "u" * 500}, {"text": "x"}]])),
    "fields-beside-the-text": message(edit(["append", [0, 0, "text"], "x" * 1_000])),
    "rewritings": message(edit(["replace", [0, 1, "text"], "y" * 500])) * 2
    + message(edit(["replace", [0, 1, "text"], "x" * 500])),
    "notices": message(log("x" * 1_000)),
    "notices-in-headings": message({**log(""), "title": "x" * 1_000}),
}


@pytest.mark.parametrize("endless", [pytest.param(GROWING[name], id=name) for name in GROWING])
def test_endless_growth_is_an_error_before_memory_is_full(serve: Serve, endless: bytes) -> None:
    with serve(app(sse(*BEGUN, generating("one "), Endless(endless)))) as server, flat(40 * MB):
        got = WAYS["core-stream"](server.url, max_size=LIMIT)

    assert isinstance(got.error, ProtocolError)
    assert "max_size" in str(got.error)


def test_the_limits_hold_in_ways(serve: Serve, in_ways: InWays) -> None:
    def ask(way: str) -> None:
        fields = message(edit(["append", [0, 0, "text"], "x" * 1_000]))
        with serve(app(sse(*BEGUN, ONE, Endless(fields)))) as server:
            got = WAYS[way](server.url, max_size=LIMIT)
        assert isinstance(got.error, ProtocolError), got
        assert "The chat's value has grown to more than 200000" in str(got.error)
        assert got.error.text == "one "

    in_ways(ask)


def test_a_value_that_changes_for_long_and_does_not_grow_is_taken() -> None:
    job = Job(EVENT_ID, 1, max_size=1_000)
    receive(job, message(generating("one ")))

    for _ in range(100):
        receive(job, message(edit(["replace", [0, 0, "text"], "x" * 500])))

    assert job.text == "one "


def test_a_value_is_measured_each_time_that_its_limit_of_edits_has_come() -> None:
    job = Job(EVENT_ID, 1, max_size=1_000)
    receive(job, message(generating("one ")))
    more = message(edit(["append", [0, 0, "text"], "x" * 100]))

    with pytest.raises(ProtocolError, match="more than 1000 bytes") as caught:
        receive(job, *[more] * 20)

    assert caught.value.text == "one "


def test_empty_lines_of_an_event_count_too() -> None:
    decoder = SSEDecoder(100)

    with pytest.raises(ProtocolError, match="larger than 100 bytes"):
        list(decoder.feed(b"data\n" * 21))


# Endless, and not kept: memory stays flat, and `total` or the caller ends it

IDLE = {
    "heartbeats": message({"msg": "heartbeat"}),
    "places-in-the-queue": message(estimation(7)),
    "starts": message(starts()),
    "unknown-kinds": message({"msg": "mine-bitcoin", "with": "x" * 100}),
    "messages-of-others": message({**append("x" * 100), "event_id": "f" * 32}),
    "comments": b": x\n" * 20,
    "empty-events": b"\n" * 100,
    "empty-edits": message(edit()),
    "nothing-appended": message(append("")),
    "times-to-retry": b"retry: 1\nid: 7\n\n",
}


@pytest.mark.parametrize("endless", [pytest.param(IDLE[name], id=name) for name in IDLE])
def test_an_endless_stream_without_text_costs_no_memory_and_ends_with_total(
    serve: Serve, endless: bytes
) -> None:
    timeouts = Timeouts(total=0.4)
    with serve(app(sse(*BEGUN, ONE, Endless(endless * 100)))) as server, flat(12 * MB):
        got = WAYS["core-stream"](server.url, max_size=LIMIT, timeouts=timeouts)

    assert isinstance(got.error, SpaceTimeoutError)
    assert got.error.limit == "total"
    assert got.error.text == "one "


@pytest.mark.parametrize("way", ONE_OF_EACH)
def test_places_in_the_queue_without_end_end_with_total(serve: Serve, way: str) -> None:
    endless = Endless(message(estimation(10**9)) * 100)
    with serve(app(sse(endless))) as server, flat(30 * MB):
        got = WAYS[way](server.url, max_size=LIMIT, timeouts=Timeouts(total=0.5))

    assert isinstance(got.error, SpaceTimeoutError)


def test_a_stream_that_is_quicker_than_the_blocking_caller_has_to_wait() -> None:
    many = threading.Event()
    last = 0

    async def items() -> AsyncIterator[int]:
        nonlocal last
        for last in itertools.count():
            if last == 9_999:
                many.set()
            yield last
            await asyncio.sleep(0)

    async def turns() -> None:
        """Let the loop turn: a stream that does not wait makes an item each time."""
        for _ in range(1_000):
            await asyncio.sleep(0)

    events = iterate_sync(lambda: nullcontext(items()))
    next(events)
    assert many.wait(20)
    run_sync(turns)  # the caller is elsewhere

    assert last < 10_010
    events.close()


def test_items_that_wait_for_a_blocking_caller_are_all_there() -> None:
    async def items() -> AsyncIterator[int]:
        for each in range(50):
            yield each

    assert list(iterate_sync(lambda: nullcontext(items()), max_queue=3)) == list(range(50))


@pytest.mark.parametrize("model", [ChatQwenSpace, QwenSpace, SpaceConfig])
def test_a_max_queue_of_zero_is_misuse(model: Any) -> None:
    with pytest.raises(ValueError, match=r"max_queue=0: events above 0"):
        model(max_queue=0)


# Bombs


def bomb(start: bytes, filling: bytes, count: int) -> bytes:
    """Return a large text as gzip, compressed part by part, so that it is never in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(start)]
    parts += [packer.compress(filling * 1_000) for _ in range(count)]
    return b"".join([*parts, packer.flush()])


def test_a_compressed_answer_is_limited_by_its_unpacked_size(serve: Serve) -> None:
    packed = bomb(b'{"event_id": "', b"x" * 100, 1_000)  # 100 MB in 100 KB
    assert len(packed) < LIMIT
    answer = http(200, b"", Content_Length=str(len(packed)), Content_Encoding="gzip")
    answer = answer.replace(b"text/event-stream", b"application/json") + packed

    with serve(app(sse(*BEGUN), join=[answer])) as server, flat(60 * MB):
        got = WAYS["core-complete"](server.url, max_size=LIMIT)

    assert isinstance(got.error, ProtocolError)
    assert "max_size" in str(got.error)


@pytest.mark.parametrize("filling", [b"x" * 100, b"data: " + b"x" * 93 + b"\n"])
def test_a_compressed_stream_is_limited_by_its_unpacked_size(serve: Serve, filling: bytes) -> None:
    packed = bomb(message(generating("one ")), filling, 1_000)

    with serve(app(sse(packed, END, Content_Encoding="gzip"))) as server, flat(60 * MB):
        got = WAYS["core-stream"](server.url, max_size=LIMIT)

    assert isinstance(got.error, ProtocolError)
    assert "max_size" in str(got.error)
    assert got.added == "one "


@pytest.mark.parametrize("kind", ["br", "zstd"])
def test_brotli_and_zstd_streams_are_limited_by_their_unpacked_size(
    serve: Serve, kind: str
) -> None:
    pack = {"br": functools.partial(brotli.compress, quality=5), "zstd": zstd.compress}[kind]
    packed = pack(b"x" * 100_000_000)

    with serve(app(sse(packed, END, Content_Encoding=kind))) as server, flat(60 * MB):
        got = WAYS["core-stream"](server.url, max_size=LIMIT)

    assert isinstance(got.error, ProtocolError)
    assert "max_size" in str(got.error)


# Values that are too deep, too large, or no good

DEEP = 100_000


def raw(value: bytes) -> bytes:
    """Return a message whose chat is some JSON."""
    text = json.dumps(generating("@"))
    return b"data: " + text.encode().replace(b'"@"', value) + b"\n\n"


BAD = {
    "deep-list": raw(b"[" * DEEP + b"]" * DEEP),
    "deep-dict": raw(b'{"text":' * DEEP + b'""' + b"}" * DEEP),
    "huge-number": raw(b"1" * 100_000),
    "deep-path": message(edit(["append", [0] * 50_000, "x"])),
    "negative-place": message(edit(["replace", [-1], "x"])),
    "huge-place": message(edit(["add", [10**18], "x"])),
    "rank-without-end": b'data: {"msg":"estimation","rank":' + b"9" * 10_000 + b"}\n\n",
    "rank-too-large": message(estimation(10**400)),
    "time-too-large": message({**estimation(1), "rank_eta": 10**400}),
    "start-too-large": message({**starts(), "eta": -(10**400)}),
}


@pytest.mark.parametrize("way", ONE_OF_EACH)
@pytest.mark.parametrize(
    "sent",
    [pytest.param(BAD[name], id=name) for name in BAD],
)
def test_values_too_deep_or_too_large_are_an_error(serve: Serve, sent: bytes, way: str) -> None:
    with serve(app(sse(*BEGUN, ONE, sent, TWO, THREE, *DONE, END))) as server:
        got = WAYS[way](server.url)

    assert isinstance(got.error, ProtocolError)
    assert len(str(got.error)) < 2_000
    assert got.error.text == "one "


@pytest.mark.parametrize("way", ONE_OF_EACH)
@pytest.mark.parametrize("eta", [1e308, float("nan"), float("-inf")])
def test_large_ranks_and_times_are_accepted(serve: Serve, eta: float, way: str) -> None:
    far = {**estimation(2**53 - 1), "rank_eta": eta}
    with serve(app(sse(far, ONE, TWO, THREE, *DONE, END))) as server:
        assert WAYS[way](server.url).text == ALL


# Nothing that a Space names is opened, fetched or run

NAMED = [
    "file:///etc/passwd",
    "<img src='http://127.0.0.1:{port}/beacon.png' onerror='alert(1)'>",
    "![](http://127.0.0.1:{port}/beacon.png)",
    "<script>fetch('http://127.0.0.1:{port}/beacon.png')</script>",
    "{{7*7}} ${{jndi:ldap://127.0.0.1:{port}/x}} __import__('os').abort()",
]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_names_in_a_reply_are_text_and_are_not_fetched(serve: Serve, way: str) -> None:
    server = app([])
    with serve(server):
        port = server.url.rpartition(":")[2]
        text = "\n".join(NAMED).replace("{port}", port)
        file = {"path": "/etc/passwd", "url": f"{server.url}/file=/etc/passwd", "meta": {}}
        chat = [{"text": "u", "files": [file]}, {"text": text, "files": [file], "file": file}]
        last = completed(text)
        last["output"]["data"][1] = [chat]
        first = json.loads(json.dumps(last).replace("process_completed", "process_generating"))
        server.data = playing(sse(log(text), first, last, END))
        got = WAYS[way](server.url)

        assert (got.text, got.error) == (text, None)
        assert {each.path for each in server.exchanges} == {
            "/config",
            "/queue/join",
            "/queue/data",
        }


@pytest.mark.parametrize(
    "event_id", ["../../../api/whoami", "http://127.0.0.1:1/x", "a\r\nX-Evil: 1", "\x00", "?a=b#c"]
)
def test_an_event_id_is_no_path_and_no_header(serve: Serve, event_id: str) -> None:
    joined = http(200, {"event_id": event_id})
    items = [{**each, "event_id": event_id} for each in (*BEGUN, ONE, TWO, THREE, completed(ALL))]
    with serve(app(sse(*items, END), join=[joined])) as server:
        got = WAYS["core-stream"](server.url)

    assert got.text == ALL
    assert {each.path for each in server.exchanges} == {"/config", "/queue/join", "/queue/data"}
    assert all("x-evil" not in each.headers for each in server.exchanges)
