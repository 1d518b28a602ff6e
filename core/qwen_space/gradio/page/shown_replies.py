"""Tells whether a step of a page gives the answer, or a text that comes before it, as a plan."""

from __future__ import annotations

from typing import Any

from qwen_space.gradio.page.app import CHATS, TEXTS, AppFunction
from qwen_space.gradio.page.outputs import (
    find_output,
    may_follow_plan,
    says_answer,
    says_plan,
    strangeness,
)

__all__ = ["ShownReplies"]

# The doubt that a component shows the answer. A text that its function takes, too, may be the box
# of the prompt, which it clears.
_SURE, _LIKELY, _PLAN, _STRANGE, _OWN, _NO_REPLY = range(6)


class ShownReplies:
    """The components in which the steps of a page show a reply.

    Attributes:
        streams: Whether the last step streams a text that is likely the answer: then only one
            whose label says so comes after it, as others may tidy it, or put it into a chat.
    """

    def __init__(self) -> None:
        self.streams = False
        self._doubts: dict[Any, int] = {}

    def __bool__(self) -> bool:
        return bool(self._doubts)

    @property
    def is_sure(self) -> bool:
        """Whether one of them is surely the answer."""
        return self._doubt == _SURE

    @property
    def is_likely(self) -> bool:
        """Whether one of them is likely the answer."""
        return self._doubt <= _LIKELY

    @property
    def _doubt(self) -> int:
        return min(self._doubts.values(), default=_NO_REPLY)

    def add(self, function: AppFunction) -> None:
        """Take the component in which a step shows a reply, if it does."""
        self._doubts.update(_find_shown(function))

    def may_go_on(self, function: AppFunction) -> bool:
        """Whether a step shows a chat, a surer reply, or one of them once more.

        One that was shown may be the message at first.
        """
        found = _find_shown(function)
        if self.streams:
            others = [each for each in function.outputs if each.kind not in CHATS]
            return any(each.id in found and says_answer(each) for each in others)
        if any(each.kind in CHATS for each in function.outputs):
            return True
        if any(self._doubts.get(part, _OWN) < _OWN for part in found):
            return True
        surer = {part for part, doubt in found.items() if doubt < self._doubt}
        is_plan = self._doubt == _PLAN
        return any(
            each.id in surer and (may_follow_plan(each) or not is_plan) for each in function.outputs
        )


def _find_shown(function: AppFunction) -> dict[Any, int]:
    """Return the component in which a function shows a reply, and the doubt about it."""
    output = find_output(function)
    if output is None:
        return {}
    shown = function.outputs[output]
    is_own = shown.kind in TEXTS and any(each.id == shown.id for each in function.inputs)
    if is_own and not function.streams:
        return {shown.id: _OWN}
    if strangeness(shown) == 2:  # the sources, a status
        return {shown.id: _STRANGE}
    if says_plan(shown):
        return {shown.id: _PLAN}
    is_sure = shown.kind in CHATS or shown.label is None or says_answer(shown)
    return {shown.id: _SURE if is_sure else _LIKELY}
