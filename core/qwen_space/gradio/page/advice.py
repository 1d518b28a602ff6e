"""The sentences of an error about an app's functions: which there are, and how to name one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qwen_space.gradio.page.api_parameters import may_hold_messages
from qwen_space.gradio.page.app import CHATS, NUMBERS, TEXTS, AppComponent, AppFunction
from qwen_space.gradio.page.candidate import distinct_inputs
from qwen_space.gradio.page.media_inputs import MEDIA_KINDS
from qwen_space.gradio.page.outputs import find_output
from qwen_space.gradio.page.roles import Roles

__all__ = [
    "MOST_TOLD",
    "describe",
    "explain_status",
    "explain_unfit",
    "function_name",
    "function_title",
    "input_name",
    "list_names",
    "prompt_advice",
]

MOST_TOLD = 8
"""The most candidates, or inputs of one, in an error."""

_NO_ROLES: Mapping[Any, Any] = {}

_NO_PROMPTS = {"state", "checkbox", *CHATS, *NUMBERS}.union(*MEDIA_KINDS.values())


def list_names(functions: Sequence[AppFunction], *, can_choose: bool = True) -> str:
    """Return the names of the functions, and how to choose one if that helps."""
    names = [f"/{each.api_name}" for each in functions if each.api_name]
    more = ", ..." if len(names) > 30 else ""
    listed = f"Its endpoints are: {', '.join(names[:30]) or 'none with a name'}{more}."
    return f"{listed} Name the one to use as endpoint." if can_choose else listed


def explain_unfit(functions: Sequence[AppFunction]) -> str:
    """Tell why none of the functions fits, and how to name one with its prompt all the same."""
    able = [each for each in functions if each.runs and each.inputs]
    able = [each for each in able if any(_is_unknown(part) for part in each.inputs)]
    if not able and any(each.renders is not None for each in functions):
        return (
            "Its page makes parts of itself only once a visitor has done something there "
            f"(gr.render), and /config does not tell of them. {list_names(functions)}"
        )
    untyped = next(filter(_lacks_type, functions), None)
    if not able and untyped is not None:
        return f"{function_title(untyped)} takes a text.{prompt_advice(untyped)}"
    taking = [each for each in functions if _takes_text(each)]
    if not able and all(find_output(each) is None for each in taking):
        names = list_names(functions, can_choose=False)
        lack = "that take a text gives a text back" if taking else "takes a text"
        return f"None of its functions {lack}. {names}"
    if not able:
        return list_names(functions)
    shown = "; ".join(describe([each]) for each in able[:MOST_TOLD])
    at, part = next(pair for pair in enumerate(able[0].inputs) if _is_unknown(pair[1]))
    key = repr(part.label) if part.label else at
    return (
        f"Candidates with an input of a kind that is not known: {shown}. If one of them takes "
        f'the prompt, say so, as with endpoint="{function_name(able[0])}", '
        f'roles={{{key}: "prompt"}}.'
    )


def explain_status(steps: Sequence[AppFunction], roles: Roles) -> str:
    """Tell why a function that gives a status alone is not taken, and how to take it."""
    at = find_output(steps[-1])
    shown = "" if at is None else f" {input_name(steps[-1].outputs[at])!r:.100}"
    return (
        f"{describe(steps, roles)} gives no more than{shown}, which is a status. If that is the "
        f'reply, name the function, as with endpoint="{function_name(steps[-1])}".'
    )


def describe(steps: Sequence[AppFunction], roles: Roles = _NO_ROLES) -> str:
    """Describe a function and the steps before it by its name, its number and all inputs."""
    shown = [each for each in distinct_inputs(steps) if each.kind != "state"]
    takes = []
    for each in shown[:MOST_TOLD]:
        role, _ = roles.get(each.id, (None, ""))
        unknown = f", an unknown {each.kind}" if _is_unknown(each) else ""
        takes.append(f"{input_name(each)}{f' as {role}' if role else ''}{unknown}")
    more = ", ..." if len(shown) > MOST_TOLD else ""
    last = steps[-1]
    number = "" if last.api_name is None else f"#{last.id} "
    return f"{function_title(last)} ({number}{', '.join(takes)}{more})"


def function_name(function: AppFunction) -> str:
    """Return the name that `endpoint=` takes: the api name, or the number."""
    return f"#{function.id}" if function.api_name is None else function.api_name


def function_title(function: AppFunction) -> str:
    """Return the name as people write it: `/chat`, or `#3`."""
    return f"#{function.id}" if function.api_name is None else f"/{function.api_name}"


def input_name(component: AppComponent) -> str:
    """Return the label, or the type of a component without one."""
    return component.label or component.kind


def prompt_advice(function: AppFunction) -> str:
    """Return how to say which of a function's inputs is the prompt, or why that would not help."""
    if _lacks_type(function):
        return (
            " Gradio sends the result of gr.api and gr.Server only if it has a type: "
            "its author has to give it one, as by `-> str`."
        )
    for at, each in enumerate(function.inputs):
        if each.kind not in _NO_PROMPTS and find_output(function) is not None:
            key = repr(each.label) if each.label else at
            return (
                f' If one of its inputs is the prompt, say so, as with roles={{{key}: "prompt"}}.'
            )
    return ""


def _takes_text(function: AppFunction) -> bool:
    """Whether a function takes a text and gives something; a Flag button changes only itself."""
    gives = any(each.kind != "button" for each in function.outputs)
    takes = any(each.kind in TEXTS | {"code"} for each in function.inputs)
    return function.runs and gives and takes


def _lacks_type(function: AppFunction) -> bool:
    """Whether a function without a page takes a text, and its result has no type."""
    takes = any(each.kind in TEXTS or may_hold_messages(each.props) for each in function.inputs)
    return takes and not (function.has_page or function.outputs)


def _is_unknown(component: AppComponent) -> bool:
    """Whether a component is of no kind of Gradio's or of the libraries that are known."""
    return component.kind not in _KNOWN_KINDS


# The components of Gradio 4 to 6, from `gradio/components`, that take no text to answer.
_KNOWN_KINDS = frozenset(
    {
        "annotatedimage",
        "api",
        "audio",
        "bargraph",
        "box",
        "browserstate",
        "button",
        "chatbot",
        "checkbox",
        "checkboxgroup",
        "clearbutton",
        "code",
        "colorpicker",
        "dataframe",
        "dataset",
        "datetime",
        "deeplinkbutton",
        "dialogue",
        "downloadbutton",
        "dropdown",
        "duplicatebutton",
        "file",
        "fileexplorer",
        "form",
        "gallery",
        "highlightedtext",
        "html",
        "image",
        "imageeditor",
        "imageslider",
        "json",
        "label",
        "lineplot",
        "loginbutton",
        "logoutbutton",
        "markdown",
        "model3d",
        "multimodaltextbox",
        "nativeplot",
        "navbar",
        "number",
        "paramviewer",
        "plot",
        "radio",
        "row",
        "scatterplot",
        "simpledropdown",
        "simpleimage",
        "simpletextbox",
        "sketchpad",
        "slider",
        "state",
        "textbox",
        "timer",
        "uploadbutton",
        "video",
        "column",
        "tab",
        "tabs",
        "accordion",
        "group",
    }
) | frozenset({*TEXTS, *CHATS})
