"""The arguments of a chat model's call, by the names that OpenAI's interface has for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from qwen_space.chat_model.arguments import SAMPLING, drop_none
from qwen_space.chat_model.names import find_remedies, rename
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.config import CallOptions, check_options
from qwen_space.tools import NO_TOOLS, ToolBinding

__all__ = ["CallArguments"]

logger = logging.getLogger(__name__)

# Those that other models have other names for.
_RENAMED = ("headers", "inputs", "max_tokens", "model", "stop", "timeout")
_ONE = ("n", 1)  # the number of replies that there is anyway
_PASSED_OVER = ("stream", "strict")  # the caller has heeded the one; nothing can enforce the other


class CallArguments(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a call beside its messages.

    Attributes:
        options: The options of the call to the Space.
        tools: The tools that the model may call.
        response_format: The format of the reply; None where any text will do.
        reask: Whether a reply that is of no use is asked for once more.
        stream_arguments: Whether a tool call's arguments are streamed while they are written.
    """

    options: CallOptions
    tools: ToolBinding = NO_TOOLS
    response_format: ResponseFormat | None = None
    reask: bool = True
    stream_arguments: bool = False

    @classmethod
    def take(
        cls,
        owner: str,
        kwargs: Mapping[str, Any],
        *,
        stop: Iterable[str] | None = None,
        usage_hint: bool = False,
        to_schema: Callable[[Any], Mapping[str, Any]] | None = None,
        fields: Collection[str] = (),
    ) -> CallArguments:
        """Return the arguments among the keyword arguments of a call.

        A warning names those that no Space has a use for, unless they ask for nothing: None, and
        `n=1`.

        Args:
            owner: The name of the class that is called.
            kwargs: The keyword arguments: `model`, `stop`, `inputs`, `headers`, `timeout`,
                `temperature`, `top_p`, `max_tokens`; `tools`, `tool_choice` and
                `parallel_tool_calls`, as `ToolBinding.from_schemas` takes them;
                `response_format`, as `ResponseFormat.from_argument` does; `reask` and
                `stream_arguments`.
            stop: The model's own stop sequences, for a call that brings none.
            usage_hint: Whether to say more of when and how to call than Qwen's template does.
            to_schema: Returns OpenAI's schema of a tool; None where the tools are such schemas.
            fields: The arguments of the class's constructor.

        Raises:
            ValueError: An argument cannot be right.
        """
        rest = rename(kwargs, _RENAMED)
        stream_arguments = bool(rest.pop("stream_arguments", False))
        taken = cls(
            options=_take_options(rest, stop),
            tools=_take_tools(
                rest, to_schema, usage_hint=usage_hint, allow_list=not stream_arguments
            ),
            response_format=ResponseFormat.from_argument(rest.pop("response_format", None)),
            reask=rest.pop("reask", None) is not False,
            stream_arguments=stream_arguments,
        )
        _warn_unknown(owner, rest, fields)
        return taken


def _take_options(kwargs: dict[str, Any], stop: Iterable[str] | None) -> CallOptions:
    """Remove the Space's options from keyword arguments, and return them."""
    given = kwargs.pop("stop", None)
    options: CallOptions = {
        "model": kwargs.pop("model", None),
        "stop": list(stop or ()) if given is None else given,
        "inputs": kwargs.pop("inputs", None),
        "headers": kwargs.pop("headers", None),
        "timeout": kwargs.pop("timeout", None),
        "sampling": drop_none({name: kwargs.pop(name, None) for name in SAMPLING}),
    }
    check_options(options)
    return options


def _take_tools(
    kwargs: dict[str, Any],
    to_schema: Callable[[Any], Mapping[str, Any]] | None,
    *,
    usage_hint: bool,
    allow_list: bool,
) -> ToolBinding:
    """Remove the tools from keyword arguments, and return them."""
    tools = kwargs.pop("tools", None) or ()
    choice = kwargs.pop("tool_choice", None)
    parallel = kwargs.pop("parallel_tool_calls", None)
    if not tools and choice in (None, "auto", "none", False):  # no set: it may be a mapping
        return NO_TOOLS
    schemas = tools if to_schema is None else map(to_schema, tools)
    return ToolBinding.from_schemas(
        schemas, choice, parallel=parallel, usage_hint=usage_hint, allow_list=allow_list
    )


def _warn_unknown(owner: str, kwargs: Mapping[str, Any], fields: Collection[str]) -> None:
    given = {name for name, value in kwargs.items() if value is not None and (name, value) != _ONE}
    names = given.difference(_PASSED_OVER)
    said = []
    if of_constructor := sorted(names.intersection(fields)):
        listed = ", ".join(of_constructor)
        said.append(f"{owner} ignores {listed}: give it to the constructor, not to a call.")
    if others := sorted(names.difference(fields)):
        said.append(f"{owner} ignores {', '.join(others)}: a Space has no use for it.")
    if said:
        logger.warning("%s", " ".join([*said, *find_remedies(others)]))
