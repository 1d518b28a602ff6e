"""The text, thoughts and calls that the caller of a chat model was given, for good."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from qwen_space.chat.common_start import common_start
from qwen_space.chat_model.reply import CallEvent, ChatReply, Part, Thought
from qwen_space.events import Rewritten, TextDelta, ThinkingDelta
from qwen_space.tools import ArgumentsDelta, CallStarted, InvalidCall, ReplyPart, TextPart, ToolCall

__all__ = ["HandedOut"]


class HandedOut:
    """The text and calls that a caller was given, for good.

    Attributes:
        calls: The calls that are complete.
    """

    def __init__(self) -> None:
        self.calls: list[ToolCall | InvalidCall] = []
        self._texts: list[str] = []
        self._standing = self._texts  # the texts' part that the app has not changed since
        self._thoughts: list[str] = []
        self._parts: list[Part] = []
        self._counted = 0  # how many of the texts are in the parts
        self._gap = ""  # before the next thought
        self._first = 0  # index of this reply's first call
        self._next = 0  # index after that of the last call whose arguments were given
        self._open: int | None = None  # the call whose arguments are being given
        self._arguments: list[str] = []  # so far
        self._torn = False  # whether some were given of a call that is none, or another

    @property
    def text(self) -> str:
        """The text as it stands."""
        return "".join(self._standing)

    @property
    def parts(self) -> list[Part]:
        """The thoughts, texts and calls in the order in which they were given."""
        if text := "".join(self._texts[self._counted :]):
            self._parts.append(text)
        self._counted = len(self._texts)
        return self._parts

    def begin_reply(self) -> None:
        """Begin with the second reply to the same call."""
        self.tear()
        self._gap = "\n\n" if self._thoughts else ""
        self._first = self._next

    def add_text(self, delta: str) -> None:
        """Add text to the end."""
        self._texts.append(delta)
        if self._standing is not self._texts:
            self._standing.append(delta)

    def replace_text(self, event: Rewritten) -> None:
        """Take the text that the app put in place of the one so far."""
        self._texts.append(event.delta)
        self._standing = [event.text]

    def keep_common(self, text: str) -> list[CallEvent]:
        """Keep the start in common with another text; return an event if that is shorter."""
        given = self.text
        common = given[: common_start(given, text)]
        if common == given:
            return []
        self._standing = [common]
        return [Rewritten(common)]

    def think(self, event: ThinkingDelta) -> ThinkingDelta:
        """Take a thought; return it with a blank line before it where one has to be."""
        if self._gap:
            event, self._gap = ThinkingDelta(self._gap + event.delta), ""
        self._thoughts.append(event.delta)
        self.parts.append(Thought(event.delta))
        return event

    def give(self, part: ReplyPart) -> CallEvent:
        """Give a part of a reply; return it as an event."""
        if isinstance(part, TextPart):
            self.add_text(part.delta)
            return TextDelta(part.delta, self._standing, len(self._standing))
        if isinstance(part, CallStarted):
            self.tear()
            self._open, self._arguments = part.index, []
            self._next = self._first + part.index + 1
        elif isinstance(part, ArgumentsDelta):
            self._arguments.append(part.delta)
        elif isinstance(part, (ToolCall, InvalidCall)):
            if isinstance(part, ToolCall) and part.index == self._open:
                self._torn |= "".join(self._arguments) != part.text
                self._open = None
            self.calls.append(part)
            self.parts.append(part)
        return replace(part, index=self._first + part.index) if self._first else part

    def tear(self) -> None:
        """Note that a call, whose arguments are being given, does not become complete."""
        self._torn |= self._open is not None
        self._open = None

    def changed(self, reply: ChatReply) -> frozenset[str]:
        """Return the parts of a whole reply that differ from those handed out."""
        self.tear()
        calls = [part for part in reply.parts if isinstance(part, (ToolCall, InvalidCall))]
        differences = {
            "text": reply.text != "".join(self._texts),
            "thinking": reply.thinking != "".join(self._thoughts),
            "calls": self._torn or _contents(calls) != _contents(self.calls),
        }
        return frozenset(name for name, differs in differences.items() if differs)


def _contents(calls: Iterable[ToolCall | InvalidCall]) -> list[tuple[str | None, object]]:
    """Return calls without their ids and places."""
    return [
        (call.name, call.arguments if isinstance(call, ToolCall) else call.text) for call in calls
    ]
