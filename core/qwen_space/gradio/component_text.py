"""The text of a component that stands in a chat in place of a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["component_text"]

_MOST_ROWS = 1_000


def component_text(kind: Any, value: Any) -> str | None:
    """Return the text that a component shows; None for one that shows none, such as a plot.

    A `gr.Dataframe` is a table in Markdown, a `gr.JSON` its JSON, a `gr.Label` its label.

    Args:
        kind: The component's type.
        value: Its value.
    """
    if isinstance(value, str):
        return value
    if kind == "json" and value is not None:
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict):
        return None
    if kind == "dataframe":
        return _table(value)
    return str(value.get("label") or "") if kind == "label" else None


def _table(value: Mapping[str, Any]) -> str | None:
    headers, rows = value.get("headers"), value.get("data")
    if not isinstance(headers, list) or not isinstance(rows, list):
        return None
    shown = [each for each in rows[:_MOST_ROWS] if isinstance(each, list)]
    more = [f"({len(rows) - _MOST_ROWS} more rows)"] if len(rows) > _MOST_ROWS else []
    return "\n".join([_row(headers), _row(["---"] * len(headers)), *map(_row, shown), *more])


def _row(cells: list[Any]) -> str:
    texts = (" ".join(("" if each is None else str(each)).split()) for each in cells)
    return f"| {' | '.join(each.replace('|', '&#124;') for each in texts)} |"
