"""A script that describes the message it was given, so that tests compare bytes to the letter."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["describe_message"]

_PNG = b"\x89PNG\r\n\x1a\n"


def describe_message(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each part of the last message, as a `ScriptedEngine`'s reply.

    A picture or a sound is its kind, its bytes, their SHA-256 and, of a PNG, its size in pixels,
    such as `image 69 bytes b1ff... 1x1`; a text is itself.
    """
    content = messages[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for count, part in enumerate(parts):
        yield ("\n" if count else "") + _line(part)


def _line(part: Mapping[str, Any]) -> str:
    if part["type"] == "text":
        return str(part["text"])
    if part["type"] == "input_audio":
        kind, data = "audio", part["input_audio"]["data"]
    else:
        kind = part["type"].removesuffix("_url")
        data = part[part["type"]]["url"].partition(",")[2]
    found = base64.b64decode(data)
    size = ""
    if found.startswith(_PNG):
        width, height = struct.unpack(">II", found[16:24])
        size = f" {width}x{height}"
    return f"{kind} {len(found)} bytes {hashlib.sha256(found).hexdigest()}{size}"
