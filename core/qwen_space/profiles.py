"""A Space as data: which function to call, what its inputs mean, where the reply stands.

Source: an app's `/config`, which every Gradio from 4.0 on serves, and the figures of the
public Qwen2.5 Space where that does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qwen_space.chat import Split, Turn, exchanges, split
from qwen_space.errors import EndpointError, ProtocolError

__all__ = ["QWEN_2_5", "Endpoint", "Input", "find_endpoint"]

Role = Literal["prompt", "history", "system", "model"]
Shape = Literal["pairs", "messages", "parts", "multimodal"]


@dataclass(frozen=True, slots=True)
class Input:
    """One of a function's inputs.

    Attributes:
        role: What it is to a chat; None for any other, which keeps its default.
        name: The component's label, or its type when it has none.
        default: The component's value in the app.
        choices: The values that it offers; None when it takes any.
        shape: How a history wants its turns: "pairs" of strings, "messages" with a string as
            content, or "parts", messages with a list as content. "multimodal" is a prompt
            that can come with files.
    """

    role: Role | None
    name: str
    default: Any = None
    choices: tuple[Any, ...] | None = None
    shape: Shape = "pairs"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function of an app, and how a chat maps to it.

    Attributes:
        api_name: Its name, without a slash; None if it has none.
        fn_index: Its number, which is what the queue is asked for.
        trigger_id: The component that starts it on the page, or None.
        inputs: Its inputs, in order.
        output: The position of the chat component among its outputs.
        protocol: The name of the queue's protocol, such as "sse_v3"; None if not known.
        prefix: What stands before the queue's paths: "" or "/gradio_api".
    """

    api_name: str | None
    fn_index: int
    trigger_id: int | None
    inputs: tuple[Input, ...]
    output: int
    protocol: str | None = None
    prefix: str = ""

    def takes(self, role: Role) -> bool:
        """Whether the function has an input for this."""
        return any(each.role == role for each in self.inputs)

    def with_history(self, chat: Sequence[Turn]) -> tuple[Split, list[Any]] | None:
        """Return a chat as its last message and the history in the app's own shape.

        None when it does not alternate strictly between user and assistant, which is all
        that a history can hold.
        """
        found = exchanges(chat)
        if found is None:
            return None
        earlier, prompt = found
        shape = next(each.shape for each in self.inputs if each.role == "history")
        last = [Turn("user", prompt)]
        system = [turn for turn in chat if turn.is_system]
        parts = split([*system, *last], system_apart=self.takes("system"))
        return parts, [row for pair in earlier for row in _history_rows(pair, shape)]

    def fitting(self, sampling: Mapping[str, float]) -> dict[str, Any]:
        """Return those of some sampling parameters that the function has an input for.

        Args:
            sampling: `temperature`, `top_p` and `max_tokens`.

        Returns:
            The values by the names of the inputs.
        """
        names = {_bare_name(each.name): each.name for each in self.inputs if each.role is None}
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
        given = next((each for each in self.inputs if each.role == "model"), None)
        wanted = _bare_model(model)
        if given is None:
            if wanted in _DEFAULT_MODELS:
                return None
            raise ValueError(f"model={model!r}: this app has one model only; give 'qwen-2.5'.")
        choices = given.choices or ()
        for choice in choices:
            if model == choice or wanted == _bare_model(str(choice)):
                return choice
        if wanted in _DEFAULT_MODELS:
            return given.default if given.default is not None else next(iter(choices), None)
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
    ) -> list[Any]:
        """Return the function's arguments, in order.

        Args:
            prompt: What to answer.
            system: The system prompt.
            model: A value that `choose_model` gave.
            history: The earlier turns in the component's own shape.
            inputs: Values for further inputs, by name.

        Raises:
            ValueError: The function has no further input of such a name.
        """
        values = {"prompt": prompt, "system": system, "model": model, "history": list(history)}
        named = {_bare_name(name): value for name, value in (inputs or {}).items()}
        data = []
        for each in self.inputs:
            if each.shape == "multimodal" and each.role == "prompt":
                data.append({"text": prompt, "files": []})
            elif each.role is not None:
                data.append(values[each.role])
            else:
                data.append(named.pop(_bare_name(each.name), each.default))
        if named:
            further = [each.name for each in self.inputs if each.role is None]
            raise ValueError(
                f"inputs={sorted(inputs or {})!r}: the app has no such input. "
                f"Its further inputs are: {', '.join(further) or 'none'}."
            )
        return data


_SAMPLING = {
    "max_tokens": ("max_tokens", "max_new_tokens", "max_output_tokens", "max_length"),
    "top_p": ("top_p", "top_p_nucleus_sampling"),
}


def _history_rows(pair: tuple[str, str], shape: Shape) -> list[Any]:
    if shape == "pairs":
        return [list(pair)]
    named = zip(("user", "assistant"), pair, strict=True)
    if shape == "messages":
        return [{"role": role, "content": text} for role, text in named]
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in named]


_SIZES = ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")

QWEN_2_5 = Endpoint(
    api_name="model_chat_1",
    fn_index=3,
    trigger_id=25,
    inputs=(
        Input("prompt", "query"),
        Input("history", "history", []),
        Input("system", "system"),
        Input("model", "radio", "72B", _SIZES),
    ),
    output=1,
)
"""The public Qwen2.5 Space."""

_DEFAULT_MODELS = frozenset({"qwen-2.5", "qwen-qwen2-5", "qwen2.5"})
_MODEL_AFFIXES = re.compile(r"^(?:qwen/)?(?:qwen-?2[.-]5-)?|-(?:instruct|chat)$")


def _bare_model(model: str) -> str:
    """Return the part of a model's name that tells it from others: `7b` of Qwen2.5-7B-Instruct."""
    return _MODEL_AFFIXES.sub("", model.strip().lower())


def _bare_name(name: str) -> str:
    """Return a parameter's name or label in one form: `max_new_tokens` for "Max new tokens"."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


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
            role, name, props.get("value"), self._choices(component), self._shape(component)
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
