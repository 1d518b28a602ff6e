"""Calls without tags: a JSON object, or a list of them, that is all of a reply.

That is what small Qwen models often write instead of `<tool_call>` blocks, mostly in a Markdown
fence. It counts as calls only where nothing else can be meant:

- it begins with `{"name": "...", "arguments": {`, white space aside, where the name is that of
  a tool that is bound; it may stand in a list, in a fence, or both;
- it is the whole reply, white space aside; where a call is forced, text may come before it, but
  it begins a line;
- nothing comes after it, save more of the same and a closing tag that has no opening one;
- no object in it has further keys, and each name is that of a tool that is bound.

Anything else is text. Where the beginning is right and the end is missing or no JSON, it is an
invalid call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from qwen_space.chat.json_text import DECODER
from qwen_space.tools.calls import checked_call
from qwen_space.tools.scan import CLOSE, Scan, may_become

__all__ = ["CallPrefixes", "UntaggedCalls"]

_FENCES = ("", "```", "```json")
_LISTS = ("", "[")
_GLANCE = 24
_ROOM = 256  # characters that the beginning may take, white space included
_BETWEEN = re.compile(r"[\s,\[\]`json]*")  # "json" of a fence
_GAP = re.compile(rf"[\s,]+|```(?:json)?|{re.escape(CLOSE)}")


class CallPrefixes:
    """How a call without tags can begin."""

    def __init__(self, names: Iterable[str]) -> None:
        quoted = ["".join(json.dumps(name, ensure_ascii=False).split()) for name in names]
        self._all = tuple(
            f'{fence}{bracket}{{"name":{name},"arguments":{{'
            for fence in _FENCES
            for bracket in _LISTS
            for name in quoted
        )
        self._room = _ROOM + max(map(len, quoted), default=0)

    def begin(self, text: str, at: int) -> bool | None:
        """Whether a text begins a call at a place; None while it is too short to tell."""
        for room in (_GLANCE, self._room):  # a glance settles most of what is something else
            compact = "".join(text[at : at + room].split())
            if compact.startswith(self._all):
                return True
            if not may_become(compact, *self._all):
                return False
        return None if len(text) - at < self._room else False


class UntaggedCalls:
    """What may be calls without tags, as far as it has come; it is held back until it is told.

    Args:
        names: The names of the tools that are bound.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._held: list[str] = []
        self._scan = Scan()

    @property
    def text(self) -> str:
        """All that is held back."""
        return "".join(self._held)

    def feed(self, text: str) -> str | None:
        """Take more text; return what of it has to wait for what follows.

        Returns:
            What to give again, with more behind it; None when it turned out to be no call.
        """
        at = 0
        while at < len(text):
            top = self._scan.depth == 0
            start = at
            at, mark = self._scan.step(text, start)
            passed = text[start : at - 1] if mark in {"{", "}"} else text[start:at]
            if top and (self._scan.in_string or not _BETWEEN.fullmatch(passed)):
                return None
            if self._scan.depth < 0:
                return None
            if mark != "<":
                continue
            if may_become(text[at : at + len(CLOSE)], CLOSE) and (top or self._scan.in_string):
                self._held.append(text[:at])
                return text[at:]
            if top and text.startswith(CLOSE, at):
                at += len(CLOSE)
            elif self._scan.in_string and not text.startswith(CLOSE, at):
                self._scan.pass_over()
                at += 1
            else:
                return None
        self._held.append(text)
        return ""

    def calls(self) -> list[tuple[str, dict[str, Any]] | str] | None:
        """Return what it holds, now that nothing follows; None when it is text.

        Returns:
            For each call its name and its arguments; the last may be a string that was meant
            as a call and is cut off or no JSON.
        """
        values, rest = _values(self.text)
        calls = [self._call(value) for value in values]
        if None in calls:
            return None
        found: list[tuple[str, dict[str, Any]] | str] = [call for call in calls if call]
        return [*found, *([rest] if rest else [])] or None

    def _call(self, value: Any) -> tuple[str, dict[str, Any]] | None:
        if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
            return None
        try:
            name, arguments = checked_call(value)
        except ValueError:
            return None
        return (name, arguments) if name in self._names else None


def _values(text: str) -> tuple[list[Any], str]:
    """Return the values in a text, those of lists too, and what is cut off or no JSON at its end.

    There are none where a fence is opened for nothing: it is the end of another one, of which
    they are not all.
    """
    values: list[Any] = []
    at, waiting = 0, False
    fenced = False
    while at < len(text):
        if text.startswith("```", at):
            fenced = not fenced
            waiting = fenced
        found = _GAP.match(text, at)
        if found:
            at = found.end()
            continue
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return values, text[at:]
        values += value if isinstance(value, list) else [value]
        waiting = False
    return ([] if waiting else values), ""
