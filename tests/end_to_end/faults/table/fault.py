"""A fault, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qwen_space import ProtocolError, QwenSpaceError, StreamInterruptedError, Timeouts
from tests.end_to_end.faults.acts import GRADIO, JOINED, REPLY
from tests.end_to_end.faults.script import END, Script, sse


@dataclass(frozen=True)
class Text:
    """The reply is complete.

    Attributes:
        text: The text.
        added: The text of a stream that can only add; None is the same text.
    """

    text: str
    added: str | None = None


@dataclass(frozen=True)
class Fails:
    """An error is raised.

    Attributes:
        error: Its exact class in the core.
        text: The part of the reply that had arrived; None where that depends.
        says: Words of its message.
    """

    error: type[QwenSpaceError]
    text: str | None = ""
    says: str = ""


PATIENT = Timeouts(connect=20, first_token=20, silence=20)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: The fault.
        outcome: The outcome for every caller.
        config: The answer to `/config`.
        join: The answer to `/queue/join`.
        data: The answer to `/queue/data`.
        again: Its next answer, as where a job is given up; None for the same.
        others: The answers to further paths.
        prompts: How often the server got the prompt.
        streams: How often the session's stream was asked for; more than once where a job is given
            up by that, as its own stream had not opened. None is for "it depends".
        limits: The time limits.
        options: Further options of the client.
        at_once: How many callers may meet with it at once; fewer where it is large.
    """

    name: str
    outcome: Text | Fails
    config: Script = (GRADIO,)
    join: Script = (JOINED,)
    data: Script = field(default_factory=lambda: sse(*REPLY, END))
    again: Script | None = None
    others: dict[str, Script] = field(default_factory=dict)
    prompts: int = 1
    streams: int | None = 1
    limits: Timeouts = PATIENT
    options: dict[str, Any] = field(default_factory=dict)
    at_once: int = 12


def cut(text: str | None = "", says: str = "") -> Fails:
    return Fails(StreamInterruptedError, text, says)


def bad(text: str | None = "", says: str = "") -> Fails:
    return Fails(ProtocolError, text, says)
