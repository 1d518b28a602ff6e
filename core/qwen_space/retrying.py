"""Steps that are taken again after an error that passes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from qwen_space import hub
from qwen_space.errors import (
    QuotaError,
    QwenSpaceError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)

__all__ = ["is_passing", "retrying", "was_never_sent"]

logger = logging.getLogger("qwen_space.client")

T = TypeVar("T")


async def retrying(
    step: Callable[[], Awaitable[T]], again: Callable[[QwenSpaceError], bool], max_retries: int
) -> T:
    """Take a step, and take it again while the error is one of those that `again` knows."""
    for attempt in range(max_retries):
        pause = 0.25 * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
        try:
            return await step()
        except QwenSpaceError as exc:
            if not again(exc):
                raise
            logger.debug("try %d failed: %s", attempt + 1, exc)
            if isinstance(exc, QuotaError):
                pause = exc.retry_after or pause
        await asyncio.sleep(pause)
    return await step()


def is_passing(exc: QwenSpaceError) -> bool:
    """Whether a request that changes nothing is worth another try."""
    kinds = SpaceUnreachableError, SpaceUnavailableError, StreamInterruptedError
    return isinstance(exc, kinds) or hub.is_short(exc)


def was_never_sent(exc: QwenSpaceError) -> bool:
    """Whether a request cannot have arrived, so that it may be sent again."""
    late = isinstance(exc, SpaceTimeoutError) and exc.limit == "connect"
    return late or isinstance(exc, SpaceUnreachableError)
