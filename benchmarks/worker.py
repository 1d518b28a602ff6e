"""A process that has one client, and reads a reply with it whenever it is told to.

Each client has a process of its own, as one library's objects in memory make another's garbage
collection dearer. They live through the whole run and take turns, so that all of them meet the
same moods of the machine.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from benchmarks.clients import ASYNC, SYNC
from benchmarks.frames import tokens

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Worker"]


class Worker:
    """Another process, and its orders.

    Args:
        case: The client's name in `benchmarks.clients`.
    """

    def __init__(self, case: str) -> None:
        self.case = case
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "benchmarks.worker", case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        self._process.wait()

    def cpu(self, url: str, count: int) -> float:
        """Read the reply of `count` tokens at `url`; return the CPU seconds that it took."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps([url, count]) + "\n")
        self._process.stdin.flush()
        seconds: float = json.loads(self._process.stdout.readline())
        return seconds


def main(case: str) -> None:
    """Obey standard input."""
    if case in SYNC:
        with SYNC[case]() as read:
            for url, count in _told():
                _measured(_expected(case, count), lambda url=url: read(url))
    else:
        asyncio.run(_read_async(case))


async def _read_async(case: str) -> None:
    async with ASYNC[case]() as read:
        for url, count in _told():
            await _ameasured(_expected(case, count), lambda url=url: read(url))


def _told() -> Iterator[tuple[str, int]]:
    for line in sys.stdin:
        url, count = json.loads(line)
        yield url, count


def _expected(case: str, count: int) -> str:
    return "" if case == "floor" else "".join(tokens(count))  # which drops the bytes


def _measured(expected: str, read: Callable[[], str]) -> None:
    gc.collect()
    start = time.process_time()
    text = read()
    _say(time.process_time() - start, text, expected)


async def _ameasured(expected: str, read: Callable[[], Awaitable[str]]) -> None:
    gc.collect()
    start = time.process_time()
    text = await read()
    _say(time.process_time() - start, text, expected)


def _say(seconds: float, text: str, expected: str) -> None:
    if text != expected:
        raise SystemExit(f"not the server's text: {len(text)} characters")
    print(seconds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
