"""Finds Spaces: those that the hub lists are looked at, a few at a time."""

from __future__ import annotations

import asyncio
import logging
import time

from qwen_space.chat_model.bridge import run_sync
from qwen_space.client import SpaceClient
from qwen_space.config import SpaceConfig, Timeouts, default_hub
from qwen_space.errors import QwenSpaceError
from qwen_space.find.found import FoundSpace, describe_inputs
from qwen_space.find.hub import Candidate, Query, list_candidates

__all__ = ["DEFAULT_WORDS", "afind_spaces", "find_spaces"]

logger = logging.getLogger("qwen_space.find")

DEFAULT_WORDS = "qwen2.5"

_AT_ONCE = 8  # Spaces that are looked at
_LIMITS = Timeouts(connect=5.0, silence=8.0, total=12.0, wake=0.001)


async def afind_spaces(
    words: str = DEFAULT_WORDS,
    *,
    limit: int = 10,
    hardware: str | None = None,
    min_likes: int = 0,
    token: str | None = None,
    hub: str | None = None,
    seconds: float = 60.0,
) -> list[FoundSpace]:
    """Return Spaces that run and that a chat can use, those with the most likes first.

    The hub lists Gradio apps by their name. Each that runs is asked for its `/config` and the
    length of its queue, eight at a time, until so many are found. None is woken up, and no prompt
    is sent.

    Args:
        words: Words of their names; empty for any name.
        limit: How many to return at most.
        hardware: The machine that they have to run on, such as "zero-a10g"; None is any.
        min_likes: How many people have to like them.
        token: A token for the hub and for private Spaces; None takes the one that the hub's own
            client has stored, for the hub alone.
        hub: The hub's address; None is that of `HF_ENDPOINT`, or the public one.
        seconds: How long to look. The Spaces that were found until then are returned.

    Raises:
        ImportError: The extra `find` is not installed.
        ValueError: An argument cannot be right.
        QwenSpaceError: The hub cannot be reached, refuses, or does not answer in time.
    """
    if limit < 1:
        raise ValueError(f"limit={limit!r}: 1 or more.")
    if not seconds > 0:
        raise ValueError(f"seconds={seconds!r}: above 0.")
    query = Query(
        words=words.strip(),
        hub=SpaceConfig(hub=hub or default_hub()).hub,
        token=token,
        hardware=hardware,
        min_likes=min_likes,
        seconds=seconds,
    )
    deadline = time.monotonic() + seconds
    candidates = await list_candidates(query)
    found: list[FoundSpace] = []
    for start in range(0, len(candidates), _AT_ONCE):
        left = deadline - time.monotonic()
        if len(found) >= limit or left <= 0:
            break
        found += await _look_at(candidates[start : start + _AT_ONCE], query, left)
    return found[:limit]


def find_spaces(
    words: str = DEFAULT_WORDS,
    *,
    limit: int = 10,
    hardware: str | None = None,
    min_likes: int = 0,
    token: str | None = None,
    hub: str | None = None,
    seconds: float = 60.0,
) -> list[FoundSpace]:
    """Do as `afind_spaces`, for blocking callers."""
    return run_sync(
        lambda: afind_spaces(
            words,
            limit=limit,
            hardware=hardware,
            min_likes=min_likes,
            token=token,
            hub=hub,
            seconds=seconds,
        )
    )


async def _look_at(candidates: list[Candidate], query: Query, seconds: float) -> list[FoundSpace]:
    """Look at some Spaces at the same time; return those that a chat can use."""
    looks = [asyncio.create_task(_look(each, query)) for each in candidates]
    try:
        await asyncio.wait(looks, timeout=seconds)
    finally:
        for task in looks:
            task.cancel()
    found = await asyncio.gather(*looks, return_exceptions=True)
    return [each for each in found if isinstance(each, FoundSpace)]


async def _look(candidate: Candidate, query: Query) -> FoundSpace | None:
    """Look at a Space; None if no chat can use it."""
    config = SpaceConfig(
        space=_address(candidate),
        hub=query.hub,
        hf_token=query.token if candidate.is_private else None,
        timeouts=_LIMITS,
        max_retries=0,
    )
    start = time.monotonic()
    try:
        async with SpaceClient.from_config(config) as client:
            endpoint = await client.endpoint()
            seconds = time.monotonic() - start
            if client.found is None:  # the table of known Spaces says so, and not the app
                return None
            queue = await _queue_size(client)
    except QwenSpaceError as exc:
        logger.debug("%s is of no use to a chat: %s", candidate.space, exc)
        return None
    return FoundSpace(
        space=candidate.space,
        url=client.config.url,
        likes=candidate.likes,
        hardware=candidate.hardware,
        models=endpoint.models or candidate.models,
        takes=describe_inputs(endpoint),
        queue=queue,
        seconds=seconds,
    )


def _address(candidate: Candidate) -> str:
    """Return the id, or the address of an app that the hub keeps elsewhere."""
    usual = SpaceConfig(space=candidate.space).url
    return candidate.space if candidate.url in {None, usual} else str(candidate.url)


async def _queue_size(client: SpaceClient) -> int | None:
    try:
        return await client.queue_size()
    except QwenSpaceError as exc:
        logger.debug("%s does not tell its queue: %s", client, exc)
        return None
