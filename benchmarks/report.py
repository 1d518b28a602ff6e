"""The results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.targets import Point, points

__all__ = ["markdown"]

_SECTIONS = {
    1: "Core: CPU a token",
    2: "Through the frameworks: CPU a token, 2,000 tokens",
    3: "Latency",
    4: "Many at once",
    5: "Start",
}


def markdown(data: dict[str, Any]) -> str:
    """Return the tables of the results."""
    reached = points(data)
    parts = []
    if "cost" in data:
        head = ("", *(f"{int(count):,}" for count in _lengths(data)), "over the floor")
        parts.append(_table(head, _costs(data)))
    for number, title in _SECTIONS.items():
        if mine := [each for each in reached if each.number == number]:
            table = _table(("", "measured", "at most", ""), map(_row, mine))
            parts.append(f"### {title}\n\n{table}")
    return "\n\n".join(parts)


def _lengths(data: dict[str, Any]) -> list[str]:
    return list(data["cost"]["lengths"]["floor"])


def _costs(data: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield a row for each client: microseconds a token, for each length."""
    lengths = data["cost"]["lengths"]
    for case, costs in lengths.items():
        cells = (f"{costs[count]:.1f}" if count in costs else "" for count in _lengths(data))
        yield case, *cells, f"{costs['2000'] / lengths['floor']['2000']:.1f} x"


def _row(point: Point) -> tuple[str, ...]:
    if point.most is None:
        return point.what, _figure(point.measured, point.unit), "", ""
    verdict = "yes" if point.is_reached else "**no**"
    return point.what, _figure(point.measured, point.unit), _figure(point.most, point.unit), verdict


def _figure(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip()


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
