"""`qwen-space inspect` for people: a line to paste, and the facts behind it.

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

from qwen_space.cli.inspection import Function, Inspection, Use, as_code
from qwen_space.cli.plain import strip_control_chars
from qwen_space.gradio.page.app import CHATS

__all__ = ["inspection_table"]

_MOST_NAMES = 30  # functions that are named in a line


def inspection_table(found: Inspection) -> Group:
    """Return the line that makes a model of an app, and the facts about the app below it."""
    parts: list[Any] = []
    if found.call is not None:
        parts += [_line(found.call), Text()]
    parts.append(_cell(_facts(found)))
    if found.why is not None:
        parts.append(_cell(_choice(found)))
    if found.uses:
        parts += [Text(), _roles(found.uses), *_hints(found)]
    return Group(*parts, *_others(found))


def _facts(found: Inspection) -> str:
    gradio = f"Gradio {found.gradio}" if found.gradio else None
    facts = (found.state, gradio, found.protocol, found.prefix)
    return f"{found.space}: {', '.join(filter(None, facts))}."


def _choice(found: Inspection) -> str:
    """Return the function that a chat uses, and why."""
    title = "a function" if found.chosen is None else found.chosen.title
    said = f"A chat uses {title}: {found.why}."
    return said if found.sampling is None else f"{said} For temperature, top_p: {found.sampling}."


def _roles(uses: Sequence[Use]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Role", no_wrap=True)
    table.add_column("Input", overflow="fold", max_width=24)
    table.add_column("Value", overflow="fold", max_width=20)
    table.add_column("Why", overflow="fold")
    for each in uses:
        style = "" if each.role else "dim"
        table.add_row(
            _cell(each.role or "-"),
            _cell(f"{each.name} ({each.component})"),
            _cell(_value(each)),
            _cell(each.why or ""),
            style=style,
        )
    return table


def _value(use: Use) -> str:
    """Return the value of an input, and the other choices."""
    value = _short(use.default)
    others = [str(each) for each in use.choices or () if each != use.default]
    if not others:
        return value
    return _cut(f"{value} of {', '.join(others)}" if value else ", ".join(others), 60)


def _short(value: Any) -> str:
    if value in (None, "", []):
        return ""
    return _cut(json.dumps(value, ensure_ascii=False), 40)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _hints(found: Inspection) -> Iterator[Text]:
    """Yield how to change the roles, and how to give the other inputs a value."""
    yield _cell(f"These are roles={as_code(found.roles)}; change it to give an input another role.")
    free = [each for each in found.uses if each.role is None and each.component not in CHATS]
    rest = [each.name for each in free if isinstance(each.name, str)]
    if rest:
        yield _cell(f"An input without a role takes a value by inputs={{{as_code(rest[0])}: ...}}.")


def _others(found: Inspection) -> Iterator[Text]:
    """Yield the other functions; errors are told by the command."""
    others = [each for each in found.endpoints if not (each.chosen or each.step)]
    fitting = [each for each in others if each.fits]
    rest = [each for each in others if not each.fits]
    if fitting:
        names = " or ".join(f"endpoint={as_code(each.name)}" for each in fitting[:_MOST_NAMES])
        yield _cell(f"Others that fit a chat, by {names}:")
        yield from (_cell(f"  {each.title}: {_inputs(each)}") for each in fitting[:_MOST_NAMES])
    elif found.endpoints and found.why is None:
        yield _cell("A chat needs a function that takes a text and gives one, or a chat, back.")
    if rest:
        more = ", ..." if len(rest) > _MOST_NAMES else ""
        names = ", ".join(each.title for each in rest[:_MOST_NAMES])
        yield _cell(f"Others: {names}{more}.")


def _inputs(function: Function) -> str:
    """Return the inputs of a function in a line, with their roles."""
    shown = [each for each in function.inputs if each.component != "state"]
    named = (
        f"{each.label or each.parameter or each.component}{f' ({each.role})' if each.role else ''}"
        for each in shown
    )
    return ", ".join(named) or "no inputs"


def _line(text: str) -> Text:
    """Return a line that the terminal may wrap, and that stays one for a copy of it."""
    line = _cell(text, "bold")
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _cell(text: str, style: str = "") -> Text:
    """Return text of an app, in which neither markup nor control characters count."""
    return Text(strip_control_chars(text), style)
