"""`qwen-space inspect`: an app's functions, and how a chat would map to them.

The facts are read from the app's `/config`; the choice among them is made by the client and
`qwen_space.gradio.page.discovery`, as in a chat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qwen_space.client import hub
from qwen_space.config import SpaceConfig
from qwen_space.errors import (
    AuthenticationError,
    EndpointError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)
from qwen_space.gradio.page.app import AppComponent, AppConfig, AppFunction
from qwen_space.gradio.page.discovery import App, parameter_names
from qwen_space.gradio.page.endpoint import Endpoint, Input, bare_name

__all__ = [
    "Component",
    "Function",
    "Inspection",
    "Use",
    "as_code",
    "inspect_config",
    "inspect_space",
]


@dataclass(frozen=True, slots=True)
class Component:
    """An input or an output of a function.

    Attributes:
        label: Its name on the app's page, or None.
        parameter: The name of the function's parameter, or None where that was not asked for.
        component: Its type, such as "textbox".
        default: The value that the page sends when nobody has touched it.
        choices: The values that it offers; None when it takes any.
        role: Its use in a chat: a role of `roles=` or "settings" for an input, "reply" for an
            output, None for nothing.
        why: The reason for this role, or None.
    """

    label: str | None
    parameter: str | None
    component: str
    default: Any
    choices: list[Any] | None
    role: str | None
    why: str | None = None


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
        step: Whether it only prepares the reply of the one that a chat uses.
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
    """

    name: str | None
    fn_index: int
    public: bool
    streams: bool
    fits: bool
    chosen: bool
    step: bool
    inputs: list[Component]
    outputs: list[Component]

    @property
    def title(self) -> str:
        """The name as people write it: `/chat`."""
        return f"#{self.fn_index}" if self.name is None else f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Use:
    """An input of the chat, among those of all its steps.

    Attributes:
        name: Its name in `roles=`: the label, the parameter where that is not its own, or else
            the position.
        component: Its type.
        default: The value that the page sends for it when nobody has touched it.
        choices: The values that it offers; None when it takes any.
        role: Its role; None for an input that keeps its value.
        why: The reason for the role, or None.
        is_set_apart: Whether an event of its own sets it, so that `roles=` does not know it.
    """

    name: str | int
    component: str
    default: Any
    choices: tuple[Any, ...] | None
    role: str | None
    why: str | None
    is_set_apart: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """The facts about an app.

    Attributes:
        space: The app's address.
        state: "running", or the Space's stage on Hugging Face: "sleeping", "paused",
            "building", "starting", "crashed" and the like; or why it could not be asked:
            "unavailable", "unreachable", "silent", "refused", "busy" or "unknown".
        gradio: The version of Gradio that it runs, or None.
        protocol: The name of its queue's protocol, such as "sse_v3", or None.
        prefix: The prefix of the queue's paths: "" or "/gradio_api".
        endpoints: Its functions that its API lists, or that a chat uses.
        uses: The inputs of the chat, those of states left out.
        call: A line of Python that makes a model of it; None where nothing fits.
        sampling: The function that a chat asks for `temperature` and `top_p`, if it is another.
        why: Why the chosen endpoint was chosen; None without one.
        error: The reason why a chat cannot work, or None.
    """

    space: str
    state: str
    gradio: str | None = None
    protocol: str | None = None
    prefix: str = ""
    endpoints: tuple[Function, ...] = ()
    uses: tuple[Use, ...] = ()
    call: str | None = None
    sampling: str | None = None
    why: str | None = None
    error: QwenSpaceError | None = None

    @property
    def chosen(self) -> Function | None:
        """The endpoint that a chat uses."""
        return next((each for each in self.endpoints if each.chosen), None)

    @property
    def roles(self) -> dict[str | int, str | None]:
        """The `roles=` that changes nothing."""
        known = [each for each in self.uses if not each.is_set_apart]
        return {each.name: each.role for each in known if each.role not in {None, "settings"}}

    def to_json(self) -> dict[str, Any]:
        """Return the output of `--json`: the attributes by name, the error as its sentence.

        `endpoint` is added, the name of the chosen one, and `roles`.
        """
        return {
            "space": self.space,
            "state": self.state,
            "gradio": self.gradio,
            "protocol": self.protocol,
            "prefix": self.prefix,
            "endpoint": self.chosen and self.chosen.name,
            "call": self.call,
            "roles": self.roles,
            "why": self.why,
            "error": None if self.error is None else str(self.error),
            "endpoints": [asdict(each) for each in self.endpoints],
        }


async def inspect_space(config: SpaceConfig) -> Inspection:
    """Ask an app for its `/config` and return the facts; never raises a `QwenSpaceError`.

    A Space that sleeps is not waited for, though it wakes up from being asked.
    """
    from qwen_space.client.client import SpaceClient  # imports aiohttp, a fifth of a second

    async with SpaceClient.from_config(config) as client:
        try:
            answer = await client.app_config()
        except QwenSpaceError as exc:
            return Inspection(client.config.url, _state(exc), error=exc)
        chosen, error, info = None, None, None
        try:
            info = await client.app_info(AppConfig(answer).prefix)
            chosen = await client.endpoint()
            chosen.place_inputs(client.config.inputs)
        except QwenSpaceError as exc:
            error = exc
        return inspect_config(client.config, answer, chosen, error, info)


def inspect_config(
    config: SpaceConfig,
    answer: Any,
    chosen: Endpoint | None = None,
    error: QwenSpaceError | None = None,
    info: Any = None,
) -> Inspection:
    """Return the facts in an app's `/config`.

    Args:
        config: The Space and the choices for it.
        answer: The JSON of the app's `/config`.
        chosen: The function that a chat uses.
        error: Why there is none.
        info: The JSON of the app's `/info`, which has the names of parameters.
    """
    try:
        app = AppConfig(answer)
        functions = tuple(_functions(App(answer, roles=config.roles, info=info), chosen, info))
    except ProtocolError as exc:
        version = answer.get("version") if isinstance(answer, dict) else None
        return Inspection(config.url, "running", version and str(version), error=error or exc)
    sampling = None if chosen is None else chosen.with_sampling
    return Inspection(
        config.url,
        "running",
        app.version,
        app.protocol,
        app.prefix,
        functions,
        () if chosen is None else tuple(_uses(chosen)),
        _call(config, functions, error),
        None if sampling is None else sampling.title,
        None if chosen is None else _why(chosen, functions, asked_for=config.endpoint is not None),
        error,
    )


def _uses(chosen: Endpoint) -> Iterator[Use]:
    """Yield the inputs of a chat, each with a name that is its own."""
    inputs = chosen.chat_inputs
    names = [name for each in inputs for name in {*map(bare_name, _labels(each))}]
    for position, each in enumerate(inputs):
        if each.kind == "state" and each.role is None:
            continue
        own = [name for name in _labels(each) if names.count(bare_name(name)) == 1]
        yield Use(
            own[0] if own else position,
            each.kind,
            each.default,
            each.choices,
            each.role,
            each.why or None,
        )
    setting = (each for step in chosen.before if step.phase == "setting" for each in step.inputs)
    for each in setting:
        if each.role is not None:
            why = f"{each.why}; its own event sets it"
            yield Use(
                each.name, each.kind, each.default, each.choices, each.role, why, is_set_apart=True
            )


def _labels(each: Input) -> list[str]:
    """Return the label and the parameter of an input, as far as it has them."""
    label = each.name if each.name != each.kind else ""
    return list(dict.fromkeys(name for name in (label, each.parameter) if name and bare_name(name)))


def _call(
    config: SpaceConfig, functions: Sequence[Function], error: QwenSpaceError | None
) -> str | None:
    """Return the line that makes a model of the app, with a function's name where it needs one."""
    fitting = [each for each in functions if each.fits]
    if error is not None and not (isinstance(error, EndpointError) and fitting):
        return None
    endpoint = config.endpoint if error is None else fitting[0].name
    given = {"space": config.space if isinstance(config.space, str) else config.url}
    more = {
        "endpoint": endpoint,
        "roles": dict(config.roles) or None,
        "inputs": dict(config.inputs) or None,
    }
    arguments = {**given, **{name: each for name, each in more.items() if each is not None}}
    return (
        f"ChatQwenSpace({', '.join(f'{name}={as_code(arg)}' for name, arg in arguments.items())})"
    )


def as_code(value: Any) -> str:
    """Return a text, or a dict of texts, as people write it in Python."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        items = (f"{as_code(key)}: {as_code(each)}" for key, each in value.items())
        return f"{{{', '.join(items)}}}"
    return repr(value)


_STATES: tuple[tuple[type[QwenSpaceError], str], ...] = (
    (SpaceUnavailableError, "unavailable"),
    (SpaceUnreachableError, "unreachable"),
    (SpaceTimeoutError, "silent"),
    (AuthenticationError, "refused"),
    (QuotaError, "busy"),
    (QueueFullError, "busy"),
)


def _state(error: QwenSpaceError) -> str:
    if isinstance(error, SpaceUnavailableError) and error.stage is not None:
        return hub.state_name(error.stage)
    return next((state for kind, state in _STATES if isinstance(error, kind)), "unknown")


def _functions(app: App, chosen: Endpoint | None, info: Any) -> Iterator[Function]:
    steps = {} if chosen is None else {each.fn_index: each for each in (*chosen.before, chosen)}
    for function in app.config.functions:
        names = parameter_names(info, function.api_name)
        if function.id in steps:
            yield _function(function, steps[function.id], chosen, names)
        elif function.api_name is not None and function.runs and function.public:
            yield _function(function, app.fitting(function.id), chosen, names)


def _function(
    function: AppFunction,
    endpoint: Endpoint | None,
    chosen: Endpoint | None,
    names: Sequence[str],
) -> Function:
    """Return a function as it is shown.

    Args:
        function: As the app tells of it.
        endpoint: How a chat would use it, if it can.
        chosen: The function that a chat uses.
        names: Its parameters, those of states left out; none where they are not known.
    """
    uses: Sequence[Input | None] = [None] * len(function.inputs)
    if endpoint is not None and len(endpoint.inputs) == len(function.inputs):
        uses = endpoint.inputs
    shown = [each for each in function.inputs if each.kind != "state"]
    named = (
        dict(zip([each.id for each in shown], names, strict=True))
        if len(names) == len(shown)
        else {}
    )
    reply = None if endpoint is None else endpoint.output
    is_step = chosen is not None and function.id in {each.fn_index for each in chosen.before}
    return Function(
        function.api_name,
        function.id,
        function.public,
        function.streams,
        endpoint is not None and not is_step,
        chosen is not None and chosen.fn_index == function.id,
        is_step,
        [
            _input(each, use, named.get(each.id))
            for each, use in zip(function.inputs, uses, strict=True)
        ],
        [
            _component(each, "reply" if at == reply else None)
            for at, each in enumerate(function.outputs)
        ],
    )


def _input(component: AppComponent, use: Input | None, parameter: str | None) -> Component:
    if use is None:
        return _component(component, None, parameter)
    return _component(component, use.role, use.parameter or parameter, use.why or None)


def _component(
    component: AppComponent,
    role: str | None,
    parameter: str | None = None,
    why: str | None = None,
) -> Component:
    return Component(
        component.label,
        parameter,
        component.kind,
        component.value,
        component.choices,
        role,
        why,
    )


def _why(endpoint: Endpoint, functions: Sequence[Function], *, asked_for: bool) -> str:
    """Return in words the reason for the chosen function."""
    chosen = next((each for each in functions if each.chosen), None)
    if chosen is None and endpoint.is_discovered:
        return "made as the page loads (gr.render)"
    if chosen is None:
        return "known of this Space, though its /config does not tell"
    others = [each.title for each in functions if each.fits and not each.chosen]
    reply = next((each.component for each in chosen.outputs if each.role), "component unknown")
    steps = " and ".join(each.title for each in functions if each.step)
    reasons = [
        "asked for by name" if asked_for else "",
        "the only one that fits a chat" if not others else f"named {chosen.name}",
        "listed in the app's API" if chosen.public else "not listed in the app's API",
        "streams" if chosen.streams else "does not stream",
        f"shows its reply in a {reply}",
        f"runs after {steps}" if steps else "",
    ]
    rivals = f"; {', '.join(others)} would fit too" if others else ""
    return ", ".join(filter(None, reasons)) + rivals
