"""`qwen-space inspect` for people: the facts about an app, as a table.

This module imports rich, which the extra `cli` brings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from qwen_space.cli.inspection import Component, Function, Inspection
from qwen_space.cli.plain import strip_control_chars

__all__ = ["inspection_table"]


def inspection_table(found: Inspection) -> Group:
    """Return the facts about an app as a table, with the choice below."""
    facts = Table.grid(padding=(0, 2))
    for name in ("space", "state", "gradio", "protocol", "prefix"):
        facts.add_row(Text(name.capitalize(), style="bold"), _cell(getattr(found, name) or "-"))
    parts = [facts, Text(), _endpoints(found.endpoints)] if found.endpoints else [facts]
    return Group(*parts, *_choice(found))


def _endpoints(functions: Sequence[Function]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Endpoint", no_wrap=True, overflow="fold")
    table.add_column("Component", no_wrap=True)
    table.add_column("Default", overflow="fold")
    table.add_column("Choices", overflow="fold")
    table.add_column("In a chat", overflow="fold")
    for function in functions:
        style = "bold" if function.chosen or function.step else "" if function.fits else "dim"
        use = "chosen" if function.chosen else "step before" if function.step else ""
        use = use or ("fits" if function.fits else "")
        table.add_row(_cell(function.title), "", "", "", use, style=style)
        for component in function.inputs:
            table.add_row(*_input(component), style=style)
        for component in function.outputs:
            table.add_row(*_output(component), style=style)
        table.add_row()
    return table


def _input(component: Component) -> list[Text]:
    return [
        _cell(f"  in   {_name(component)}"),
        _cell(component.component),
        _cell(_short(component.default)),
        _cell(", ".join(map(str, component.choices or ()))),
        _cell(": ".join(filter(None, (component.role, component.why)))),
    ]


def _output(component: Component) -> list[Text]:
    name, kind = _cell(f"  out  {_name(component)}"), _cell(component.component)
    return [name, kind, Text(), Text(), _cell(component.role or "")]


def _name(component: Component) -> str:
    """Return the names of an input: the parameter's name, the label, or both."""
    return " = ".join(filter(None, (component.parameter, component.label))) or "-"


def _short(value: Any) -> str:
    if value in (None, "", []):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _choice(found: Inspection) -> Iterator[Text]:
    """Yield the chat's function and the reason, or how to choose; the command tells errors."""
    if found.why is not None:
        title = "a function" if found.chosen is None else found.chosen.title
        yield _cell(f"A chat uses {title}: {found.why}.")
        return
    fitting = [each.name for each in found.endpoints if each.fits and each.name]
    if fitting:
        yield _cell(f"Choose with --endpoint, or endpoint= in Python: {', '.join(fitting)}.")
    elif found.endpoints:
        yield _cell("A chat needs a function that takes a text and gives one, or a chat, back.")


def _cell(text: str) -> Text:
    """Return text of an app, in which neither markup nor control characters count."""
    return Text(strip_control_chars(text))
