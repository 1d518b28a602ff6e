"""Lines that name the thing a command waits for."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator

__all__ = ["waiting"]

_INTERVAL = 10.0  # seconds


@contextlib.contextmanager
def waiting(for_: str, say: Callable[[str], None] = print) -> Iterator[Callable[[], None]]:
    """Name the thing that is waited for at once, and again every ten seconds, while inside.

    Args:
        for_: The thing, as the end of the sentence "Wait for".
        say: Prints a line.

    Yields:
        A function that ends the wait before the block does.
    """
    over = threading.Event()

    def remind() -> None:
        for count in itertools.count(1):
            if over.wait(_INTERVAL):
                return
            say(f"Wait      {count * _INTERVAL:.0f} s so far for {for_}")

    say(f"Wait      for {for_}")
    threading.Thread(target=remind, daemon=True).start()
    try:
        yield over.set
    finally:
        over.set()
