"""Decode JSON that a model wrote, in time linear in the text that is read.

Line breaks and tabs in strings are taken as they stand, as models do not escape them. Nothing else
is mended: NaN, 1e999, half of a surrogate pair and numbers of thousands of digits are refused, as
JSON and UTF-8 have no such values.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["AmbiguousObject", "JSONTextError", "read_json", "scan_json"]

_WINDOW = 256  # characters that are decoded at first
_CUT = 12  # characters at the end of a window that may be half of a word or an escape
_DIGITS = 4300  # Python's own limit; longer numbers take quadratic time
_HALF = r"\\u[dD][89a-fA-F]|[\ud800-\udfff]"  # perhaps


class JSONTextError(ValueError):
    """A text is not the JSON that was expected.

    Attributes:
        position: Where the text goes wrong.
        is_cut: Whether it goes wrong only in that it ends too early.
    """

    def __init__(self, reason: str, position: int, *, is_cut: bool = False) -> None:
        super().__init__(reason)
        self.position = position
        self.is_cut = is_cut


class AmbiguousObject(dict[str, Any]):
    """An object in which a key stands twice; the last value counts, as in `json`.

    Attributes:
        key: The first key that is repeated.
    """

    key = ""


def read_json(text: str) -> Any:
    """Return the value that all of a text is, white space aside.

    Raises:
        JSONTextError: It is no JSON.
    """
    start = len(text) - len(text.lstrip())
    decoder, refused = _new_decoder()
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as exc:
        raise JSONTextError(f"it is no JSON: {exc}", exc.pos, is_cut=_ends(exc, text)) from None
    except RecursionError:
        raise JSONTextError("it is nested too deep", start) from None
    _check(value, text, refused, len(text))
    return value


def scan_json(text: str, start: int) -> tuple[Any, int]:
    """Return the object or list that begins at a place of a text, and its end.

    Raises:
        JSONTextError: There is none. The text before the error's position belongs to it.
    """
    size = _WINDOW
    while True:
        # In windows, as an error costs `json` all of its text: it counts the lines before.
        window = text[start : start + size]
        is_last = start + size >= len(text)
        decoder, refused = _new_decoder()
        try:
            value, end = decoder.raw_decode(window)
        except json.JSONDecodeError as exc:
            if is_last or not _may_be_cut(exc, window):
                is_cut = is_last and _ends(exc, window)
                raise JSONTextError(exc.msg, start + exc.pos, is_cut=is_cut) from None
            size *= 4
        except RecursionError:
            raise JSONTextError("it is nested too deep", len(text)) from None
        else:
            _check(value, window[:end], refused, start + end)
            return value, start + end


def _may_be_cut(exc: json.JSONDecodeError, window: str) -> bool:
    return exc.pos >= len(window) - _CUT or _ends(exc, window)


def _ends(exc: json.JSONDecodeError, text: str) -> bool:
    """Whether JSON is wrong only in that more should follow."""
    return exc.msg.startswith("Unterminated string") or not text[exc.pos :].strip()


def _check(value: Any, text: str, refused: list[str], end: int) -> None:
    if refused:
        raise JSONTextError(f"it is no JSON: {refused[0]:.20} is no number there", end)
    if re.search(_HALF, text) and not _is_unicode(value):
        raise JSONTextError("it has half of a surrogate pair, which is no character", end)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _new_decoder() -> tuple[json.JSONDecoder, list[str]]:
    """Return a decoder, and the list to which it adds each number that is none."""
    refused: list[str] = []

    def parse_float(text: str) -> float:
        if math.isinf(value := float(text)):
            refused.append(text)
        return value

    def parse_int(text: str) -> int:
        if len(text) > _DIGITS:
            refused.append(text)
            return 0
        return int(text)

    decoder = json.JSONDecoder(
        strict=False,
        object_pairs_hook=_to_object,
        parse_constant=refused.append,
        parse_float=parse_float,
        parse_int=parse_int,
    )
    return decoder, refused


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    ambiguous = AmbiguousObject(value)
    seen: set[str] = set()
    ambiguous.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return ambiguous
