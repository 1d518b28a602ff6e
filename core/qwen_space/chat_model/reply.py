"""The whole reply to a call of a chat model, and the events that lead to it."""

from __future__ import annotations

from typing import Any

import msgspec

from qwen_space.events import (
    ComponentReceived,
    FileReceived,
    Notice,
    Queued,
    ReplyComponent,
    ReplyFile,
    Rewritten,
    SpaceFailure,
    Started,
    TextDelta,
    ThinkingDelta,
    Uploading,
)
from qwen_space.tokens import Usage
from qwen_space.tools import ArgumentsDelta, CallStarted, InvalidCall, ToolCall

__all__ = ["CallEvent", "ChatReply", "Part", "StatusEvent", "Thought"]

StatusEvent = Queued | Started | Notice | Uploading | FileReceived | ComponentReceived


class Thought(msgspec.Struct, frozen=True):
    """Thoughts of the model.

    Attributes:
        text: The thought; a further one begins with a blank line.
    """

    text: str


Part = str | Thought | ToolCall | InvalidCall


class ChatReply(msgspec.Struct, frozen=True):
    """The whole reply to a call. Always the last event.

    Attributes:
        text: All text outside of tool calls.
        thinking: The model's thoughts, joined by a blank line.
        parts: The thoughts, texts, tool calls and invalid calls, in the order in which they came.
        finish_reason: "stop", "stop_sequence" or "length"; "tool_calls" where there are calls, and
            "error" where one of them is invalid.
        duration: Seconds from the request to the end, of both replies where there were two.
        usage: The tokens that the replies took together.
        event_id: The last job's id on the server.
        model: The name of the model that the app was asked to run; None if it has no choice.
        asked_again: Whether the first reply was refused, and the model asked once more.
        problem: Why the reply is of no use, as a sentence: its only calls are invalid, or it is
            empty where tools are bound, or it is not the JSON that was asked for. Empty for any
            other reply.
        queued: The first place in the queue; None if there was none.
        waited: Seconds from there until the app began; None if it did not say so.
        changed: Which of "text", "thinking" and "calls" are not those that the stream's events
            add up to, as the app changed something that was handed out. Deltas cannot take it
            back.
        space: Which of several Spaces answered, as it was given; None where there is one only.
        failures: The Spaces that were asked before it, in order.
        files: The pictures and files in the reply, in order.
        components: The components in it that are neither text nor files, such as a plot.
    """

    text: str
    thinking: str
    parts: tuple[Part, ...]
    finish_reason: str
    duration: float
    usage: Usage
    event_id: str | None = None
    model: str | None = None
    asked_again: bool = False
    problem: str = ""
    queued: Queued | None = None
    waited: float | None = None
    changed: frozenset[str] = frozenset()
    space: str | None = None
    failures: tuple[SpaceFailure, ...] = ()
    files: tuple[ReplyFile, ...] = ()
    components: tuple[ReplyComponent, ...] = ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def explained_text(self) -> str:
        """The text, and the problem on a line behind it, for callers that know only texts.

        They would take one without a call for the model's answer.
        """
        gap = "\n" if self.problem and self.text and not self.text.endswith("\n") else ""
        return f"{self.text}{gap}{self.problem}"

    @property
    def beside(self) -> dict[str, Any]:
        """The components for metadata: kinds, labels and short values; empty without any."""
        named = [each.summary for each in self.components]
        return {"components": named} if named else {}

    @property
    def invalid(self) -> tuple[InvalidCall, ...]:
        """The invalid tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, InvalidCall))


CallEvent = (
    StatusEvent
    | ThinkingDelta
    | TextDelta
    | Rewritten
    | CallStarted
    | ArgumentsDelta
    | ToolCall
    | InvalidCall
    | ChatReply
)
