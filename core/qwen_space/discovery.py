"""Finds the function that chats in what an app says of itself.

Source: an app's `/config`, which every Gradio from 4.0 on serves, and its `/info`, which has the
names of the functions' parameters from Gradio 4.20 on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qwen_space.errors import EndpointError, ProtocolError
from qwen_space.profiles import Endpoint, Input, Role, Shape, bare_name

__all__ = ["find_endpoint", "is_unclear", "with_parameters"]

_CHATS = frozenset({"chatbot", "modelscopechatbot", "modelscopelegacychatbot"})
_TEXTS = frozenset({"textbox", "multimodaltextbox"})
_TEXT_OUTPUTS = frozenset({*_TEXTS, "markdown", "json"})
_CHOICES = frozenset({"radio", "dropdown"})

# Names that chat functions have in the Qwen Spaces and in gr.ChatInterface, best first.
_KNOWN_NAMES = ("model_chat_1", "model_chat", "chat", "bot", "respond", "predict")


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
    except (AttributeError, IndexError, KeyError, TypeError) as exc:
        raise ProtocolError(f"The answer to /config is malformed: {exc!r}") from exc


def _is_public(function: Mapping[str, Any]) -> bool:
    """Whether a function is part of the app's documented API (`show_api` until Gradio 5)."""
    visible = function.get("api_visibility", "public") == "public"
    return visible and function.get("show_api") is not False


class _App:
    """An app's `/config`, read."""

    def __init__(self, config: Any) -> None:
        if not isinstance(config, dict) or not isinstance(config.get("dependencies"), list):
            raise ProtocolError("The answer to /config is not that of a Gradio app.")
        self.version = str(config.get("version", "unknown"))
        if self.version.startswith("3."):
            raise ProtocolError(
                f"The app runs Gradio {self.version}, which speaks over a websocket; "
                "this client needs Gradio 4 or newer."
            )
        self.protocol = config.get("protocol")
        self.prefix = str(config.get("api_prefix") or "").rstrip("/")
        components = config.get("components") or []
        self.components = {each["id"]: each for each in components if "id" in each}
        self.functions = list(enumerate(config["dependencies"]))

    def named(self, api_name: str) -> Endpoint:
        for index, function in self.functions:
            if function.get("api_name") == api_name:
                endpoint = self._endpoint(index, function)
                if endpoint is None:
                    raise EndpointError(
                        f"/{api_name} takes no text, or gives none back. {self._offers()}"
                    )
                return endpoint
        raise EndpointError(f"The app has no endpoint /{api_name}. {self._offers()}")

    def best(self) -> Endpoint:
        found = [
            (self._rank(function), endpoint)
            for index, function in self.functions
            if (endpoint := self._endpoint(index, function)) is not None
        ]
        if not found:
            raise EndpointError(f"The app has no endpoint that fits a chat. {self._offers()}")
        best = min(rank for rank, _ in found)
        endpoints = [endpoint for rank, endpoint in found if rank == best]
        first = endpoints[0]
        if any((each.inputs, each.output) != (first.inputs, first.output) for each in endpoints):
            raise EndpointError(
                "Several endpoints of the app fit a chat: "
                f"{', '.join(f'/{each.api_name}' for each in endpoints)}. "
                "Name one as endpoint."
            )
        return first

    def _rank(self, function: Mapping[str, Any]) -> tuple[bool, bool, bool, int]:
        """Return how well a function fits; less is better.

        gr.ChatInterface keeps the steps of its page out of the app's API: they read the prompt
        from the session's state, which only the step before them fills.
        """
        shows_chat = any(self._type(each) in _CHATS for each in function["outputs"])
        name = function.get("api_name")
        known = _KNOWN_NAMES.index(name) if name in _KNOWN_NAMES else len(_KNOWN_NAMES)
        streams = bool((function.get("types") or {}).get("generator"))
        return not _is_public(function), not shows_chat, not streams, known

    def _endpoint(self, index: int, function: Mapping[str, Any]) -> Endpoint | None:
        """Return the function as an endpoint; None when it is no chat."""
        inputs = self._inputs(function)
        output = self._output(function)
        if output is None or all(each.role != "prompt" for each in inputs):
            return None
        targets = function.get("targets") or [[None]]
        name = function.get("api_name")
        return Endpoint(
            api_name=name if isinstance(name, str) else None,
            fn_index=function.get("id", index),
            trigger_id=targets[0][0],
            inputs=inputs,
            output=output,
            protocol=self.protocol,
            prefix=self.prefix,
        )

    def _output(self, function: Mapping[str, Any]) -> int | None:
        types = [self._type(each) for each in function.get("outputs") or []]
        for wanted in (_CHATS, _TEXT_OUTPUTS):
            for position, kind in enumerate(types):
                if kind in wanted:
                    return position
        return None

    def _inputs(self, function: Mapping[str, Any]) -> tuple[Input, ...]:
        ids = function.get("inputs") or []
        roles = self._roles(ids)
        return tuple(self._input(each, roles.get(position)) for position, each in enumerate(ids))

    def _roles(self, ids: Sequence[Any]) -> dict[int, Role]:
        """Return what the inputs at some positions are to a chat."""
        roles: dict[int, Role] = {}
        texts = [position for position, each in enumerate(ids) if self._type(each) in _TEXTS]
        prompt = next((each for each in texts if not self._is_system(ids[each])), None)
        if prompt is None:
            return roles
        roles[prompt] = "prompt"
        for position, each in enumerate(ids):
            kind = self._type(each)
            if kind in _CHATS and "history" not in roles.values():
                roles[position] = "history"
            elif kind in _CHOICES and "model" not in roles.values() and self._is_model(each):
                roles[position] = "model"
        rest = [each for each in texts if each != prompt]
        system = next((each for each in rest if self._is_system(ids[each])), None)
        if system is not None:
            roles[system] = "system"
        return roles

    def _is_system(self, component: Any) -> bool:
        props = self._props(component)
        return "system" in str(props.get("label") or "").lower() or str(
            props.get("value") or ""
        ).startswith("You are")

    def _is_model(self, component: Any) -> bool:
        label = str(self._props(component).get("label") or "").lower()
        choices = self._choices(component) or ()
        return (
            "model" in label
            or "qwen" in label
            or any(re.search(r"\d+(\.\d+)?b\b", str(each).lower()) for each in choices)
        )

    def _input(self, component: Any, role: Role | None) -> Input:
        props = self._props(component)
        name = str(props.get("label") or self._type(component))
        return Input(
            role,
            name,
            props.get("value"),
            self._choices(component),
            self._shape(component),
            kind=self._type(component),
        )

    def _shape(self, component: Any) -> Shape:
        if self._type(component) == "multimodaltextbox":
            return "multimodal"
        if self._type(component) != "chatbot":
            return "pairs"
        if self.version.split(".")[0] in {"4", "5"}:
            return "messages" if self._props(component).get("type") == "messages" else "pairs"
        return "parts"

    def _choices(self, component: Any) -> tuple[Any, ...] | None:
        choices = self._props(component).get("choices")
        if not isinstance(choices, list):
            return None
        return tuple(each[-1] if isinstance(each, list) else each for each in choices)

    def _type(self, component: Any) -> str:
        return str(self.components.get(component, {}).get("type"))

    def _props(self, component: Any) -> Mapping[str, Any]:
        props = self.components.get(component, {}).get("props")
        return props if isinstance(props, dict) else {}

    def _offers(self) -> str:
        names = [f"/{each['api_name']}" for _, each in self.functions if each.get("api_name")]
        return (
            f"Its endpoints are: {', '.join(names) or 'none with a name'}. "
            "Name the one to use as endpoint."
        )


# What the parameters of chat functions are called: Qwen's and ms-swift's, gr.ChatInterface's and
# the templates of Hugging Face's own documentation.
_PARAMETERS: dict[str, Role] = {
    **dict.fromkeys(("query", "prompt", "message", "question", "user_input"), "prompt"),
    **dict.fromkeys(("history", "chat_history", "chatbot"), "history"),
    **dict.fromkeys(("system", "system_prompt", "system_message", "sys_prompt"), "system"),
    **dict.fromkeys(("model", "model_name", "model_size", "radio"), "model"),
}

_CAN_BE: dict[Role, frozenset[str]] = {
    "prompt": _TEXTS,
    "history": _CHATS,
    "system": _TEXTS,
    "model": _CHOICES,
}


def is_unclear(endpoint: Endpoint) -> bool:
    """Whether a function takes a text of which its components do not say what it is."""
    return any(each.role is None and each.kind in _TEXTS for each in endpoint.inputs)


def with_parameters(endpoint: Endpoint, info: Any) -> Endpoint:
    """Return an endpoint with the names of its parameters, and what they tell of their roles.

    Args:
        endpoint: A function that `find_endpoint` gave.
        info: The JSON of the app's `/info`; anything else leaves the endpoint as it was.
    """
    names = _parameter_names(endpoint, info)
    shown = [position for position, each in enumerate(endpoint.inputs) if each.kind != "state"]
    if len(names) != len(shown):
        return endpoint
    inputs = list(endpoint.inputs)
    for position, name in zip(shown, names, strict=True):
        inputs[position] = replace(inputs[position], parameter=name)
    return replace(endpoint, inputs=_with_roles(inputs))


def _parameter_names(endpoint: Endpoint, info: Any) -> list[str]:
    try:
        parameters = info["named_endpoints"][f"/{endpoint.api_name}"]["parameters"]
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
    return tuple(
        replace(each, role=by_position.get(position, None if each.role in named else each.role))
        for position, each in enumerate(inputs)
    )
