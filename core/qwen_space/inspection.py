"""`qwen-space inspect`: what an app offers, and how a chat would map to it.

The facts are read from the app's `/config`; what a chat makes of them is asked of the client and
of `qwen_space.discovery`, so that it is what a chat does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qwen_space.config import SpaceConfig
from qwen_space.discovery import find_endpoint
from qwen_space.errors import (
    AuthenticationError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)
from qwen_space.profiles import Endpoint, Input

__all__ = ["Component", "Function", "Inspection", "inspect_config", "inspect_space"]


@dataclass(frozen=True, slots=True)
class Component:
    """An input or an output of a function.

    Attributes:
        label: What the app's page calls it, or None.
        parameter: What the function calls it, or None where that was not asked for.
        component: Its type, such as "textbox".
        default: The value that it has on the page.
        choices: The values that it offers; None when it takes any.
        role: What a chat uses it for: "prompt", "history", "system", "model" or "settings" for
            an input, "reply" for an output, None for nothing.
    """

    label: str | None
    parameter: str | None
    component: str
    default: Any
    choices: list[Any] | None
    role: str | None


@dataclass(frozen=True, slots=True)
class Function:
    """One endpoint of an app.

    Attributes:
        name: Its api name, without a slash; None if it has none.
        fn_index: Its number in the queue.
        public: Whether the app lists it in its API.
        streams: Whether it gives its answer piece by piece.
        fits: Whether a chat can use it.
        chosen: Whether a chat does use it.
        inputs: What it takes, in order.
        outputs: What it gives, in order.
    """

    name: str | None
    fn_index: int
    public: bool
    streams: bool
    fits: bool
    chosen: bool
    inputs: list[Component]
    outputs: list[Component]

    @property
    def title(self) -> str:
        """The name as people write it: `/chat`."""
        return f"#{self.fn_index}" if self.name is None else f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of an app.

    Attributes:
        space: The app's address.
        state: "running", or why it could not be asked: "unavailable", "unreachable", "silent",
            "refused", "busy" or "unknown".
        gradio: The version of Gradio that it runs, or None.
        protocol: The name of its queue's protocol, such as "sse_v3", or None.
        prefix: What stands before the queue's paths: "" or "/gradio_api".
        endpoints: Its functions that have a name, or that a chat uses.
        why: Why the chosen endpoint was chosen; None without one.
        error: What keeps a chat from working, or None.
    """

    space: str
    state: str
    gradio: str | None = None
    protocol: str | None = None
    prefix: str = ""
    endpoints: tuple[Function, ...] = ()
    why: str | None = None
    error: QwenSpaceError | None = None

    @property
    def chosen(self) -> Function | None:
        """The endpoint that a chat uses."""
        return next((each for each in self.endpoints if each.chosen), None)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints: the attributes by name, the error as its sentence.

        `endpoint` is added, the name of the chosen one.
        """
        return {
            "space": self.space,
            "state": self.state,
            "gradio": self.gradio,
            "protocol": self.protocol,
            "prefix": self.prefix,
            "endpoint": self.chosen and self.chosen.name,
            "why": self.why,
            "error": None if self.error is None else str(self.error),
            "endpoints": [asdict(each) for each in self.endpoints],
        }


async def inspect_space(config: SpaceConfig) -> Inspection:
    """Ask an app for its `/config` and return what it says; never raises a `QwenSpaceError`."""
    from qwen_space.client import SpaceClient  # imports aiohttp, a fifth of a second

    async with SpaceClient.from_config(config) as client:
        try:
            answer = await client.app_config()
        except QwenSpaceError as exc:
            return Inspection(config.url, _state(exc), error=exc)
        try:
            chosen = await client.endpoint()
        except QwenSpaceError as exc:
            return inspect_config(config, answer, error=exc)
    return inspect_config(config, answer, chosen)


def inspect_config(
    config: SpaceConfig,
    answer: Any,
    chosen: Endpoint | None = None,
    error: QwenSpaceError | None = None,
) -> Inspection:
    """Return what an app says in its `/config`.

    Args:
        config: What is asked of the Space.
        answer: The JSON of the app's `/config`.
        chosen: The function that a chat uses.
        error: Why there is none.
    """
    version = answer.get("version") if isinstance(answer, dict) else None
    try:
        functions = tuple(_functions(answer, chosen))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        error = error or ProtocolError(f"The answer to /config is malformed: {exc!r}")
        return Inspection(config.url, "running", version and str(version), error=error)
    return Inspection(
        config.url,
        "running",
        version and str(version),
        answer.get("protocol"),
        str(answer.get("api_prefix") or "").rstrip("/"),
        functions,
        None if chosen is None else _why(functions, asked_for=config.endpoint is not None),
        error,
    )


_STATES: tuple[tuple[type[QwenSpaceError], str], ...] = (
    (SpaceUnavailableError, "unavailable"),
    (SpaceUnreachableError, "unreachable"),
    (SpaceTimeoutError, "silent"),
    (AuthenticationError, "refused"),
    (QuotaError, "busy"),
    (QueueFullError, "busy"),
)


def _state(error: QwenSpaceError) -> str:
    return next((state for kind, state in _STATES if isinstance(error, kind)), "unknown")


def _functions(answer: Mapping[str, Any], chosen: Endpoint | None) -> Iterator[Function]:
    components = {each.get("id"): each for each in answer.get("components") or []}
    for index, function in enumerate(answer["dependencies"]):
        numbered = {"id": index, **function}
        if chosen is not None and chosen.fn_index == numbered["id"]:
            yield _function(numbered, components, chosen, is_chosen=True)
        elif isinstance(function.get("api_name"), str) and function.get("backend_fn") is not False:
            yield _function(numbered, components, _fitting(answer, numbered), is_chosen=False)


def _fitting(answer: Mapping[str, Any], function: Mapping[str, Any]) -> Endpoint | None:
    """Return how a chat would use a function if the app had no other."""
    try:
        return find_endpoint({**answer, "dependencies": [function]})
    except QwenSpaceError:
        return None


def _function(
    function: Mapping[str, Any],
    components: Mapping[Any, Any],
    endpoint: Endpoint | None,
    *,
    is_chosen: bool,
) -> Function:
    name = function.get("api_name")
    inputs = [components.get(each) or {} for each in function.get("inputs") or []]
    outputs = [components.get(each) or {} for each in function.get("outputs") or []]
    uses: Sequence[Input | None] = [None] * len(inputs)
    if endpoint is not None and len(endpoint.inputs) == len(inputs):
        uses = endpoint.inputs
    reply = None if endpoint is None else endpoint.output
    return Function(
        name if isinstance(name, str) else None,
        function["id"],
        _is_public(function),
        bool((function.get("types") or {}).get("generator")),
        endpoint is not None,
        is_chosen,
        [_input(component, use) for component, use in zip(inputs, uses, strict=True)],
        [_component(each, "reply" if at == reply else None) for at, each in enumerate(outputs)],
    )


def _is_public(function: Mapping[str, Any]) -> bool:
    """Whether a function is part of the app's documented API (`show_api` until Gradio 5)."""
    visible = function.get("api_visibility", "public") == "public"
    return visible and function.get("show_api") is not False


def _input(component: Mapping[str, Any], use: Input | None) -> Component:
    if use is None:
        return _component(component, None)
    return _component(component, use.role, use.parameter)


def _component(
    component: Mapping[str, Any], role: str | None, parameter: str | None = None
) -> Component:
    props = component.get("props") or {}
    choices = props.get("choices")
    if isinstance(choices, list):  # a value each, or its name on the page and its value
        choices = [each[-1] if isinstance(each, list) else each for each in choices]
    kind = str(component.get("type") or "unknown")
    return Component(props.get("label") or None, parameter, kind, props.get("value"), choices, role)


def _why(functions: Sequence[Function], *, asked_for: bool) -> str:
    """Return in words what speaks for the chosen function."""
    chosen = next((each for each in functions if each.chosen), None)
    if chosen is None:
        return "known of this Space, though its /config does not tell"
    others = [each.title for each in functions if each.fits and not each.chosen]
    reply = next((each.component for each in chosen.outputs if each.role), "component unknown")
    reasons = [
        "asked for by name" if asked_for else "",
        "the only one that fits a chat" if not others else f"named {chosen.name}",
        "listed in the app's API" if chosen.public else "not listed in the app's API",
        "streams" if chosen.streams else "does not stream",
        f"shows its reply in a {reply}",
    ]
    rivals = f"; {', '.join(others)} would fit too" if others else ""
    return ", ".join(filter(None, reasons)) + rivals
