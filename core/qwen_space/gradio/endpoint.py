"""An app's function as data: its number, the meaning of its inputs, the place of the reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Endpoint", "Input", "Role", "Shape", "bare_name"]

Role = Literal["prompt", "history", "system", "model", "settings"]
Shape = Literal["pairs", "messages", "parts", "multimodal"]


@dataclass(frozen=True, slots=True)
class Input:
    """One of a function's inputs.

    Attributes:
        role: What it is to a chat; None for any other, which keeps its default. "settings" is
            one input for the system prompt, the model and more, by the names in its default.
        name: The component's label, or its type when it has none.
        default: The component's value in the app.
        choices: The values that it offers; None when it takes any.
        shape: How a history wants its turns: "pairs" of strings, "messages" with a string as
            content, or "parts", messages with a list as content. "multimodal" is a prompt
            that can come with files.
        parameter: The name of the function's parameter, if the app's `/info` was asked for it.
        kind: The component's type.
        component: The component's number in the app's `/config`.
        why: What its role was told by, in words.
    """

    role: Role | None
    name: str
    default: Any = None
    choices: tuple[Any, ...] | None = None
    shape: Shape = "pairs"
    parameter: str | None = None
    kind: str = "textbox"
    component: Any = field(default=None, compare=False)
    why: str = field(default="", compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a value for it may be given by, in one form."""
        own = (bare_name(self.name), *([bare_name(self.parameter)] if self.parameter else []))
        return (*own, *self.default) if self.role == "settings" else own


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function of an app, and how a chat maps to it.

    Where the page answers in steps, it is the last of them, and `before` has the others.

    Attributes:
        api_name: Its name, without a slash; None if it has none.
        fn_index: Its number, which is what the queue is asked for.
        trigger_id: The component that starts it on the page, or None.
        inputs: Its inputs, in order.
        output: The position of the chat component among its outputs; None if no reply is there.
        protocol: The name of the queue's protocol, such as "sse_v3"; None if not known.
        prefix: What stands before the queue's paths: "" or "/gradio_api".
        before: The functions that the page runs before it, in the same session.
        outputs: The numbers of the components that it gives, None for a state, which stays on
            the server.
        queued: Whether it goes by the queue.
        remembers: Whether it finds the chat in its session, where no history can be put.
    """

    api_name: str | None
    fn_index: int
    trigger_id: int | None
    inputs: tuple[Input, ...]
    output: int | None
    protocol: str | None = None
    prefix: str = ""
    before: tuple[Endpoint, ...] = ()
    outputs: tuple[Any, ...] = field(default=(), compare=False)
    queued: bool = field(default=True, compare=False)
    remembers: bool = field(default=False, compare=False)

    @property
    def every_input(self) -> tuple[Input, ...]:
        """The inputs of all the steps."""
        return tuple(each for step in (*self.before, self) for each in step.inputs)

    @property
    def signature(self) -> tuple[Any, ...]:
        """What makes it another than a function that does the same by another number."""
        return self.every_input, self.output

    def knows(self, names: Iterable[str]) -> bool:
        """Whether there is a free input for each name, or the parameters' names are known."""
        if any(each.parameter for each in self.every_input):
            return True
        free = {name for each in self.every_input if each.role is None for name in each.names}
        return all(bare_name(name) in free for name in names)

    def takes(self, role: Role) -> bool:
        """Whether the function has an input for this."""
        if role == "history" and self.remembers:
            return False
        roles = {each.role for each in self.every_input}
        return role in roles or (role in {"system", "model"} and "settings" in roles)

    def fitting(self, sampling: Mapping[str, float]) -> dict[str, Any]:
        """Return those of some sampling parameters that the function has an input for.

        Args:
            sampling: `temperature`, `top_p` and `max_tokens`.

        Returns:
            The values by names of inputs.
        """
        free = [each for each in self.every_input if each.role in {None, "settings"}]
        names = {
            alias: each.name if each.role is None else alias
            for each in free
            for alias in each.names
        }
        return {
            names[alias]: value
            for wanted, value in sampling.items()
            for alias in _SAMPLING.get(wanted, (wanted,))
            if alias in names
        }

    def choose_model(self, model: str) -> Any:
        """Return the value of the app's model input that `model` stands for; None without one.

        Raises:
            ValueError: The app does not offer it.
        """
        choosing = [each for each in self.every_input if each.role in {"model", "settings"}]
        given = next(iter(choosing), None)
        wanted = _bare_model(model)
        if given is None:
            if wanted in _DEFAULT_MODELS:
                return None
            raise ValueError(f"model={model!r}: this app has one model only; give 'qwen-2.5'.")
        choices = given.choices or ()
        for choice in choices:
            if model == choice or wanted == _bare_model(str(choice)):
                return choice
        if "coder" in given.name.lower() and wanted.startswith("coder-"):
            return self.choose_model(wanted.removeprefix("coder-"))
        if wanted in _DEFAULT_MODELS:
            default = None if given.role == "settings" else given.default
            return default if default is not None else next(iter(choices), None)
        offered = ", ".join(str(choice) for choice in choices)
        raise ValueError(
            f"model={model!r} is not offered by this Space; it offers: {offered}. "
            "'qwen-2.5' takes its default."
        )

    def data(
        self,
        prompt: str,
        system: str,
        *,
        model: Any = None,
        history: Any = (),
        inputs: Mapping[str, Any] | None = None,
        page: Mapping[Any, Any] | None = None,
    ) -> list[Any]:
        """Return the function's arguments, in order.

        Args:
            prompt: What to answer.
            system: The system prompt.
            model: A value that `choose_model` gave.
            history: The earlier turns in the component's own shape.
            inputs: Values for further inputs, by name; those of other steps are passed over.
            page: What the steps before left in the components, by their numbers.
        """
        values = {"prompt": prompt, "system": system, "model": model, "history": list(history)}
        named = {bare_name(name): value for name, value in (inputs or {}).items()}
        return [_argument(each, values, named, page or {}) for each in self.inputs]

    def check_inputs(self, inputs: Iterable[str]) -> None:
        """Check that the function, or a step before it, has inputs of these names.

        Raises:
            ValueError: There is no further input of such a name.
        """
        further = [each for each in self.every_input if each.role in {None, "settings"}]
        names = {name for each in further for name in each.names}
        if any(bare_name(name) not in names for name in inputs):
            offered = [each.parameter or each.name for each in further if each.kind != "state"]
            raise ValueError(
                f"inputs={sorted(inputs)!r}: the app has no such input. "
                f"Its further inputs are: {', '.join(offered) or 'none'}."
            )


def _argument(
    each: Input, values: Mapping[str, Any], named: Mapping[str, Any], page: Mapping[Any, Any]
) -> Any:
    """Return the value of one input."""
    if each.role == "settings":
        own = {key: named[bare_name(key)] for key in each.default if bare_name(key) in named}
        return {**each.default, "model": values["model"], "sys_prompt": values["system"], **own}
    if each.role == "prompt" and each.shape == "multimodal":
        return {"text": values["prompt"], "files": []}
    if each.role is not None:
        return values[each.role]
    default = page.get(each.component, each.default)
    return next((named[name] for name in each.names if name in named), default)


_SAMPLING = {
    "max_tokens": ("max_tokens", "max_new_tokens", "max_output_tokens", "max_length"),
    "top_p": ("top_p", "top_p_nucleus_sampling"),
}


_DEFAULT_MODELS = frozenset({"qwen-2.5", "qwen-qwen2-5", "qwen2.5"})
_MODEL_AFFIXES = re.compile(r"^(?:qwen/)?(?:qwen-?2[.-]5-)?|-(?:instruct|chat)$")


def _bare_model(model: str) -> str:
    """Return the part of a model's name that tells it from others: `7b` of Qwen2.5-7B-Instruct."""
    return _MODEL_AFFIXES.sub("", model.strip().lower())


def bare_name(name: str) -> str:
    """Return a parameter's name or label in one form: `max_new_tokens` for "Max new tokens"."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")
