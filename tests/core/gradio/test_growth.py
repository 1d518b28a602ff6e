"""Time and memory grow as the bytes of a server do, and the loop has its turns meanwhile."""

from __future__ import annotations

import gc
import json
import math
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from qwen_space.errors import QwenSpaceError
from qwen_space.gradio.job import Job

MB = 2**20
CHUNK = 65_536  # bytes that come at once


def generating(chat: Any) -> bytes:
    text = chat.decode() if isinstance(chat, bytes) else json.dumps(chat)
    return b'data: {"msg":"process_generating","event_id":"e","output":{"data":[%b]}}\n\n' % (
        text.encode()
    )


def edits(count: int, edit: Callable[[int], Any]) -> Iterable[bytes]:
    return (generating([edit(index)]) for index in range(count))


def replacing(*values: Any) -> list[bytes]:
    """Make a stream whose later messages each replace the whole value."""
    first, *others = values
    return [generating(first), *(generating([["replace", [], each]]) for each in others)]


def failed(error: str) -> bytes:
    message = {"msg": "process_completed", "event_id": "e", "success": False}
    return b"data: %b\n\n" % json.dumps({**message, "output": {"error": error}}).encode()


def follow(chunks: Iterable[bytes]) -> tuple[Job, float]:
    """Return a job that received all chunks or failed, and the longest time without a turn."""
    job = Job("e", 0, "sse_v3", reasoning_tags=[("<think>", "</think>")], prompt="a < b")
    longest, last = 0.0, time.process_time()
    try:
        for message in chunks:
            for at in range(0, len(message), CHUNK):
                for _ in job.receive(message[at : at + CHUNK]):
                    longest = max(longest, time.process_time() - last)
                    last = time.process_time()
                longest, last = max(longest, time.process_time() - last), time.process_time()
    except QwenSpaceError:
        pass
    return job, longest


ROW = {"role": "assistant", "content": "b" * 90}
LONG = [["u", "b" * 400_000]]
MANY = [["u", "b"]] * 20_000

# Each gives the messages of a stream that is `n` times as long.
HOSTILE: dict[str, Callable[[int], list[bytes]]] = {
    "long-text": lambda n: [generating("x" * (n * MB // 2))],
    "long-text-of-escapes": lambda n: [generating("\x00" * (n * MB // 12))],
    "long-piece": lambda n: [generating("a"), generating([["append", [], "x" * (n * MB // 2)]])],
    "many-rows": lambda n: [generating(MANY * 2 * n)],  # enough for each to be taken in slices
    "small-edits-of-a-long-text": lambda n: [
        generating(LONG),
        *edits(200 * n, lambda _: ["append", [0, 0], "x"]),
    ],
    "small-edits-of-a-long-list": lambda n: [
        generating(MANY),
        *edits(200 * n, lambda _: ["add", [0], ["u", "b"]]),
    ],
    "many-edits-at-once": lambda n: [
        generating(MANY),
        generating([["replace", [0, 0], "b"]] * 2_000 * n),
    ],
    "small-rewritings-of-many-parts": lambda n: [
        generating([{"role": "user", "content": "u"}, *[ROW] * 4_000]),
        *edits(100 * n, lambda index: ["replace", [1, "content"], str(index)]),
    ],
    "thoughts-without-end": lambda n: [
        generating("<think>"),
        *edits(2_000 * n, lambda _: ["append", [], "hm"]),
    ],
    "white-space-in-thoughts": lambda n: [
        generating("<think>a"),
        *edits(2_000 * n, lambda _: ["append", [], "  "]),
    ],
    "cursors-without-end": lambda n: [
        generating("a"),
        *edits(2_000 * n, lambda _: ["append", [], "▌"]),
    ],
    "starts-of-tags": lambda n: [
        generating("a"),
        *edits(2_000 * n, lambda _: ["append", [], "\n</think"]),
    ],
    "starts-of-escapes": lambda n: [
        generating([["a &lt; b", "a"]]),
        *edits(2_000 * n, lambda _: ["append", [0, 1], "&am"]),
    ],
    "escapes-in-code": lambda n: [
        generating([["a", "`"]]),
        *edits(2_000 * n, lambda _: ["append", [0, 1], "&lt;"]),
    ],
    "escapes-in-fences": lambda n: [
        generating([["a", "a"]]),
        *edits(40, lambda _: ["append", [0, 1], "\n```\n&lt;" * 50 * n]),
    ],
    "many-spans": lambda n: [generating([["a", "`" * (n * MB // 8) + "`a`" * (n * MB // 16)]])],
    "html": lambda n: replacing(
        *(
            [["<p>a", text * (n * MB // 16 // len(text))]]
            for text in ("<p>a &lt; <b>b</b><ul><li>c", "<", "<a <!-- ")
        )
    ),
    "html-of-a-page": lambda n: replacing(
        *(
            {"html": text * (n * MB // 4 // len(text))}
            for text in ("<p class='message'>", "<p data-raw='x'>", "<a class=", "a &lt; b")
        )
    ),
    "small-edits-of-html": lambda n: [
        generating([["<p>a", "<p>a</p>" * 4_000]]),
        *edits(100 * n, lambda _: ["append", [0, 1], "x"]),
    ],
    "folded-thoughts-without-end": lambda n: [
        generating("<details><summary>Thinking</summary>"),
        *edits(1_000 * n, lambda _: ["append", [], "<div>a "]),
    ],
    "cursors-of-whole-texts": lambda n: [
        generating("x" * 2_000 * n + "▌"),
        *[
            generating([["replace", [], "x" * 2_000 * n + "y" * index + "▌"]])
            for index in range(40)
        ],
    ],
    "folded-thoughts-in-elements": lambda n: [
        generating("<details><summary>Thinking</summary>" + "<div>" * (n * MB // 16))
    ],
    "escapes": lambda n: replacing(
        *(
            [["a &lt; b", text * (n * MB // 4 // len(text))]]
            for text in ("&lt;", "<br>", "<pre><code>", "&")
        )
    ),
    "signs-in-one-line": lambda n: [generating([["a", ">" * (n * MB // 64)]])],
    "signs-in-a-piece": lambda n: [
        generating([["a &lt; b", "a"]]),
        *edits(1, lambda _: ["append", [0, 1], "&" * (n * MB // 2)]),
    ],
    "fences": lambda n: [generating([["a", "```\n" * (n * MB // 8)]])],
    "fields": lambda n: [generating({f"a{index}": 1 for index in range(30_000 * n)})],
    "numbers": lambda n: [generating(b"[" + b"1," * 150_000 * n + b"1]")],
    "parts-within-lists": lambda n: [
        generating(b'{"text":' + b"[" * 20 + b",".join([b'"x"'] * 500 * n) + b"]" * 20 + b"}"),
        *edits(20, lambda _: ["add", ["more"], 0]),
    ],
    "files": lambda n: replacing(
        *([["u", {"files": [{"path": f"/{index}", "url": "/x"}] * 200 * n}]] for index in range(5))
    ),
    "a-file-with-a-long-path": lambda n: [
        generating({"path": "é" * (n * MB // 8), "url": "../" * (n * MB // 8), "meta": {}})
    ],
    "a-reason-of-quotes": lambda n: [failed("'" + "(" * 100_000 * n + "'")],
    "a-reason-of-escapes": lambda n: [failed("'" + "\\n" * 100_000 * n + "'")],
    "a-reason-of-tags": lambda n: [failed("GPU quota" + "<a" * 100_000 * n)],
    "notices-of-lists": lambda n: [
        b'data: {"msg":"log","event_id":"e","log":[%b1.5]}\n\n' % (b"1.5," * 100_000 * n)
    ],
    "lines": lambda n: [b"data: x\n" * 100_000 * n],
    "comments": lambda n: [b": x\n" * 100_000 * n],
    "a-long-comment": lambda n: [b":" + b"x" * (n * MB // 2)],
}


def cost(messages: list[bytes]) -> tuple[float, float]:
    """Return the CPU seconds of a stream, and the longest without a turn."""
    gc.collect()
    start = time.process_time()
    _, longest = follow(messages)
    return time.process_time() - start, longest


@pytest.fixture
def small_heap() -> None:
    """Keep the collector from all that earlier tests have left, which takes it a while."""
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_bytes_cost_four_times_the_time_and_leave_turns(name: str) -> None:
    one, four = HOSTILE[name](1), HOSTILE[name](4)
    small = large = longest = math.inf
    for _ in range(8):  # the least of several runs, as others use the machine too
        small = min(small, cost(one)[0])
        large, longest = map(min, (large, longest), cost(four))
        # Quadratic would be 16 times; a time too short to measure is linear.
        if is_linear := large < 9 * max(small, 0.004) and longest < 0.05 * _slowness():
            break

    assert is_linear, (small, large, longest)


def _slowness() -> float:
    """Return how much slower this machine is now than a quiet one, for a figure to be fair."""
    start = time.process_time()
    sum(range(1_000_000))
    return max((time.process_time() - start) / 0.02, 1.0)


@pytest.mark.parametrize(
    ("name", "most"), [("long-text", 6), ("long-piece", 6), ("many-rows", 20), ("lines", 6)]
)
def test_memory_is_a_few_times_the_bytes(name: str, most: float) -> None:
    messages = HOSTILE[name](4)
    tracemalloc.start()
    try:
        follow(messages)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < most * sum(map(len, messages))


def test_a_list_of_nothing_is_an_error_before_it_takes_memory() -> None:
    message = generating(b"[" + b",".join([b"[]"] * 2_000_000) + b"]")
    tracemalloc.start()
    try:
        job, _ = follow([message])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert job.done
    assert peak < 5 * len(message)


def test_edits_that_are_too_much_work_to_show_at_once_are_shown_in_the_end() -> None:
    rows = [{"role": "user", "content": "u"}, *[ROW] * 4_000]
    job = Job("e", 0, "sse_v3")
    for message in [generating(rows), *edits(50, lambda at: ["replace", [1, "content"], f"{at}"])]:
        for _ in job.receive(message):
            pass
    rows[1] = {"role": "assistant", "content": "49"}
    last = {
        "msg": "process_completed",
        "event_id": "e",
        "success": True,
        "output": {"data": [rows]},
    }

    events = [*job.receive(b"data: " + json.dumps(last).encode() + b"\n\n")]

    assert job.text.startswith("49\n\n")
    assert [each for each in events if each is not None][-1].text == job.text
