"""What `bind_tools` and `bind` give a call, in the terms of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool

from qwen_space.chat import Turn
from qwen_space.structured import instruction
from qwen_space.tools import NO_TOOLS, Tools

__all__ = ["bound", "format_instruction", "instructed"]


def bound(
    tools: Sequence[Any],
    choice: str | bool | Mapping[str, Any] | None = None,  # noqa: FBT001 - as LangChain has it
    *,
    parallel: bool | None = None,
    strict: bool | None = None,
    advised: bool = False,
) -> Tools:
    """Return the tools of a call.

    Arguments and errors are those of `bind_tools`; `advised` adds a sentence on when to call
    none, which Qwen's chat template does not have.
    """
    if not tools and choice in {None, "auto", "none", False}:
        return NO_TOOLS
    schemas = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
    return Tools.of(schemas, choice, parallel=parallel, advised=advised)


def format_instruction(response_format: Any) -> str:
    """Return what asks for a response format; empty where any text will do.

    Args:
        response_format: As OpenAI has it, `{"type": "json_object"}` or `{"type": "json_schema",
            "json_schema": {"schema": {...}}}`; or a class or schema of what is wanted.

    Raises:
        ValueError: It is of an unknown type.
    """
    if response_format is None:
        return ""
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    match kind:
        case "text":
            return ""
        case "json_object":
            return instruction()
        case "json_schema":
            return instruction(_schema(response_format["json_schema"]))
    return instruction(convert_to_json_schema(response_format))


def _schema(held: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = held.get("schema", held)
    return schema


def instructed(chat: list[Turn], what: str) -> list[Turn]:
    """Return a chat that also says `what`, at the end of the user's last turn."""
    if not what:
        return chat
    *earlier, last = chat
    if last.role != "user":
        return [*chat, Turn("user", what)]
    return [*earlier, Turn("user", f"{last.text}\n\n{what}")]
