"""The arguments of `bind_tools`, as a call takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from qwen_space.chat_model.arguments import drop_none
from qwen_space.tools import ToolBinding

__all__ = ["bind_arguments"]


def bind_arguments(
    tools: Sequence[Any],
    *,
    tool_choice: str | bool | dict[str, Any] | None,
    parallel_tool_calls: bool | None,
    strict: bool | None,
    reask: bool,
    stream_arguments: bool,
) -> dict[str, Any]:
    """Return the keyword arguments of a call that may call tools; they are those of `bind_tools`.

    Raises:
        ValueError: `tool_choice` names no tool of these.
    """
    schemas = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
    # Raises for a choice that names no tool. Two tools of one name fail when they are called.
    by_name = {each.get("function", each).get("name"): each for each in schemas}
    ToolBinding.from_schemas(by_name.values(), tool_choice)
    options = {
        "tool_choice": tool_choice,
        "parallel_tool_calls": parallel_tool_calls,
        "reask": None if reask else False,
        "stream_arguments": stream_arguments or None,
    }
    return {"tools": schemas, **drop_none(options)}
