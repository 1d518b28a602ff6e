"""Pictures that an app writes into a text, with all their bytes, as HTML or as Markdown.

<div><img src="data:image/png;base64,iVBORw0..." alt="a cat"></div>
![a cat](data:image/png;base64,iVBORw0...)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["INLINE", "split_pictures"]

INLINE = "data:image/"
"""The start of each address that holds a picture."""

_DATA = r"data:(image/[\w.+-]{1,40});base64,([A-Za-z0-9+/=\s]+)"
# No attribute may hold a `<`, so that each start of a tag is looked at once.
_PICTURE = re.compile(
    rf"""<img\b[^<>]{{0,2000}}?\bsrc\s{{0,9}}=\s{{0,9}}["']{_DATA}["'][^<>]{{0,2000}}>"""
    rf"""|!\[[^\[\]\n]{{0,2000}}\]\({_DATA}\)""",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-z][^<>]{0,2000}>", re.IGNORECASE)
_FENCE = "```"


def split_pictures(text: str) -> tuple[str, tuple[Mapping[str, Any], ...], bool]:
    """Return a text without the pictures in it, these as `FileData`, and whether the text goes on.

    It does where words come after the last picture: they end as the whole text ends. A picture
    between fences is code. Tags around pictures alone are no text.
    """
    if INLINE not in text:
        return text, (), True
    kept: list[str] = []
    files: list[Mapping[str, Any]] = []
    end = fences = 0
    for found in _PICTURE.finditer(text):
        before = text[end : found.start()]
        fences += before.count(_FENCE)
        if fences % 2:
            kept.append(text[end : found.end()])
        else:
            kept.append(before)
            mime_type, data = (each for each in found.groups() if each is not None)
            url = f"data:{mime_type};base64,{''.join(data.split())}"
            files.append({"path": "", "url": url, "mime_type": mime_type})
        end = found.end()
    if not files:
        return text, (), True
    tail = text[end:]
    rest = "".join([*kept, tail])
    if INLINE not in tail and _TAG.sub("", tail).strip():
        return rest.lstrip(), tuple(files), True
    return (rest.strip() if _TAG.sub("", rest).strip() else ""), tuple(files), False
