"""The chat component's value while it changes, and what grows in it: answer and thoughts."""

from __future__ import annotations

import json
from typing import Any

from qwen_space.events import Rewritten, TextDelta, ThinkingDelta
from qwen_space.gradio.chatbot import Delta, ReplyText, find_reply
from qwen_space.gradio.edits import apply_edits

__all__ = ["ChatValue", "Growing", "ValueEvent"]

ValueEvent = ThinkingDelta | TextDelta | Rewritten


class ChatValue:
    """A chat component's value, and what its changes mean for the caller.

    A piece at the end of the answer, or of the last thought, costs no look at the value, so
    that a long conversation does not cost its length for each token.

    Attributes:
        known: Whether there is a value yet.
    """

    def __init__(self) -> None:
        self.known = False
        self._value: Any = None
        self._answer = Growing(TextDelta)
        self._thoughts = Growing(ThinkingDelta)

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._answer.text

    @property
    def thinking(self) -> str:
        """The thoughts so far."""
        return self._thoughts.text

    def become(self, value: Any) -> list[ValueEvent]:
        """Take a whole new value.

        Raises:
            ProtocolError: It has none of the known shapes.
        """
        self._value, self.known = value, True
        reply = find_reply(value)
        if reply is None:
            self._thoughts.move(None)
            self._answer.move(None)
            return []
        self._thoughts.move(reply.thinking_path)
        self._answer.move(reply.path)
        thought = self._thoughts.become(reply.thinking)
        answer = self._answer.become(reply.text)
        # A rewriting is about the answer: nobody has to take a thought back.
        return [*_some(None if isinstance(thought, Rewritten) else thought), *_some(answer)]

    def size(self) -> int:
        """Return how many characters it takes as JSON, which costs its length."""
        return len(json.dumps(self._value, ensure_ascii=False))

    def growing(self, edits: list[Any]) -> Growing[Any] | None:
        """Return the text to which edits append a piece, if they do nothing else."""
        if len(edits) == 1:
            if self._answer.is_extended_by(edits[0]):
                return self._answer
            if self._thoughts.is_extended_by(edits[0]):
                return self._thoughts
        return None

    def edit(self, edits: list[Any]) -> list[ValueEvent]:
        """Take what changed of the value.

        Raises:
            ProtocolError: The edits do not fit the value.
        """
        if not edits:
            return []
        if (growing := self.growing(edits)) is not None:
            return [growing.append(piece)] if (piece := edits[0][2]) else []
        appended = [*self._answer.edits(), *self._thoughts.edits()]
        return self.become(apply_edits(self._value, [*appended, *edits]))


class Growing(ReplyText[Delta]):
    """A text that ends in a string of the value, to which pieces are appended."""

    _path: list[Any] | None = None  # to the string

    def move(self, path: list[Any] | None) -> None:
        """Take where the string is in a new value, which holds all that was appended."""
        self.settle()
        self._path = path

    def is_extended_by(self, edit: Any) -> bool:
        """Whether an edit appends to the string, and does nothing else."""
        return (
            self._path is not None
            and isinstance(edit, list)
            and len(edit) == 3
            and edit[0] == "append"
            and edit[1] == self._path
            and isinstance(edit[2], str)
        )

    def edits(self) -> list[Any]:
        """Return what brings the value up to date."""
        return [["append", self._path, appended]] if (appended := self.appended) else []


def _some(event: Delta | Rewritten | None) -> list[ValueEvent]:
    return [] if event is None else [event]
