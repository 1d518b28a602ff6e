"""Finds the function that chats in what an app says of itself.

Where a page answers in steps, the first of which only takes the prompt, what is found has them
all: such are Qwen's 1M demos, ms-swift's page, and the example in Gradio's own documentation.

Source: an app's `/config`, and its `/info`, which has the names of the functions' parameters from
Gradio 4.20 on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from qwen_space.errors import EndpointError, ProtocolError
from qwen_space.gradio.app import CHATS, TEXTS, AppComponent, AppConfig, AppFunction
from qwen_space.gradio.endpoint import Endpoint, Input, Role, Shape, bare_name

__all__ = ["find_endpoint", "fitting_endpoint", "is_unclear", "parameter_names", "with_parameters"]

_TEXT_OUTPUTS = frozenset({*TEXTS, "markdown", "json"})
_CHOICES = frozenset({"radio", "dropdown"})
_WITH_FILES = "multimodaltextbox"

# Names that chat functions have in the Qwen Spaces and in gr.ChatInterface, best first.
_KNOWN_NAMES = ("model_chat_1", "model_chat", "chat", "bot", "respond", "predict")

_MOST_STEPS = 20  # in one chain, with those that no reply needs

Roles = dict[int, tuple[Role, str]]  # what inputs at some positions are to a chat, and why


def find_endpoint(config: Any, api_name: str | None = None) -> Endpoint:
    """Return the function of an app that chats.

    Args:
        config: The JSON of the app's `/config`.
        api_name: The function to take, with or without a slash; None chooses one.

    Raises:
        ProtocolError: `config` is not what Gradio sends, or of a Gradio that is too old.
        EndpointError: No function fits, or several do.
    """
    try:
        app = _App(config)
        return app.best() if api_name is None else app.named(api_name.strip("/"))
    except RecursionError:
        raise ProtocolError("The answer to /config is nested too deeply.") from None


def fitting_endpoint(config: Any, fn_index: int) -> Endpoint | None:
    """Return how a chat would use one function of an app; None if it cannot.

    Raises:
        ProtocolError: As `find_endpoint`.
    """
    app = _App(config)
    return next((each for _, each in app.endpoints if each.fn_index == fn_index), None)


class _App:
    """An app's functions, as a chat could use them."""

    def __init__(self, config: Any) -> None:
        self._app = AppConfig(config)
        self.endpoints = [
            (function, endpoint)
            for function in self._app.functions
            if (endpoint := self._endpoint(function)) is not None
        ]

    def named(self, api_name: str) -> Endpoint:
        for _, endpoint in self.endpoints:
            if api_name == endpoint.api_name:
                return endpoint
        for _, endpoint in self.endpoints:
            if any(api_name == step.api_name for step in endpoint.before):
                return endpoint
        if any(api_name == each.api_name for each in self._app.functions):
            raise EndpointError(f"/{api_name} takes no text, or gives none back. {self._offers()}")
        raise EndpointError(f"The app has no endpoint /{api_name}. {self._offers()}")

    def best(self) -> Endpoint:
        found = [(self._rank(*each), each[1]) for each in self.endpoints]
        if not found:
            raise EndpointError(f"The app has no endpoint that fits a chat. {self._offers()}")
        best = min(rank for rank, _ in found)
        endpoints = [endpoint for rank, endpoint in found if rank == best]
        if any(each.signature != endpoints[0].signature for each in endpoints):
            raise EndpointError(
                "Several endpoints of the app fit a chat: "
                f"{', '.join(_described(each) for each in endpoints)}. Name one as endpoint."
            )
        return endpoints[0]

    def _rank(self, first: AppFunction, endpoint: Endpoint) -> tuple[bool, bool, bool, bool, int]:
        """Return how well a function fits; less is better.

        gr.ChatInterface keeps the steps of its page out of the app's API: they read the prompt
        from the session's state, which only the step before them fills. They are what is left
        where `multimodal=True` makes its `/chat` fail, in Gradio 4.22 to 4.37: it
        gives its text to a MultimodalTextbox, which takes no plain text.
        """
        last = next(each for each in self._app.functions if each.id == endpoint.fn_index)
        fails = endpoint.output is not None and last.outputs[endpoint.output].kind == _WITH_FILES
        shows_chat = any(each.kind in CHATS for each in last.outputs)
        name = last.api_name
        known = _KNOWN_NAMES.index(name) if name in _KNOWN_NAMES else len(_KNOWN_NAMES)
        is_hidden = not (first.public and last.public)
        return fails, is_hidden, not shows_chat, not last.streams, known

    def _endpoint(self, first: AppFunction) -> Endpoint | None:
        """Return a function, with those that the page runs after it; None when it is no chat."""
        if not first.runs:
            return None
        roles = self._roles(first.inputs)
        if all(role != "prompt" for role, _ in roles.values()):
            return None
        *earlier, last = self._followed(first)
        output = _output(last)
        if output is None:
            return None
        if not earlier:
            return self._step(first, roles, first.trigger, output)
        is_kept = any(each.kind == "state" for each in last.inputs)
        if is_kept:
            roles = {at: role for at, role in roles.items() if role[0] != "history"}
        steps = [self._step(first, roles, first.trigger)]
        for function in [*earlier[1:], last]:
            given = {each.id for step in [first, *earlier] for each in step.outputs}
            free = [None if each.id in given else each for each in function.inputs]
            steps.append(self._step(function, self._further_roles(free), first.trigger))
        steps = [*self._setting_system(steps, [first, *earlier[1:], last]), *steps]
        return replace(steps[-1], output=output, before=tuple(steps[:-1]), remembers=is_kept)

    def _followed(self, first: AppFunction) -> list[AppFunction]:
        """Return a function and those after it which the reply is made by.

        A function that streams by the queue is taken to be the one that answers.
        """
        chain = [first]
        while not (chain[-1].streams and chain[-1].queued):
            following = self._path_on(chain, chain[-1])
            if not following:
                break
            chain.extend(following)
        return chain

    def _path_on(self, chain: Sequence[AppFunction], last: AppFunction) -> list[AppFunction]:
        """Return the next function that goes on with the chat, after what it needs of the others.

        Between them a page may do what no reply needs, such as switching off a button.
        """
        known = {each.id for each in chain}
        for each in self._app.functions:
            if each.after != last.id or each.id in known or len(chain) > _MOST_STEPS:
                continue
            if _goes_on(chain, each):
                return [each]
            following = self._path_on([*chain, each], each)
            if following:
                needed = {component.id for step in following for component in step.inputs}
                is_needed = each.runs and any(output.id in needed for output in each.outputs)
                return [each, *following] if is_needed else following
        return []

    def _setting_system(
        self, steps: Sequence[Endpoint], functions: Sequence[AppFunction]
    ) -> list[Endpoint]:
        """Return the function that puts a system prompt where the steps look for it, if any."""
        if any(each.role == "system" for step in steps for each in step.inputs):
            return []
        states = {each.id for step in functions for each in step.inputs if each.kind == "state"}
        for function in self._app.functions:
            sets = any(each.id in states for each in function.outputs)
            if function.runs and sets and len(function.inputs) == 1:
                roles = self._further_roles(function.inputs)
                if [role for role, _ in roles.values()] == ["system"]:
                    return [self._step(function, roles, function.trigger)]
        return []

    def _step(
        self, function: AppFunction, roles: Roles, trigger: Any, output: int | None = None
    ) -> Endpoint:
        return Endpoint(
            api_name=function.api_name,
            fn_index=function.id,
            trigger_id=trigger,
            inputs=tuple(
                self._input(each, *roles.get(position, (None, "")))
                for position, each in enumerate(function.inputs)
            ),
            output=output,
            protocol=self._app.protocol,
            prefix=self._app.prefix,
            outputs=tuple(None if each.kind == "state" else each.id for each in function.outputs),
            queued=function.queued,
        )

    def _roles(self, components: Sequence[AppComponent]) -> Roles:
        """Return what the inputs of a function that takes the prompt are to a chat."""
        texts = [at for at, each in enumerate(components) if each.kind in TEXTS]
        prompt = next((at for at in texts if _system_look(components[at]) is None), None)
        if prompt is None:
            return {}
        alone = "the only text" if len(texts) == 1 else "the first text that is no system prompt"
        roles: Roles = {prompt: ("prompt", alone)}
        for position, each in enumerate(components):
            if each.kind in CHATS:
                roles[position] = ("history", f"the first {each.kind}")
                break
        rest = [None if at in roles else each for at, each in enumerate(components)]
        return {**roles, **self._further_roles(rest)}

    def _further_roles(self, components: Sequence[AppComponent | None]) -> Roles:
        """Return which inputs are the system prompt and the model; None is no candidate."""
        roles: Roles = {}
        looks: tuple[tuple[Role, Any], ...] = (("system", _system_look), ("model", _model_look))
        for role, look in looks:
            for position, each in enumerate(components):
                if each is not None and (why := look(each)) is not None:
                    roles[position] = (role, why)
                    break
        return roles

    def _input(self, component: AppComponent, role: Role | None, why: str) -> Input:
        choices = component.choices
        return Input(
            role,
            component.label or component.kind,
            component.value,
            None if choices is None else tuple(choices),
            self._shape(component),
            kind=component.kind,
            component=component.id,
            why=why,
        )

    def _shape(self, component: AppComponent) -> Shape:
        if component.kind == _WITH_FILES:
            return "multimodal"
        if component.kind != "chatbot":
            return "pairs"
        if self._app.version.split(".")[0] in {"4", "5"}:
            return "messages" if component.props.get("type") == "messages" else "pairs"
        return "parts"

    def _offers(self) -> str:
        names = [f"/{each.api_name}" for each in self._app.functions if each.api_name]
        return (
            f"Its endpoints are: {', '.join(names) or 'none with a name'}. "
            "Name the one to use as endpoint."
        )


def _goes_on(chain: Sequence[AppFunction], function: AppFunction) -> bool:
    """Whether a function takes the chat from those before it, and gives it on."""
    outputs = [each for step in chain for each in step.outputs]
    given = {each.id for each in outputs if each.kind in {*CHATS, "state"}}
    shows = any(each.kind in CHATS for each in function.outputs)
    return function.runs and shows and any(each.id in given for each in function.inputs)


def _output(function: AppFunction) -> int | None:
    """Return the position of what shows the reply; None if nothing does."""
    for wanted in (CHATS, _TEXT_OUTPUTS):
        for position, each in enumerate(function.outputs):
            if each.kind in wanted:
                return position
    return None


def _system_look(component: AppComponent) -> str | None:
    """Return what makes a component look like a system prompt's; None if nothing does."""
    if component.kind not in TEXTS:
        return None
    if "system" in str(component.label or "").lower():
        return "the label says system"
    if str(component.value or "").startswith("You are"):
        return "its value begins with You are"
    return None


def _model_look(component: AppComponent) -> str | None:
    """Return what makes a component look like the choice of a model; None if nothing does."""
    if component.kind not in _CHOICES:
        return None
    label = str(component.label or "").lower()
    if "model" in label or "qwen" in label:
        return "the label says model" if "model" in label else "the label says Qwen"
    sizes = any(re.search(r"\d+(\.\d+)?b\b", str(each).lower()) for each in component.choices or ())
    return "its choices are sizes of models" if sizes else None


def _described(endpoint: Endpoint) -> str:
    """Return an endpoint with what it takes, for who is to choose one."""
    shown = [each for each in endpoint.every_input if each.kind != "state"]
    takes = ", ".join(f"{each.name} as {each.role}" if each.role else each.name for each in shown)
    return f"/{endpoint.api_name} ({takes})"


# What the parameters of chat functions are called: Qwen's and ms-swift's, gr.ChatInterface's and
# the templates of Hugging Face's own documentation.
_PARAMETERS: dict[str, Role] = {
    **dict.fromkeys(("query", "prompt", "message", "question", "user_input"), "prompt"),
    **dict.fromkeys(("history", "chat_history", "chatbot"), "history"),
    **dict.fromkeys(("system", "system_prompt", "system_message", "sys_prompt"), "system"),
    **dict.fromkeys(("model", "model_name", "model_size", "radio"), "model"),
}

_CAN_BE: dict[Role, frozenset[str]] = {
    "prompt": TEXTS,
    "history": CHATS,
    "system": TEXTS,
    "model": _CHOICES,
}


def is_unclear(endpoint: Endpoint) -> bool:
    """Whether a function takes a text of which its components do not say what it is."""
    own = {each for step in endpoint.before for each in step.outputs}
    return any(
        each.role is None and each.kind in TEXTS and each.component not in own
        for each in endpoint.every_input
    )


def with_parameters(endpoint: Endpoint, info: Any) -> Endpoint:
    """Return an endpoint with the names of its parameters, and what they tell of their roles.

    Args:
        endpoint: A function that `find_endpoint` gave.
        info: The JSON of the app's `/info`; anything else leaves the endpoint as it was.
    """
    endpoint = replace(
        endpoint, before=tuple(with_parameters(each, info) for each in endpoint.before)
    )
    names = parameter_names(info, endpoint.api_name)
    shown = [position for position, each in enumerate(endpoint.inputs) if each.kind != "state"]
    if len(names) != len(shown):
        return endpoint
    inputs = list(endpoint.inputs)
    for position, name in zip(shown, names, strict=True):
        inputs[position] = replace(inputs[position], parameter=name)
    return replace(endpoint, inputs=_with_roles(inputs))


def parameter_names(info: Any, api_name: str | None) -> list[str]:
    """Return the names of a function's parameters in `/info`, which leaves out states."""
    try:
        parameters = info["named_endpoints"][f"/{api_name}"]["parameters"]
        return [str(each["parameter_name"]) for each in parameters]
    except (KeyError, TypeError):
        return []


def _with_roles(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Let the names of the parameters decide, where they are ones that chats have."""
    named = {
        role: position
        for position, each in reversed(list(enumerate(inputs)))
        if (role := _PARAMETERS.get(bare_name(each.parameter or ""))) is not None
        and each.kind in _CAN_BE[role]
    }
    if "prompt" not in named:  # then the names are of no kind that is known
        return tuple(inputs)
    by_position = {position: role for role, position in named.items()}
    return tuple(_in_role(each, by_position.get(at), named) for at, each in enumerate(inputs))


def _in_role(each: Input, role: Role | None, named: Collection[Role]) -> Input:
    if role is not None:
        return replace(each, role=role, why=f"the parameter is called {each.parameter}")
    return replace(each, role=None, why="") if each.role in named else each
