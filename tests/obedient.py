"""Answers as a model that does all it is told, by nothing but the messages that reach it.

It sees a model's view: a system prompt with the tools, and a prompt. It calls the tool that is
asked for, or else the first, with arguments that fit its schema, gives JSON where that is asked
for, and answers in words after a tool's result.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.pieces import cut

__all__ = ["CUTS", "answer", "obedient"]

Messages = Sequence[Mapping[str, str]]

_TOOLS = re.compile(r"<tools>\n(.*)\n</tools>", re.DOTALL)
_SCHEMA = re.compile(r"JSON schema[^\n]*\n(\{[^\n]*\})")
_FORCED = re.compile(r'a call of the function "([^"]+)"')
_RESULTS = re.compile(r"</tool_response>\s*(?:Reply in words[^\n]*\s*)?(?:Assistant:)?\s*$")
_KEYS = re.compile(r"'(\w+)'")


def answer(messages: Messages) -> str:
    """Return the reply to messages."""
    system = "".join(each["content"] for each in messages if each["role"] == "system")
    prompt = messages[-1]["content"]
    if wanted := _SCHEMA.search(prompt):
        return f"Here it is:\n```json\n{_json(_example(json.loads(wanted[1]), prompt))}\n```"
    if "Answer with a JSON object only" in prompt:
        return _json(dict.fromkeys(_KEYS.findall(prompt), "a text"))
    forced = _FORCED.search(prompt)
    tools = [json.loads(line)["function"] for line in _lines(system)]
    if not tools or (_ends_with_result(prompt) and not forced):
        return "That is 5, as the tool said." if tools else "Hello there."
    tool = next((each for each in tools if forced and each["name"] == forced[1]), tools[0])
    arguments = _example(tool.get("parameters") or {}, prompt)
    call = _json({"name": tool["name"], "arguments": arguments})
    return f"I will ask a tool.\n<tool_call>\n{call}\n</tool_call>"


def _lines(system: str) -> list[str]:
    found = _TOOLS.search(system)
    return found[1].split("\n") if found else []


def _ends_with_result(prompt: str) -> bool:
    return _RESULTS.search(prompt) is not None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _example(schema: Mapping[str, Any], prompt: str) -> Any:
    """Return a value that fits a schema, with the prompt's words where it can."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], prompt)
    match schema.get("type"):
        case "integer":
            numbers = re.findall(r"\b\d+\b", prompt.partition("\n\n")[0])
            return int(numbers[0]) if numbers else 7
        case "number":
            return 1.5
        case "boolean":
            return True
        case "array":
            return [_example(schema.get("items") or {}, prompt)]
        case "string":
            quoted = re.findall(r"'([^']+)'", prompt)
            return quoted[0] if quoted else "a text"
    properties = schema.get("properties") or {}
    wanted = schema.get("required", properties)
    return {name: _example(properties[name], prompt) for name in wanted}


# How a reply is cut into pieces


def _at_random(text: str) -> list[str]:
    chance = random.Random(text)
    pieces = []
    while text:
        size = chance.randint(1, 12)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


CUTS: dict[str, Callable[[str], list[str]]] = {
    "three": lambda text: cut(text, 3),
    "one": list,
    "whole": lambda text: [text],
    "random": _at_random,
}


def obedient(cut: str = "three") -> Callable[[Messages], Iterator[str]]:
    """Return a script for a `ScriptedEngine`."""

    def reply(messages: Messages) -> Iterator[str]:
        yield from CUTS[cut](answer(messages))

    return reply
