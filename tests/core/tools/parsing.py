"""Parses replies for the tests of calls, with tags and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from qwen_space.tools import (
    ArgumentsDelta,
    InvalidCall,
    ParsedReply,
    ReplyParser,
    ReplyPart,
    TextPart,
    ToolBinding,
    ToolCall,
)

__all__ = [
    "AUTO",
    "FORCED",
    "G_TEXT",
    "NAMES",
    "ONE",
    "PARAMETERS",
    "SCHEMAS",
    "TAG_IN_TEXT",
    "F",
    "G",
    "call",
    "fenced",
    "ids",
    "joined",
    "run",
    "short",
    "tagged",
]

NAMES = ("get_weather", "f")
SCHEMAS = [{"type": "function", "function": {"name": name}} for name in NAMES]
AUTO = ToolBinding.from_schemas(SCHEMAS)
FORCED = ToolBinding.from_schemas(SCHEMAS, "any")
PARAMETERS = {
    "properties": {
        "a": {"type": "integer", "minimum": 0},
        "b": {"type": "string"},
        "c": {
            "anyOf": [{"type": "array", "items": {"type": ["integer", "object"]}}, {"type": "null"}]
        },
        "d": {"type": ["boolean", "null"]},
        "e": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "h": {"enum": ["hi", "ho"]},
        "n": {"type": "object", "required": ["k"]},
        "o": {"$ref": "#/$defs/O"},
    },
    "required": ["a"],
}
ONE = ToolBinding.from_schemas(
    [*SCHEMAS[:1], {"function": {"name": "f", "parameters": PARAMETERS}}], "f"
)


def ids() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"call_{next(numbers)}"


def tagged(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


def call(arguments: str = "{}", name: str = "f") -> str:
    return f'{{"name": "{name}", "arguments": {arguments}}}'


def joined(pieces: Iterable[ReplyPart]) -> list[ReplyPart]:
    """Return pieces with neighbouring deltas of a kind joined."""
    out: list[ReplyPart] = []
    for piece in pieces:
        last = out[-1] if out else None
        match last, piece:
            case TextPart(), TextPart():
                out[-1] = TextPart(last.delta + piece.delta)
            case ArgumentsDelta(), ArgumentsDelta() if last.index == piece.index:
                out[-1] = replace(last, delta=last.delta + piece.delta)
            case _:
                out.append(piece)
    return out


def run(cuts: Iterable[str], tools: ToolBinding = AUTO) -> tuple[list[ReplyPart], ParsedReply]:
    parser = ReplyParser(tools, ids())
    pieces = [piece for cut in cuts for piece in parser.feed(cut)]
    return joined([*pieces, *parser.close()]), parser.parsed


def short(parsed: ParsedReply) -> list[Any]:
    """Return a reply's parts: texts, (name, arguments) of calls, ["invalid", text]."""
    out: list[Any] = []
    for part in parsed.parts:
        match part:
            case ToolCall():
                out.append((part.name, part.arguments))
            case InvalidCall():
                out.append(["invalid", part.text])
            case _:
                out.append(part)
    return out


F = ("f", {})
G = ("get_weather", {"a": 1})
G_TEXT = call('{"a": 1}', "get_weather")
TAG_IN_TEXT = '{"a": "</tool_call>"}'


def fenced(body: str, word: str = "json") -> str:
    return f"```{word}\n{body}\n```"
