"""Finds the functions that start an app's backend when somebody opens its page.

    demo.load(start_engine, None, status)
    demo.load(connect)

Nothing that they give is an input of the chat, so a chat could do without them; but until a page
is opened, the app may answer that it is not ready.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from qwen_space.gradio.page.app import CHATS, TEXTS, AppFunction

__all__ = ["WORKS", "find_loads", "find_opening"]

_WORDS = frozenset({*TEXTS, "html", "label", "markdown"})
WORKS = frozenset(
    {
        *CHATS,
        "annotatedimage",
        "audio",
        "dataframe",
        "downloadbutton",
        "file",
        "gallery",
        "image",
        "imageeditor",
        "imageslider",
        "model3d",
        "plot",
        "video",
    }
)
"""Those are made, not told: an example picture, a chart, or the model's first message."""


_MOST = 20  # that are run


def find_opening(loading: Iterable[AppFunction], needed: Collection[Any] = ()) -> list[AppFunction]:
    """Return the functions that may start a backend: those that give no more than words, if at all.

    One that yields may never end, as a clock or a log, so it is none of them. Nor is one that fills
    a list of models or of files, which the chat takes if it needs it.

    Args:
        loading: The functions that the page runs as it loads.
        needed: The numbers of those that a chat needs in any case.
    """
    return [
        each
        for each in find_loads(loading, needed)
        if _tells_only({part.kind for part in each.outputs})
    ][:_MOST]


def find_loads(loading: Iterable[AppFunction], needed: Collection[Any] = ()) -> list[AppFunction]:
    """Return all functions that a page runs as it is opened, but those that may never end.

    They may make something for the session, whatever they show: `request.session_hash` is its key.

    Args:
        loading: The functions that the page runs as it loads.
        needed: The numbers of those that a chat needs in any case.
    """
    return [
        each
        for each in loading
        if each.runs and not each.streams and each.renders is None and each.id not in needed
    ][:_MOST]


def _tells_only(kinds: Collection[str]) -> bool:
    """Whether outputs of these kinds may tell how a backend is, and are no work of its."""
    return not kinds or (not _WORDS.isdisjoint(kinds) and WORKS.isdisjoint(kinds))
