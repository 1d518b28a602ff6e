"""Chats whose rows from before the message change while the app replies."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.reply.deltas import ChatValue


def said(*texts: str) -> list[dict[str, Any]]:
    """Return messages: those that end with a question mark are the user's."""
    roles = ("user" if each.endswith("?") else "assistant" for each in texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]


BEFORE = said("One?", "1", "Two?", "2")


@pytest.mark.parametrize(
    ("before", "first", "last", "text"),
    [
        pytest.param(
            BEFORE[:2],
            [*BEFORE[:2], *said("Hi?")],
            said("Hi?", "Hello"),
            "Hello",
            id="the-app-s-own-history",
        ),
        pytest.param(
            BEFORE[:2],
            [*BEFORE[:2], *said("Hi?")],
            said("Hi?", "Part one", "Part two"),
            "Part one\n\nPart two",
            id="of-as-many-rows",
        ),
        pytest.param(
            BEFORE,
            [*BEFORE, *said("Hi?", "...")],
            [*BEFORE[2:], *said("Hi?", "Hello")],
            "Hello",
            id="a-trimmed-history",
        ),
        pytest.param(
            [["One?", "1"], ["Two?", "2"]],
            [["One?", "1"], ["Two?", "2"], ["Hi?", None]],
            [["Hi?", "Hello"]],
            "Hello",
            id="pairs",
        ),
        pytest.param(
            BEFORE,
            BEFORE,
            [*BEFORE, *said("Load a file.")],
            "Load a file.",
            id="no-new-row-at-first",
        ),
        pytest.param(
            BEFORE,
            [*said("Hi?"), *BEFORE],
            [*said("Hi?", "Hello"), *BEFORE],
            "Hello",
            id="the-newest-first",
        ),
        pytest.param(
            said("Hello! Ask me."),
            said("Hi?", "Hello!"),
            said("Hi?", "Hello! Ask me."),
            "Hello! Ask me.",
            id="a-reply-like-the-greeting",
        ),
    ],
)
@pytest.mark.parametrize("by_edits", [False, True], ids=["whole", "by-edits"])
def test_a_chat_that_gets_shorter_keeps_its_reply(
    before: Any, first: Any, last: Any, text: str, *, by_edits: bool
) -> None:
    value = ChatValue("Hi?", before=before)
    events = value.replace([*first])
    if by_edits:
        value.begin_edits(100_000)
        changed = [["replace", [at], row] for at, row in enumerate(last[: len(first)])]
        added = [["add", [at], row] for at, row in enumerate(last) if at >= len(first)]
        cut = [["delete", [at], None] for at in range(len(last), len(first))]
        value.edit([*changed, *added, *cut])
        events += value.end_edits()
        assert value.text == text
    events += value.replace([*last], is_final=True)

    shown = ""
    for event in events:
        assert isinstance(event, (TextDelta, Rewritten))
        shown = event.text if isinstance(event, Rewritten) else shown + event.delta
    assert shown == value.text == text
