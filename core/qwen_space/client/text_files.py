"""Text files of a chat, as text for an app that does not take them as files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from qwen_space.chat.media import PLACEHOLDER, Media
from qwen_space.chat.messages import Turn, is_text
from qwen_space.gradio.page.endpoint import Endpoint

__all__ = ["inline_text_files"]


async def inline_text_files(endpoint: Endpoint, chat: Sequence[Turn], limit: int) -> list[Turn]:
    """Return a chat with the text of its text files in their places, below their names.

    Args:
        endpoint: The function that answers; a file that it takes stays a file.
        chat: The turns.
        limit: The most bytes of a file that is read.
    """
    if not any(turn.media for turn in chat):
        return [*chat]
    return [await _inline(endpoint, turn, limit) for turn in chat]


async def _inline(endpoint: Endpoint, turn: Turn, limit: int) -> Turn:
    kept: list[Media] = []
    pieces = turn.text.split(PLACEHOLDER, len(turn.media))
    for place, media in enumerate(turn.media):
        text = None if endpoint.chat_takes_media(media) else await _read(media, limit)
        if text is None:
            kept.append(media)
        pieces[place] += PLACEHOLDER if text is None else f"{media.filename}:\n{text}"
    return replace(turn, text="".join(pieces), media=tuple(kept))


async def _read(media: Media, limit: int) -> str | None:
    """Return the text of a text file; None for any other, and for one that cannot be read."""
    if media.url is not None or not _may_be_text(media):
        return None
    try:
        data = media.data if media.path is None else await asyncio.to_thread(_bytes, media, limit)
        return None if data is None or b"\0" in data else data.decode()
    except (OSError, UnicodeDecodeError):
        return None  # the error that follows names the file


def _may_be_text(media: Media) -> bool:
    """Whether a file's type is text, or says little: `x-sh`, or none, as for a Makefile."""
    named = media.content_type
    is_vague = named == "application/octet-stream" or named.startswith("application/x-")
    return is_text(named) or (is_vague and media.kind == "file")


def _bytes(media: Media, limit: int) -> bytes | None:
    assert media.path is not None  # noqa: S101 - asked for only then
    with media.path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None
