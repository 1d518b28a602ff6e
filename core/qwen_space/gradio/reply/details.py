"""Thoughts that an app folds away with HTML's own means, at the start of a reply.

<details open><summary>Thinking</summary>hm, so</details>The answer.
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["Details", "split_details"]

_START = re.compile(r"\s{0,20}<details\b[^<>]{0,200}>")
_UNFINISHED = re.compile(r"\s{0,20}<(?:d(?:e(?:t(?:a(?:i(?:l(?:s\b[^<>]{0,200})?)?)?)?)?)?)?")
_SUMMARY = re.compile(r"\s{0,20}<summary\b[^<>]{0,200}>(.{0,300}?)</summary>", re.DOTALL)
_THINKING = re.compile(
    r"think|thought|reason|思考|思维|推理|深度|мысл|рассужд|размышл|дума|考え|생각|pens|gedanke|denk",
    re.IGNORECASE,
)
_LONGEST_SUMMARY = 800  # characters
_WRAPPERS = re.compile(r"\s{0,20}<(?:div|blockquote|p|span)\b[^<>]{0,200}>")
_CLOSERS = re.compile(r"</(?:div|blockquote|p|span)>\s{0,20}$")
_LONGEST_CLOSER = 60  # characters, white space included
_MOST_WRAPPERS = 50


class Details(msgspec.Struct, frozen=True):
    """A reply that begins with folded thoughts.

    Attributes:
        thought: The thoughts.
        answer: The text after them.
        is_closed: Whether the thoughts have ended.
    """

    thought: str
    answer: str
    is_closed: bool


def split_details(text: str, *, is_final: bool = True) -> Details | None:
    """Return the folded thoughts and the answer of a reply; None where it begins with none.

    Args:
        text: The reply.
        is_final: Whether nothing follows. Until then it may be that no summary has come yet, or
            not the whole of the first tag.
    """
    if (start := _START.match(text)) is None:
        may_begin = not is_final and _UNFINISHED.fullmatch(text) is not None
        return Details("", "", is_closed=False) if may_begin else None
    summary = _SUMMARY.match(text, start.end())
    if summary is None and not is_final and len(text) < _LONGEST_SUMMARY:
        return Details("", "", is_closed=False)
    if summary is None or not _THINKING.search(summary[1]):
        return None
    body, closing, answer = text[summary.end() :].partition("</details>")
    return Details(_unwrapped(body), answer.lstrip(), is_closed=bool(closing and answer.strip()))


def _unwrapped(body: str) -> str:
    """Return the text within the elements that an app puts around it."""
    start, end = 0, len(body)
    for _ in range(_MOST_WRAPPERS):
        if (wrapper := _WRAPPERS.match(body, start, end)) is None:
            break
        start = wrapper.end()
        closer = _CLOSERS.search(body, max(end - _LONGEST_CLOSER, start), end)
        end = end if closer is None else closer.start()
    return body[start:end].strip()
