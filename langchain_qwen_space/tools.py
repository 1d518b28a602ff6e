"""The keywords of `bind_tools` and `bind`, in the terms of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool

from qwen_space.chat_model.arguments import drop_none, take_options
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.tools import NO_TOOLS, ToolBinding

__all__ = ["CallKwargs", "bind_arguments", "make_tools"]


_OPENAI_TYPES = ("text", "json_object", "json_schema")


class CallKwargs:
    """The arguments of a call beside its messages.

    Args:
        kwargs: The keyword arguments of the call.
        stop: The model's stop sequences, for a call without any.
        usage_hint: As in `make_tools`.

    Attributes:
        tools: The tools that the model may call.
        response_format: The format of the reply; None where any text will do.
        options: How the Space is asked.
        reask: Whether a call that has to come, and does not, is asked for once more.
        stream_arguments: Whether a call's arguments are streamed while they are written.
        unknown: The names of keywords that a Space has no use for.

    Raises:
        ValueError: The tools, the choice among them, the format or an option cannot be right.
    """

    def __init__(
        self, kwargs: Mapping[str, Any], *, stop: list[str] | None, usage_hint: bool
    ) -> None:
        rest = dict(kwargs)
        self.stream_arguments: bool = rest.pop("stream_arguments", False)
        self.tools = make_tools(
            rest.pop("tools", None) or (),
            rest.pop("tool_choice", None),
            parallel=rest.pop("parallel_tool_calls", None),
            strict=rest.pop("strict", None),
            usage_hint=usage_hint,
            allow_list=not self.stream_arguments,
        )
        self.response_format = _to_response_format(rest.pop("response_format", None))
        self.options = take_options(rest, stop)
        self.reask: bool = rest.pop("reask", True)
        rest.pop("stream", None)  # which langchain-core has heeded
        self.unknown = sorted(rest)


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
    # Raises the choice's fault. Two tools of one name fail when they are called.
    by_name = {each.get("function", each).get("name"): each for each in schemas}
    make_tools(list(by_name.values()), tool_choice)
    options = {
        "tool_choice": tool_choice,
        "parallel_tool_calls": parallel_tool_calls,
        "reask": None if reask else False,
        "stream_arguments": stream_arguments or None,
    }
    return {"tools": schemas, **drop_none(options)}


def make_tools(
    tools: Sequence[Any],
    choice: str | bool | Mapping[str, Any] | None = None,  # noqa: FBT001 - as LangChain has it
    *,
    parallel: bool | None = None,
    strict: bool | None = None,
    usage_hint: bool = False,
    allow_list: bool = True,
) -> ToolBinding:
    """Return the tools of a call.

    Arguments and errors are those of `bind_tools`; `usage_hint` adds sentences on when and how to
    call, which Qwen's chat template does not have, and `allow_list` lets them ask for a list.
    """
    if not tools and choice in {None, "auto", "none", False}:
        return NO_TOOLS
    schemas = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
    return ToolBinding.from_schemas(
        schemas, choice, parallel=parallel, usage_hint=usage_hint, allow_list=allow_list
    )


def _to_response_format(given: Any) -> ResponseFormat | None:
    """Return the format that a call's `response_format` names; None where any text will do.

    Args:
        given: As OpenAI has it, or a class or schema of the object.

    Raises:
        ValueError: It is of an unknown type.
    """
    if given is None:
        return None
    if isinstance(given, Mapping) and given.get("type") in _OPENAI_TYPES:
        return ResponseFormat.from_openai(given)
    return ResponseFormat(convert_to_json_schema(given))
