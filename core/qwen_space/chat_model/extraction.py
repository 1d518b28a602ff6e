"""One object out of a model's replies: find it, check it, ask once more with the fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qwen_space.chat.structured import NoJSONError, find_json
from qwen_space.chat.structured import reask as reask_for
from qwen_space.chat_model.arguments import format_validation_error
from qwen_space.chat_model.schema import OutputSchema

__all__ = [
    "MISSING",
    "Extraction",
    "PartialJSON",
    "PartialObject",
    "describe_error",
    "read_partial_json",
]

Value = TypeVar("Value")

MISSING: Any = object()
"""Stands for no value, as None may be one."""

_FENCE = r"(?i)```[ \t]*(?:json)?[ \t]*\n"
_OPENING = re.compile(r"[{\[]")


class Extraction(Generic[Value]):
    """Takes a model's replies until one holds the object, or the second does not.

    Each `feed` returns the question to ask the model next, and an empty text when it is over.

    Args:
        load: Returns the object of a JSON value; raises ValueError for another value.
        reask: Whether the model is asked once more.

    Attributes:
        value: The object; `MISSING` until it is there.
        reason: The fault of the last reply; empty if it has none.
        error: The error behind it.
    """

    def __init__(self, load: Callable[[Any], Value], *, reask: bool = True) -> None:
        self.value: Value = MISSING
        self.reason = ""
        self.error: ValueError | None = None
        self._load = load
        self._may_reask = reask

    def feed(self, reply: str) -> str:
        """Take the text of a whole reply."""
        return self._take(lambda: self._find(reply))

    def feed_arguments(self, arguments: Any) -> str:
        """Take the arguments of a tool call."""
        return self._take(lambda: self._load(arguments))

    def feed_failure(self, reason: str) -> str:
        """Take a reply that is known to hold no object."""
        return self._refuse(reason, ValueError(reason))

    def _take(self, load: Callable[[], Value]) -> str:
        try:
            self.value = load()
        except ValueError as exc:
            return self._refuse(describe_error(exc), exc)
        self.reason, self.error = "", None
        return ""

    def _refuse(self, reason: str, error: ValueError) -> str:
        self.reason, self.error = reason, error
        may_reask, self._may_reask = self._may_reask, False
        return reask_for(reason) if may_reask else ""

    def _find(self, reply: str) -> Value:
        value = find_json(reply, lambda each: self._fits(each) or self._fits(_unwrap(each))).value
        if not self._fits(value) and self._fits(_unwrap(value)):
            return self._load(_unwrap(value))
        return self._load(value)

    def _fits(self, value: Any) -> bool:
        try:
            self._load(value)
        except ValueError:
            return False
        return True


def _unwrap(value: Any) -> Any:
    """Return the arguments of a call-like value; small models name it themselves."""
    is_call = isinstance(value, dict) and value.keys() == {"name", "arguments"}
    return value["arguments"] if is_call else None


def describe_error(error: ValueError) -> str:
    """Return a value's fault, for the model, as a sentence without its full stop."""
    if isinstance(error, NoJSONError):
        return error.reason
    if type(error).__module__.startswith("pydantic_core"):
        return format_validation_error(error)  # type: ignore[arg-type] # it is pydantic's
    return str(error)


class PartialJSON:
    """A JSON value while it is written.

    Args:
        is_bare: Whether the text is JSON alone, as a call's arguments are.
    """

    def __init__(self, *, is_bare: bool = False) -> None:
        self._read = _from_json if is_bare else read_partial_json
        self._last: Any = MISSING

    def feed(self, text: str) -> Any:
        """Return the value as far as all text so far has it; `MISSING` where that is not new."""
        value = self._read(text)
        if value is MISSING or value == self._last:
            return MISSING
        self._last = value
        return value


class PartialObject:
    """An object while it is written, in a reply's text or in a call's arguments.

    Args:
        schema: The object's schema.
    """

    def __init__(self, schema: OutputSchema) -> None:
        self._schema = schema
        self._text = self._arguments = ""
        self._in_text, self._in_call = PartialJSON(), PartialJSON(is_bare=True)
        self._shown: Any = MISSING

    def feed(self, text: str, arguments: str = "") -> Any:
        """Take the new part of the text and of the arguments.

        Returns:
            The object as far as it can be shown; `MISSING` where nothing of it is new.
        """
        self._text += text
        self._arguments += arguments
        if self._arguments:
            value = self._in_call.feed(self._arguments)
        else:
            value = self._in_text.feed(self._text)
        if value is MISSING:
            return MISSING
        try:
            self._shown = self._schema.load_partial(value)
        except ValueError:
            return MISSING
        return self._shown

    def has_shown(self, value: Any) -> bool:
        """Whether a value is the object as it was returned last."""
        return self._shown is not MISSING and bool(self._shown == value)


def read_partial_json(reply: str) -> Any:
    """Return the JSON value that a reply has begun with, behind a fence or prose, or `MISSING`."""
    fence = re.search(_FENCE, reply)
    opening = _OPENING.search(reply, fence.end() if fence else 0)
    if opening is None:
        return MISSING
    text, _, _ = reply[opening.start() :].partition("\n```")
    return _from_json(text)


def _from_json(text: str) -> Any:
    from pydantic_core import from_json  # which each framework brings, and the core does not

    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return MISSING
