"""Calls without tags, that are all of a reply.

Small Qwen models often write a JSON object, or a list of them, instead of `<tool_call>` blocks,
mostly in a Markdown fence. It counts as calls only where nothing else can be meant:

- it begins with `{"name": "...", "arguments": {`, white space aside, where the name is that of
  a tool that is bound; `parameters` may stand for `arguments`, and it may stand in a list, in a
  fence or between `<tools>` tags, or both;
- it is the whole reply, white space aside; where a call is forced, text may come before it, but
  it begins a line;
- nothing comes after it, save more of the same and a closing tag that has no opening one;
- no object in it has further keys, and each name is that of a tool that is bound.

Three other forms count as a call where they are the whole reply: the same with the name behind the
arguments; `name({...})` of a tool that is bound; and, where a call is forced, the object of its
arguments, in a fence or not, if it fits the parameters of one tool only among those that may be
called.

Anything else is text. Where a call begins as in the first form and its end is missing or no JSON,
it is an invalid call.
"""

from __future__ import annotations

import json
import re
from typing import Any

from qwen_space.chat.json_text import JSONTextError, scan_json
from qwen_space.tools.choice import ToolBinding
from qwen_space.tools.forms import Arguments, Schemas, fits, read_call
from qwen_space.tools.scan import CLOSE, ENDS, TOOLS, Scan, may_become

__all__ = ["CallPrefixes", "UntaggedCalls"]

_FENCES = ("", "```", "```json", TOOLS[0])
_LISTS = ("", "[")
_KEYS = ("arguments", "parameters")
_LONGEST = max(map(len, (CLOSE, *ENDS)))
_GLANCE = 24
_ROOM = 256  # characters that the beginning may take, white space included
_BETWEEN = re.compile(r"[\s,\[\]`json]*")  # "json" of a fence
_AFTER_FUNCTION = re.compile(r"[\s();]*")
_FUNCTION_END = re.compile(r"\s*\)\s*;?\s*")
_KEY_SETS = tuple({"name", key} for key in _KEYS)
_GAP = re.compile(rf"[\s,]+|```(?:json)?|{'|'.join(map(re.escape, (CLOSE, *TOOLS)))}")


class CallPrefixes:
    """How a call without tags can begin.

    Attributes:
        starts: The characters that one can begin with, but for the `<` of `<tools>`.
    """

    def __init__(self, tools: ToolBinding) -> None:
        quoted = ["".join(json.dumps(name, ensure_ascii=False).split()) for name in tools.names]
        begins = tuple(f"{fence}{bracket}{{" for fence in _FENCES for bracket in _LISTS)
        self._calls = tuple(
            f'{begin}"name":{name},"{key}":{{'
            for begin in begins
            for name in quoted
            for key in _KEYS
        )
        arguments = tuple(f'{begin}"{key}":{{' for begin in begins for key in _KEYS)
        functions = tuple(f"{name}({{" for name in tools.names)
        objects = tuple(f"{fence}{{" for fence in _FENCES) if tools.forced else ()
        self._whole = (*self._calls, *arguments, *functions, *objects)  # only as the whole reply
        self._room = _ROOM + max(map(len, quoted), default=0)
        self.starts = "".join(sorted({prefix[0] for prefix in self._whole} - {"<"}))

    def begin(self, text: str, at: int, *, blank: bool) -> bool | None:
        """Whether a text begins a call at a place; None while it is too short to tell.

        Args:
            text: The text.
            at: The place.
            blank: Whether nothing but white space comes before it.
        """
        prefixes = self._whole if blank else self._calls
        for room in (_GLANCE, self._room):  # a glance settles most other text
            compact = "".join(text[at : at + room].split())
            if compact.startswith(prefixes):
                return True
            if not may_become(compact, *prefixes):
                return False
        return None if len(text) - at < self._room else False


class UntaggedCalls:
    """Calls without tags, as far as they have come; they are held back until the reply ends.

    Args:
        tools: The tools that are bound.
        named: Whether they begin with a call's name, so that an end that is missing is an
            invalid call.

    Attributes:
        ended: Whether the reply has ended behind them, before its last character.
    """

    def __init__(self, tools: ToolBinding, *, named: bool) -> None:
        self._tools = tools
        self._named = named
        self._between = _BETWEEN
        self._schemas: Schemas = tools.parameters
        self._held: list[str] = []
        self._scan = Scan()
        self._is_first = True
        self.ended = False

    @property
    def text(self) -> str:
        """All that is held back."""
        return "".join(self._held)

    def feed(self, text: str) -> str | None:
        """Take more text; return the part of it that has to wait for more.

        Returns:
            The text to give again, with more behind it; None when there is no call after all.
        """
        at = 0
        while at < len(text):
            top = self._scan.depth == 0
            start = at
            at, mark = self._scan.step(text, start)
            passed = text[start : at - 1] if mark in {"{", "}"} else text[start:at]
            if top and (self._scan.in_string or not self._may_stand_between(passed)):
                return None
            if self._scan.depth < 0:
                return None
            if mark != "<":
                continue
            tags = (CLOSE, *TOOLS, *ENDS) if top else (CLOSE,)
            if may_become(text[at : at + _LONGEST], *tags) and (top or self._scan.in_string):
                self._held.append(text[:at])
                return text[at:]
            if top and text.startswith(ENDS, at):
                self._held.append(text[:at])
                self.ended = True
                return ""
            if top and (tag := next((each for each in tags if text.startswith(each, at)), "")):
                at += len(tag)
            elif self._scan.in_string and not text.startswith(CLOSE, at):
                self._scan.pass_over()
                at += 1
            else:
                return None
        self._held.append(text)
        return ""

    def _may_stand_between(self, text: str) -> bool:
        is_first, self._is_first = self._is_first, False
        if is_first and text.rstrip().removesuffix("(").rstrip() in self._schemas:
            self._between = _AFTER_FUNCTION
            return True
        return self._between.fullmatch(text) is not None

    def calls(self) -> list[tuple[str, Arguments] | str] | None:
        """Return the calls, now that nothing follows; None when it is text.

        Returns:
            For each call its name and its arguments; the last may be a string that was meant
            as a call and is cut off or no JSON.
        """
        text = self.text
        if self._between is _AFTER_FUNCTION:
            return _function(text)
        values, rest = _values(text)
        if rest and not self._named:
            return None
        calls = [self._call(value) for value in values]
        if None in calls:
            return None if rest else self._forced(values)
        found: list[tuple[str, Arguments] | str] = [call for call in calls if call]
        return [*found, *([rest] if rest else [])] or None

    def _call(self, value: Any) -> tuple[str, Arguments] | None:
        if not isinstance(value, dict) or value.keys() not in _KEY_SETS:
            return None
        try:
            name, arguments = read_call(value, self._schemas)
        except ValueError:
            return None
        return (name, arguments) if name in self._schemas else None

    def _forced(self, values: list[Any]) -> list[tuple[str, Arguments] | str] | None:
        """Return the call that has to come, from its arguments alone: those of one tool only."""
        if not self._tools.forced or len(values) != 1 or not isinstance(values[0], dict):
            return None
        names = [name for name in self._schemas if self._tools.only in {None, name}]
        fitting = [name for name in names if fits(values[0], self._schemas[name])]
        return [(fitting[0], values[0])] if len(fitting) == 1 else None


def _function(text: str) -> list[tuple[str, Arguments] | str] | None:
    """Return the call that `name({...})` is; None for anything else."""
    name, _, rest = text.partition("(")
    start = len(text) - len(rest.lstrip())
    try:
        value, end = scan_json(text, start)
    except JSONTextError:
        return None
    is_call = isinstance(value, dict) and _FUNCTION_END.fullmatch(text, end)
    return [(name.strip(), value)] if is_call else None


def _values(text: str) -> tuple[list[Any], str]:
    """Return the values in a text, those of lists too, and the rest that is cut off or no JSON.

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
            value, at = scan_json(text, at)
        except JSONTextError:
            return values, text[at:]
        values += value if isinstance(value, list) else [value]
        waiting = False
    return ([] if waiting else values), ""
