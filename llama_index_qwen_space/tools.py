"""LlamaIndex's tools to those that the core shows to a model, and the model's calls back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json

from llama_index_qwen_space.messages import calls_of
from qwen_space.tools import NO_TOOLS, ToolBinding, ToolCall

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

__all__ = ["call_blocks", "make_tools", "older_calls", "schema", "selections"]


def schema(tool: BaseTool) -> dict[str, Any]:
    """Return a tool as OpenAI describes one, under its own name and at any length.

    `ToolMetadata.to_openai_tool` changes a name that OpenAI would not take, and LlamaIndex then
    does not find the tool under the name that the model calls.
    """
    return {
        "type": "function",
        "function": {
            "name": tool.metadata.get_name(),
            "description": tool.metadata.description,
            "parameters": tool.metadata.get_parameters_dict(),
        },
    }


def make_tools(
    tools: Sequence[BaseTool | Mapping[str, Any]] | None,
    choice: Any,
    *,
    required: bool,
    parallel: bool,
    usage_hint: bool = False,
) -> ToolBinding:
    """Return the tools of a call.

    Args:
        tools: The tools, or their schemas as `schema` makes them.
        choice: OpenAI's `tool_choice`, a tool's name, or None.
        required: Whether a call has to come, though `choice` leaves it open.
        parallel: Whether several may.
        usage_hint: Whether to say more of when and how to call than Qwen's template does.

    Raises:
        ValueError: Two tools have one name, or `choice` names none of them.
    """
    if not tools and not required and choice in (None, "auto", "none"):  # no set: it may be a dict
        return NO_TOOLS
    if required and choice in (None, "auto"):
        choice = "required"
    schemas = [tool if isinstance(tool, Mapping) else schema(tool) for tool in tools or ()]
    return ToolBinding.from_schemas(schemas, choice, parallel=parallel, usage_hint=usage_hint)


def call_blocks(calls: Iterable[ToolCall]) -> list[ToolCallBlock]:
    """Return calls as the blocks of a message."""
    return [
        ToolCallBlock(
            tool_call_id=call.id, tool_name=call.name, tool_kwargs=_arguments(call.arguments)
        )
        for call in calls
    ]


def older_calls(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Return calls as they were before there were blocks for them.

    LlamaIndex looks for this list when it streams an object by function calling, and when it
    asks whether a message is a call rather than an answer.
    """
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
        for call in calls
    ]


def selections(message: ChatMessage) -> list[ToolSelection]:
    """Return the calls of a message as LlamaIndex's agents take them."""
    return [
        ToolSelection(tool_id=call.id, tool_name=call.name, tool_kwargs=_arguments(call.arguments))
        for call in calls_of(message)
    ]


def _arguments(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return a call's arguments; of JSON that is not complete yet, as far as it has come."""
    if not isinstance(arguments, str):
        return dict(arguments)
    try:
        read = parse_partial_json(arguments)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
