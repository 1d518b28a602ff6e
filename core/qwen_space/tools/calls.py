"""Tool calls and the other parts of a reply, and a call's text as Qwen2.5 writes it."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from qwen_space.chat.json_text import JSONTextError, read_json

__all__ = [
    "ArgumentsDelta",
    "CallStarted",
    "InvalidCall",
    "ParsedReply",
    "ReplyPart",
    "TextPart",
    "ToolCall",
    "call_text",
    "given_call",
    "new_call_id",
    "parsed_object",
    "to_json",
]


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool.

    Attributes:
        name: The tool's name.
        arguments: Its arguments. A string that holds a JSON object is as good as the object.
        id: The call id, which a result refers to.
        index: Its place among the calls of a reply, the invalid ones included; from 0.
        text: The arguments as JSON, as the model wrote them; for a call in another order or form
            than Qwen's own, or with a value that the schema does not take, as `json.dumps` writes
            them. Empty for a call that was not read from a reply.
    """

    name: str
    arguments: Mapping[str, Any] | str
    id: str = ""
    index: int = 0
    text: str = ""


def given_call(given: Mapping[str, Any]) -> ToolCall:
    """Return a call of a chat's message, in the form of any provider.

    Raises:
        ValueError: It has no name.
    """
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"A tool call has no name: {reprlib.repr(dict(given))}. Give it one, or leave it out."
        )
    arguments = (given[key] for key in ("args", "input", "arguments") if given.get(key))
    return ToolCall(name, next(arguments, {}), given.get("id") or "")


class InvalidCall(msgspec.Struct, frozen=True):
    """An invalid call: cut off, or not in a call's form.

    Attributes:
        text: The model's text, without the tags.
        reason: The fault, as a sentence without its full stop.
        id: The call id.
        index: Its place among the calls of a reply, the valid ones included; from 0.
        name: The tool's name, if that much could be read.
    """

    text: str
    reason: str
    id: str = ""
    index: int = 0
    name: str | None = None


class TextPart(msgspec.Struct, frozen=True):
    """Text that is no part of a call.

    Attributes:
        delta: The new text.
    """

    delta: str


class CallStarted(msgspec.Struct, frozen=True):
    """A call has begun, and its name is known.

    Attributes:
        index: Its place among the calls of the reply.
        id: The call id.
        name: The tool's name.
    """

    index: int
    id: str
    name: str


class ArgumentsDelta(msgspec.Struct, frozen=True):
    """A piece of a call's arguments, as JSON. All of them together are `ToolCall.text`.

    They are not where a value is read by the tool's schema, once it is complete. The call may
    still turn out to be invalid: act on `ToolCall` alone.

    Attributes:
        index: The call's place among the calls of the reply.
        delta: The new piece.
    """

    index: int
    delta: str


ReplyPart = TextPart | CallStarted | ArgumentsDelta | ToolCall | InvalidCall


class ParsedReply(msgspec.Struct, frozen=True):
    """A whole reply.

    Attributes:
        text: All text outside of calls.
        calls: The calls, in order.
        invalid: The invalid calls, in order.
        parts: The texts, calls and invalid calls in the order in which they came.
    """

    text: str
    calls: tuple[ToolCall, ...]
    invalid: tuple[InvalidCall, ...]
    parts: tuple[str | ToolCall | InvalidCall, ...]

    @classmethod
    def from_parts(cls, parts: Iterable[str | ToolCall | InvalidCall]) -> ParsedReply:
        """Join the texts, and sort the calls from the invalid ones."""
        parts = tuple(parts)
        return cls(
            text="".join(part for part in parts if isinstance(part, str)),
            calls=tuple(part for part in parts if isinstance(part, ToolCall)),
            invalid=tuple(part for part in parts if isinstance(part, InvalidCall)),
            parts=parts,
        )


def to_json(value: Any) -> str:
    """Return a value as JSON as Qwen's chat template writes it; other values by their `str`."""
    return json.dumps(value, ensure_ascii=False, default=str)


def call_text(call: ToolCall | InvalidCall) -> str:
    """Return a call as Qwen2.5's chat template renders it; an invalid one as it was written."""
    if isinstance(call, InvalidCall):
        return f"<tool_call>\n{call.text}\n</tool_call>"
    arguments = call.arguments
    if isinstance(arguments, str):
        # Servers of OpenAI's protocol turn such a string into its object before the template.
        held = parsed_object(arguments)
        arguments = arguments if held is None else held
    else:
        arguments = dict(arguments)
    body = f'{{"name": "{call.name}", "arguments": {to_json(arguments)}}}'
    return f"<tool_call>\n{body}\n</tool_call>"


def parsed_object(text: str) -> dict[str, Any] | None:
    """Return the object that a text is the JSON of; None for anything else."""
    try:
        value = read_json(text)
    except JSONTextError:
        return None
    return value if isinstance(value, dict) else None


def new_call_id() -> str:
    """Return a fresh call id, `call_` and 24 hexadecimal digits; Qwen itself gives none."""
    return f"call_{os.urandom(12).hex()}"  # not `random`, whose state a fork copies
