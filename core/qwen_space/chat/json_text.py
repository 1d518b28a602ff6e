"""The JSON decoder for text that a model wrote."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["DECODER", "AmbiguousObject"]


class AmbiguousObject(dict[str, Any]):
    """An object in which a key stands twice; the last value counts, as in `json`.

    Attributes:
        key: The first key that is repeated.
    """

    key = ""


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    ambiguous = AmbiguousObject(value)
    seen: set[str] = set()
    ambiguous.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return ambiguous


def _refuse(constant: str) -> Any:
    raise ValueError(f"it is no JSON: {constant} is no number there")


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_to_object, parse_constant=_refuse)
"""Takes line breaks and tabs in strings as they stand, which models write; refuses NaN."""
