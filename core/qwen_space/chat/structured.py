"""Structured output by prompt: the instruction, and the JSON in the reply.

A Space has no parameter for it, so the prompt describes the JSON, and the reply is searched
for it. The caller makes the schema, and decides whether a value fits it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from qwen_space.chat.json_text import JSONTextError, read_json, scan_json

__all__ = ["Found", "NoJSONError", "find_json", "instruction", "reask"]

_FENCE = re.compile(r"```[ \t]*([\w+-]*)")  # a whole line, its white space aside
# A brace or bracket that no key or value follows is not tried.
_OPENING = re.compile(r'\{(?=\s*(?:["}]|\Z))|\[(?=\s*(?:["\[{\]\-0-9tfnNI]|\Z))')


class NoJSONError(ValueError):
    """A reply has no JSON in it, or JSON that is cut off.

    Attributes:
        reply: The whole reply.
        reason: The fault, as a sentence without its full stop.
    """

    def __init__(self, reply: str, reason: str) -> None:
        super().__init__(reply, reason)
        self.reply = reply
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}: {self.reply!r:.200}"


class Found(msgspec.Struct, frozen=True):
    """A JSON value in a reply.

    Attributes:
        value: The value, which may be None for JSON's null.
        text: The JSON as the model wrote it.
    """

    value: Any
    text: str


def instruction(schema: Mapping[str, Any] | None = None) -> str:
    """Return an instruction to write JSON, for the end of the system prompt or of a question.

    Args:
        schema: The JSON schema that the value has to fit; None for any object.
    """
    if schema is None:
        return "Answer with a JSON object only, without any other text."
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"), default=str)
    return (
        "Answer with a JSON value that fits this JSON schema, without any other text. "
        f"Give the value itself, not the schema.\n{text}"
    )


def reask(error: str) -> str:
    """Return the next user turn after JSON that was not right.

    Args:
        error: The fault, such as a validation error's message.
    """
    return (
        f"Your answer does not fit the JSON schema:\n{error.strip()}\n"
        "Answer again, with the corrected JSON only and without any other text."
    )


def find_json(reply: str, accepts: Callable[[Any], bool] | None = None) -> Found:
    """Return the JSON value in a reply.

    The whole reply is taken if it is JSON; else a fenced block, one that says `json` before
    others; else an object or a list within the text. Of several of a kind the last is taken,
    as models put an example or a draft before the answer. A value within another one, or
    within one that is cut off, is never taken for the answer. Numbers, strings, true, false and
    null count only where they are the whole reply, or a whole fenced block.

    Line breaks and tabs in strings are taken as they stand. Nothing else is mended.

    Args:
        reply: The reply.
        accepts: Whether a value fits: the first that fits, in the order above, is
            taken. Where none is, it is the first of all, so that the caller can say what is
            wrong with it.

    Raises:
        NoJSONError: There is none.
    """
    first: Found | None = None
    for found in _candidates(reply):
        if accepts is None or accepts(found.value):
            return found
        first = first or found
    if first is not None:
        return first
    if not reply.strip():
        raise NoJSONError(reply, "The reply is empty")
    raise NoJSONError(reply, _within(reply)[1])


def _candidates(reply: str) -> Iterator[Found]:
    """Yield the candidates, the best first."""
    if (whole := _read(reply)) is not None:
        yield whole
        return
    blocks = [(word == "json", text) for word, text in _fenced(reply)]
    for wanted in (True, False):
        for says_json, text in reversed(blocks):
            if says_json is wanted and (found := _read(text)) is not None:
                yield found
    yield from reversed(_within(reply)[0])


def _fenced(reply: str) -> Iterator[tuple[str, str]]:
    """Yield the word after each opening fence, and the text up to the next fence or the end."""
    word: str | None = None
    lines: list[str] = []
    for line in reply.split("\n"):
        bare = line.strip(" \t\r")
        if word is None:
            fence = _FENCE.fullmatch(bare)
            word = fence[1].lower() if fence else None
        elif bare.startswith("```"):
            yield word, "\n".join(lines)
            word, lines = None, []
        else:
            lines.append(line)
    if word is not None:
        yield word, "\n".join(lines)


def _read(text: str) -> Found | None:
    text = text.strip()
    try:
        return Found(read_json(text), text)
    except JSONTextError:
        return None


def _within(text: str) -> tuple[list[Found], str]:
    """Return the objects and lists in a text, and why there is none beside them."""
    found: list[Found] = []
    fault = "There is no JSON in the reply"
    at = 0
    while opening := _OPENING.search(text, at):
        start = opening.start()
        try:
            value, at = scan_json(text, start)
        except JSONTextError as exc:
            if exc.is_cut:
                return found, "The JSON in the reply is cut off"
            if opening[0] == "{":  # a bracket is in prose as well
                fault = f"There is no valid JSON in the reply: {exc}"
            at = max(exc.position, start + 1)  # the text before it belongs to the broken value
        else:
            found.append(Found(value, text[start:at]))
    return found, fault
