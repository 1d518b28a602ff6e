"""The tools that a model may call, and whether it has to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from qwen_space.tools.calls import InvalidCall, ToolCall, to_json

__all__ = ["NO_TOOLS", "ToolBinding"]

# The words of Qwen2.5's own chat template, to the letter.
_BEFORE = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query."
    "\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments"
    " within <tool_call></tool_call> XML tags:"
    '\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)

# Chosen by the answers of Qwen2.5-Coder-1.5B to a dozen wordings each. Left alone, it calls a tool
# for anything. Told so without the list, it ends its reply after the first call; told of the list
# when results are there, it calls again and again.
_HINT_LIST = (
    "\n\nWhen functions are needed, reply with one <tool_call> block only, which holds a JSON list"
    ' of all calls: <tool_call>\n[{"name": <function-name>, "arguments": <args-json-object>}, ...]'
    "\n</tool_call>. "
)
_HINT_ONE_BY_ONE = "\n\nWhen functions are needed, reply with their <tool_call> blocks only. "
_HINT_NO_CALL = "When none fits the question, or its result is there already, reply in words."
# At the end of the results themselves. Without it the small model repeats its call in native turns,
# whatever the system prompt says, and otherwise gives a result back as it stands.
_HINT_RESULTS = "Reply in words if this answers the question."
# At the end of a question after earlier calls. Without it the small model answers it in words, as
# it did the last time.
_HINT_NEXT = "Call a function if one fits this question."

Choice = Literal["auto", "none", "any", "one"]

_TAGS = "within <tool_call></tool_call> tags"


class ToolBinding(msgspec.Struct, frozen=True):
    """The tools that are bound for a call, and whether and how the model is to call them.

    Make it by `ToolBinding.from_schemas`.

    Attributes:
        schemas: The tools as OpenAI has them, `{"type": "function", "function": {...}}`; they are
            shown to the model as they are.
        choice: "auto" leaves it to the model, "none" keeps the tools from it, "any" wants a
            call of any of them, "one" a call of `only`.
        only: The name of the tool that has to be called.
        parallel: False asks for one call at most.
        usage_hint: Whether sentences after the tools, and after results, say how to make several
            calls, and when none. Qwen's template has no such words, and large models do without;
            small ones make one call, and make it for everything.
        allow_list: Whether several calls may be asked for as a list, whose arguments come whole.
    """

    schemas: tuple[Mapping[str, Any], ...] = ()
    choice: Choice = "auto"
    only: str | None = None
    parallel: bool = True
    usage_hint: bool = False
    allow_list: bool = True

    @classmethod
    def from_schemas(
        cls,
        schemas: Iterable[Mapping[str, Any]],
        choice: str | bool | Mapping[str, Any] | None = None,  # noqa: FBT001 - as frameworks give it
        *,
        parallel: bool | None = None,
        usage_hint: bool = False,
        allow_list: bool = True,
    ) -> ToolBinding:
        """Bind tools by their schemas.

        Args:
            schemas: The tools' schemas.
            choice: None or "auto"; "none" or False; "any", "required" or True; a tool's name; or
                OpenAI's `{"type": "function", "function": {"name": ...}}`, which is the way for a
                tool that has one of the other words as its name; or Anthropic's `{"type": "any"}`;
                or OpenAI's `{"type": "allowed_tools", ...}`, which leaves the other tools out.
            parallel: False asks for one call at most.
            usage_hint: Whether to say more of when and how to call than Qwen's template does.
            allow_list: Whether that may ask for a list of calls, whose arguments come whole.

        Raises:
            ValueError: A schema has no name, two have the same, or `choice` names no tool.
        """
        schemas = tuple(schemas)
        names = [_name(schema) for schema in schemas]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Several tools have the name {twice[0]!r}: rename all but one.")
        parallel = parallel is not False
        kind: Choice = "one"
        only = None
        if isinstance(choice, Mapping) and choice.keys() == {"type"}:
            choice = choice["type"]
        elif isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
            allowed, choice = _allowed(choice, names)
            schemas = tuple(each for each in schemas if _name(each) in allowed)
            names = [_name(schema) for schema in schemas]
        if isinstance(choice, Mapping):
            only = _chosen(choice)
        elif isinstance(choice, Hashable) and choice in _WORDS:
            kind = _WORDS[choice]
        else:
            only = str(choice)
        if only is not None:
            _check_bound(only, names)
        if kind == "any" and not names:
            raise ValueError(f"tool_choice={choice!r} wants a call, but no tool is bound.")
        return cls(schemas, kind, only, parallel, usage_hint, allow_list)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools that are bound, in order."""
        return tuple(_name(schema) for schema in self.schemas)

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """The JSON schema of each tool's parameters, by the tool's name."""
        functions = [schema.get("function", schema) for schema in self.schemas]
        return dict(
            zip(self.names, (each.get("parameters") or {} for each in functions), strict=True)
        )

    @property
    def active(self) -> bool:
        """Whether the model gets to see tools, and its reply is to be read for calls."""
        return bool(self.schemas) and self.choice != "none"

    @property
    def stop(self) -> tuple[str, ...]:
        """The stop sequences with which a job is to be asked: a result that the model makes up.

        In a JSON string a line break is escaped, so the sequence does not occur in arguments.
        """
        return ("\n<tool_response>",) if self.active else ()

    @property
    def forced(self) -> bool:
        """Whether a call has to come."""
        return self.choice in {"any", "one"}

    def block(self, *, answered: bool = False) -> str:
        """Return the end of the system prompt; empty without tools.

        Where one tool has to be called, the others are left out: they would only distract.

        Args:
            answered: Whether the chat ends on the results of calls.
        """
        if not self.active:
            return ""
        shown = [each for each in self.schemas if self.only in {None, _name(each)}]
        hint = ""
        if self.usage_hint and not self.forced:
            in_list = self.allow_list and self.parallel and not answered
            hint = (_HINT_LIST if in_list else _HINT_ONE_BY_ONE) + _HINT_NO_CALL
        return "".join([_BEFORE, *(f"\n{to_json(schema)}" for schema in shown), _AFTER, hint])

    def instruction(self, *, answered: bool = False, called: bool = False) -> str:
        """Return the instruction for the end of the chat; empty where there is nothing to say.

        Args:
            answered: Whether the chat ends on the results of calls.
            called: Whether it ends on a question, and had calls before.
        """
        if not self.active:
            return ""
        if self.forced:
            return f"{self._demand} Do not answer in words."
        number = "" if self.parallel else "Call one function at most."
        hint = _HINT_RESULTS if answered else _HINT_NEXT if called else ""
        return " ".join(filter(None, [number, hint if self.usage_hint else ""]))

    @property
    def _demand(self) -> str:
        number = "" if self.parallel else " Make one call only."
        if self.only is not None:
            return f'Answer with a call of the function "{self.only}" {_TAGS}.{number}'
        return f"Answer with a function call {_TAGS}.{number}"

    def missing_required_call(self, calls: Sequence[ToolCall]) -> bool:
        """Whether a call had to come and did not, so that the model is to be asked once more."""
        if not self.active or not self.forced:
            return False
        return not any(self.only in {None, call.name} for call in calls)

    def reask(self, invalid: Sequence[InvalidCall] = ()) -> str:
        """Return the question after a reply that lacks a required call.

        It is the next user turn, after the reply. Where that one lacks it too, there is no call.
        """
        if invalid:
            said = f"Your function call is not valid: {invalid[0].reason}."
        else:
            said = "Your answer has no function call."
        return f"{said} {self._demand} Do not answer in words."


NO_TOOLS = ToolBinding()

_WORDS: dict[Any, Choice] = {
    None: "auto",
    "auto": "auto",
    "none": "none",
    False: "none",
    "any": "any",
    "required": "any",
    True: "any",
}


def _name(schema: Mapping[str, Any]) -> str:
    if name := _named(schema):
        return name
    raise ValueError(f"A tool has no name: {schema!r:.200}; give OpenAI's function schema.")


def _check_bound(name: str, names: Sequence[str]) -> None:
    if name not in names:
        known = ", ".join(names) or "none"
        raise ValueError(f"tool_choice={name!r} is no tool that is bound; those are: {known}.")


def _allowed(choice: Mapping[str, Any], names: Sequence[str]) -> tuple[set[str], Any]:
    """Return the names of the tools that a choice allows, and the choice among them."""
    given = choice.get("allowed_tools", choice)  # flat in OpenAI's interface for responses
    tools = given.get("tools") if isinstance(given, Mapping) else None
    if not isinstance(tools, Sequence) or not all(isinstance(each, Mapping) for each in tools):
        raise ValueError(f"tool_choice={choice!r:.200} lists no tools.")
    allowed = {_name(each) for each in tools}
    for name in sorted(allowed):
        _check_bound(name, names)
    return allowed, given.get("mode")


def _chosen(choice: Mapping[str, Any]) -> str:
    if name := _named(choice):
        return name
    raise ValueError(f"tool_choice={choice!r:.200} names no tool; give a tool's name, or 'any'.")


def _named(schema: Mapping[str, Any]) -> str:
    function = schema.get("function", schema)
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else ""
