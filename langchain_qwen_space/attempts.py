"""How an object is asked for: up to twice, and what each reply holds of it."""

from __future__ import annotations

from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_qwen_space.shape import Shape
from qwen_space.chat.structured import NoJSONError, find_json
from qwen_space.chat.structured import reask as reask_for

__all__ = ["Attempts"]


class Attempts:
    """Asks for an object, and once more with what was wrong with it.

    Args:
        shape: What the object has to be.
        messages: What asks for it.
        reask: Whether it is asked for once more.

    Attributes:
        messages: What is to be asked next; None once it is over.
        result: What came of it, in the form of `include_raw`.
    """

    def __init__(self, shape: Shape, messages: list[BaseMessage], *, reask: bool) -> None:
        self.messages: list[BaseMessage] | None = messages
        self.result: dict[str, Any] | None = None
        self._shape = shape
        self._reask = reask

    def take(self, raw: AIMessage) -> None:
        """Take a reply."""
        try:
            parsed, error = _read(raw, self._shape), None
        except ValueError as exc:
            parsed, error = None, _failure(exc, raw)
            if self._reask and self.messages is not None:
                question = HumanMessage(reask_for(_said(exc)))
                self._reask, self.messages = False, [*self.messages, raw, question]
                return
        self.messages = None
        self.result = {"raw": raw, "parsed": parsed, "parsing_error": error}


def _read(raw: AIMessage, shape: Shape) -> Any:
    """Return the object in a reply: the arguments of its call, or else the JSON in its text."""
    if raw.tool_calls:
        return shape.load(raw.tool_calls[0]["args"])
    if raw.invalid_tool_calls:
        errors = raw.response_metadata.get("tool_call_errors") or ["It is no JSON."]
        raise ValueError(f"The function call is not valid. {errors[0]}")
    value = find_json(raw.text, lambda each: shape.fits(each) or shape.fits(_wrapped(each))).value
    if not shape.fits(value) and shape.fits(_wrapped(value)):
        return shape.load(_wrapped(value))
    return shape.load(value)


def _wrapped(value: Any) -> Any:
    """Return the arguments of what looks like a call; small models give it a name of their own."""
    is_call = isinstance(value, dict) and value.keys() == {"name", "arguments"}
    return value["arguments"] if is_call else None


def _failure(exc: ValueError, raw: AIMessage) -> OutputParserException:
    error = OutputParserException(
        f"The reply is not what was asked for: {_said(exc)}", llm_output=_written(raw)
    )
    error.__cause__ = exc
    return error


def _said(exc: ValueError) -> str:
    return exc.reason if isinstance(exc, NoJSONError) else str(exc)


def _written(raw: AIMessage) -> str:
    calls = [str(call["args"]) for call in (*raw.tool_calls, *raw.invalid_tool_calls)]
    return "\n".join(part for part in (raw.text, *calls) if part)
