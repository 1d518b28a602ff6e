"""The place of each media of a chat among the inputs of an endpoint and of its uploads.

A page has a function of its own for an upload, or several, which put the file into the chat or
into a state. Some have a button for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from qwen_space.chat.media import Media
from qwen_space.gradio.page.endpoint import Endpoint, Input
from qwen_space.gradio.page.media_inputs import MEDIA_KINDS

__all__ = ["find_repeated", "find_uploads", "has_room", "place_media"]


def find_uploads(endpoint: Endpoint) -> tuple[tuple[Endpoint, ...], ...]:
    """Return the steps before an endpoint that an upload starts, or a button, each with its own."""
    steps = [step for step in endpoint.before if step.phase == "upload"]
    groups = groupby(steps, key=lambda step: step.trigger_id)
    return tuple(tuple(group) for _, group in groups)


def find_repeated(steps: Sequence[Endpoint]) -> frozenset[Any]:
    """Return the key of an input whose files are uploaded one after the other, or none.

    A button's steps, and several that an upload starts, may put a file in the place of another.
    """
    first, *others = steps
    keys = (each.key for each in first.inputs if each.component == first.trigger_id)
    return frozenset(() if others else keys)


def place_media(endpoint: Endpoint, media: Iterable[Media]) -> dict[Any, list[Media]]:
    """Return media by the keys of the inputs that take them.

    Raises:
        ValueError: No input takes a media, or each that does has one already.
    """
    placed: dict[Any, list[Media]] = {}
    repeated = {key for steps in find_uploads(endpoint) for key in find_repeated(steps)}
    repeated -= {each.key for each in endpoint.chat_inputs}  # the chat reads one at a time
    slots = [(each, each.slot) for each in endpoint.media_inputs if each.slot is not None]
    for each in media:
        able = [(one, slot) for one, slot in slots if slot.takes(each)]
        free = [
            one
            for one, slot in able
            if one.key not in placed or not slot.is_single or one.key in repeated
        ]
        if not free:
            raise ValueError(_refusal(endpoint, each, [one for one, _ in able]))
        placed.setdefault(free[0].key, []).append(each)
    return placed


def has_room(endpoint: Endpoint, kept: Sequence[Media], media: Sequence[Media]) -> bool:
    """Whether there is a place for media beside others; also where no input takes one at all."""
    if not all(map(endpoint.takes_media, media)):
        return True
    try:
        place_media(endpoint, [*kept, *media])
    except ValueError:
        return False
    return True


def _refusal(endpoint: Endpoint, media: Media, able: Iterable[Input]) -> str:
    names = [repr(each.name) for each in able]
    if names:
        return (
            f"{media.description} cannot be sent: {', '.join(names)} of {endpoint.title} takes one "
            "only. Leave the others out of the chat, or ask about one at a time."
        )
    inputs = endpoint.media_inputs
    offered = [f"{one.name!r} ({one.slot.described})" for one in inputs if one.slot]
    takes = (
        f"the app takes {', '.join(offered)} beside text" if offered else "the app takes text only"
    )
    advice = _advise(endpoint, media)
    return f"A content block of type {media.kind!r} cannot be sent: {takes}. {advice}"


def _advise(endpoint: Endpoint, media: Media) -> str:
    """Return a way on: the role of an input that has none, if one could take it."""
    unused = [each for each in endpoint.inputs if each.role is None]
    for role, kinds in MEDIA_KINDS.items():
        for each in unused if role in {media.kind, "file"} else ():
            if each.kind in kinds:
                return f"If {each.name!r} is for it, say so: roles={{{each.name!r}: {role!r}}}."
    return "Leave it out of the message, or describe it in words."
