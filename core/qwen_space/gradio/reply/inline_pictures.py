"""Pictures that an app writes into a text, with all their bytes, as HTML or as Markdown.

<div><img src="data:image/png;base64,iVBORw0..." alt="a cat"></div>
![a cat](data:image/png;base64,iVBORw0...)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["INLINE", "split_pictures"]

INLINE = "data:image/"
"""The start of each address that holds a picture."""

_DATA = re.compile(r"data:(image/[\w.+-]{1,40});base64,")
# No attribute may hold a `<`, so that each start of a tag is looked at once.
_OPENING = re.compile(
    r"""(?:<img\b[^<>]{0,2000}?\bsrc\s{0,9}=\s{0,9}(["'])|!\[[^\[\]\n]{0,2000}\]\()\Z""",
    re.IGNORECASE,
)
_LONGEST_OPENING = 2100  # characters
_TAG_END = re.compile(r"[^<>]{0,2000}>")
_NOT_BASE64 = "<>\"'()"  # signs around a picture
_TAG = re.compile(r"</?[a-z][^<>]{0,2000}>", re.IGNORECASE)
_FENCE = "```"


def split_pictures(text: str) -> tuple[str, tuple[Mapping[str, Any], ...], bool]:
    """Return a text without the pictures in it, these as `FileData`, and whether the text goes on.

    It does unless it ends in tags around pictures alone, which are no text, or in a picture that
    is not complete. A picture between fences is code.
    """
    if INLINE not in text:
        return text, (), True
    kept: list[str] = []
    files: list[Mapping[str, Any]] = []
    end = fences = 0
    for start, after, mime_type, data in _pictures(text):
        before = text[end:start]
        fences += before.count(_FENCE)
        if fences % 2:
            kept.append(text[end:after])
        else:
            kept.append(before)
            url = f"data:{mime_type};base64,{''.join(data.split())}"
            files.append({"path": "", "url": url, "mime_type": mime_type})
        end = after
    if not files:
        return text, (), True
    tail = text[end:]
    rest = "".join([*kept, tail]).lstrip()
    if rest and not _TAG.sub("", rest).strip():
        return "", tuple(files), False
    return rest, tuple(files), INLINE not in tail


def _pictures(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield where each picture starts and ends, its type and its data."""
    addresses = [*_DATA.finditer(text)]
    for number, address in enumerate(addresses):
        before = addresses[number - 1].end() if number else 0
        behind = addresses[number + 1].start() if number + 1 < len(addresses) else len(text)
        first, end = max(before, address.start() - _LONGEST_OPENING), address.end()
        if (opening := _OPENING.search(text, first, address.start())) is None:
            continue
        quote = opening[1]
        close = text.find(quote or ")", end, behind)  # a regex takes 30 ns for each character
        data = text[end : max(close, end)]
        if not data or not data.isascii() or any(sign in data for sign in _NOT_BASE64):
            continue
        if not quote:
            yield opening.start(), close + 1, address[1], data
        elif tag_end := _TAG_END.match(text, close + 1):
            yield opening.start(), tag_end.end(), address[1], data
