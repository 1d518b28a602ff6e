"""Makes an endpoint of an app's function, once the roles of its inputs are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qwen_space.gradio.page.api_parameters import is_of_pairs
from qwen_space.gradio.page.app import TEXTS_WITH_FILES, AppComponent, AppConfig, AppFunction
from qwen_space.gradio.page.endpoint import Endpoint, Input, Phase, Role, Shape
from qwen_space.gradio.page.media_inputs import find_slot
from qwen_space.gradio.page.roles import Roles

__all__ = ["to_endpoint"]


def to_endpoint(
    config: AppConfig,
    function: AppFunction,
    roles: Roles,
    trigger: Any,
    *,
    phase: Phase,
    parameters: Mapping[Any, Sequence[str]],
) -> Endpoint:
    """Return a function as an endpoint without an output, as the steps before a reply are.

    Args:
        config: Its app.
        function: The function.
        roles: The roles of components.
        trigger: The component that starts it on the page, or None.
        phase: When the page runs it.
        parameters: The names of the parameters that components are passed as.
    """
    return Endpoint(
        api_name=function.api_name,
        fn_index=function.id,
        trigger_id=trigger,
        inputs=tuple(
            _input(config, each, *roles.get(each.id, (None, "")), parameters.get(each.id, ()))
            for each in function.inputs
        ),
        output=None,
        protocol=config.protocol,
        prefix=config.prefix,
        outputs=tuple(None if each.kind == "state" else each.id for each in function.outputs),
        queued=function.queued,
        phase=phase,
        is_deaf=config.is_deaf,
        app_id=config.app_id,
        context_window=config.context_window,
    )


def _input(
    config: AppConfig,
    component: AppComponent,
    role: Role | None,
    why: str,
    parameters: Sequence[str],
) -> Input:
    choices = component.choices
    parameter = parameters[-1] if parameters else None
    shown = component.label or (parameter if component.is_parameter else None)
    return Input(
        role,
        shown or component.kind,
        component.value,
        None if choices is None else tuple(choices),
        _shape(config, component),
        parameter=parameter,
        kind=component.kind,
        component=component.id,
        why=why,
        limits=_limits(config, component),
        slot=find_slot(component, config.release),
    )


def _limits(config: AppConfig, component: AppComponent) -> tuple[float | None, float | None]:
    """Return the least and greatest value that a figure may have, where the server refuses others.

    It does so for a `gr.Number`, and from Gradio 5 on for a slider.
    """
    refuses = component.kind == "number" or (
        component.kind == "slider" and config.release >= (5, 0)
    )
    low, high = (component.props.get(name) for name in ("minimum", "maximum"))
    return (
        low if refuses and isinstance(low, (int, float)) else None,
        high if refuses and isinstance(high, (int, float)) else None,
    )


def _shape(config: AppConfig, component: AppComponent) -> Shape:
    if component.kind in TEXTS_WITH_FILES:
        return "multimodal"
    if component.kind == "modelscopeprochatbot":
        return "blocks"
    if component.kind in {"agentchatbot", "antdxbubblelist"}:
        return "messages"
    if component.is_parameter:
        return "pairs" if is_of_pairs(component.props) else "messages"
    if component.kind != "chatbot":
        return "pairs"
    if config.version.split(".")[0] in {"4", "5"}:
        return "messages" if component.props.get("type") == "messages" else "pairs"
    return "parts"
