"""How the time that something takes grows with its size."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["assert_linear"]

Input = TypeVar("Input")

_MEASURABLE = 0.004  # seconds; a shorter time may be noise


def assert_linear(
    make: Callable[[int], Input], run: Callable[[Input], object], size: int, largest: int
) -> None:
    """Fail unless four times the size takes about four times the CPU time.

    Args:
        make: Returns the input of a size; its own time does not count.
        run: Takes the input, and the time.
        size: The size to begin with. It is doubled until its time can be measured.
        largest: The size at which a time that is too short to measure is linear.
    """
    taken = _least(make, run, size)
    while taken < _MEASURABLE and size < largest:
        size *= 2
        taken = _least(make, run, size)
    small = max(taken, _MEASURABLE)
    large = math.inf
    for _ in range(3):  # the least of several runs, as others use the machine too
        large = min(large, _seconds(make(4 * size), run))
        if large < 9 * small:  # quadratic would be 16 times
            return
    raise AssertionError(f"{size} took {small:.4f} seconds, and {4 * size} {large:.4f}")


def _least(make: Callable[[int], Input], run: Callable[[Input], object], size: int) -> float:
    """Return the least of two runs; a first one that is too short to measure is enough."""
    first = _seconds(make(size), run)
    return first if first < _MEASURABLE else min(first, _seconds(make(size), run))


def _seconds(given: Input, run: Callable[[Input], object]) -> float:
    start = time.process_time()
    run(given)
    return time.process_time() - start
