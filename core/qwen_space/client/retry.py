"""Steps that are taken again after an error that passes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from qwen_space.client.deadline import Deadline
from qwen_space.errors import (
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)

__all__ = ["is_refusal", "is_transient", "retrying", "was_never_sent"]

logger = logging.getLogger("qwen_space.client")

T = TypeVar("T")

FIRST_PAUSE = 0.25  # seconds
LONGEST_PAUSE = 10.0  # a server that wants a longer one gets none: the caller is told at once


async def retrying(
    step: Callable[[], Awaitable[T]],
    again: Callable[[QwenSpaceError], bool],
    max_retries: int,
    deadline: Deadline,
) -> T:
    """Take a step, and take it again while the error is one of those that `again` knows.

    The pause before the next try is as long as the server asks (`Retry-After`), and at least one
    that doubles with each try. Where it would not end within the time that is left, the error is
    raised instead, which has all `tries`.

    Raises:
        QwenSpaceError: The last try failed, or another makes no sense.
    """
    tries: list[str] = []
    while True:
        try:
            return await step()
        except QwenSpaceError as exc:
            tries.append(_in_brief(exc))
            if len(tries) > 1:
                exc.tries = tuple(tries)
            pause = _pause(exc, len(tries))
            is_last = len(tries) > max_retries or not getattr(exc, "retryable", True)
            if (
                is_last
                or not again(exc)
                or pause > min(LONGEST_PAUSE, deadline.remaining or LONGEST_PAUSE)
            ):
                raise
            logger.debug("try %d failed, the next in %.2f seconds: %s", len(tries), pause, exc)
        await asyncio.sleep(pause)


def _pause(exc: QwenSpaceError, tries: int) -> float:
    """Return the seconds to wait for the next try."""
    backoff = min(FIRST_PAUSE * 2.0 ** min(tries - 1, 10), LONGEST_PAUSE)
    wanted: float | None = getattr(exc, "retry_after", None)
    return max(backoff * random.uniform(0.5, 1), wanted or 0)  # noqa: S311


def _in_brief(exc: QwenSpaceError) -> str:
    match exc:
        case SpaceStatusError(status=status) | SpaceUnavailableError(status=int(status)):
            return f"HTTP {status}"
        case QuotaError():
            return "HTTP 429"
        case SpaceTimeoutError(limit=limit, seconds=seconds):
            return f"{limit} limit of {seconds:g} seconds"
        case SpaceUnreachableError(reason=reason) | StreamInterruptedError(reason=reason):
            return reason
        case SpaceUnavailableError(detail=detail):
            return detail.rstrip(". ")
    return type(exc).__name__


def is_transient(exc: QwenSpaceError) -> bool:
    """Whether a request that changes nothing is worth another try."""
    return is_refusal(exc) or was_never_sent(exc) or isinstance(exc, StreamInterruptedError)


def is_refusal(exc: QwenSpaceError) -> bool:
    """Whether the server refused the request, and may take it the next time.

    Not a rate limit of unknown length: to knock at once again is what it is there against.
    """
    is_timed = isinstance(exc, QuotaError) and exc.retry_after is not None
    return is_timed or isinstance(exc, SpaceUnavailableError)


def was_never_sent(exc: QwenSpaceError) -> bool:
    """Whether a request cannot have arrived, so that it may be sent again."""
    late = isinstance(exc, SpaceTimeoutError) and exc.limit == "connect"
    return late or isinstance(exc, SpaceUnreachableError)
