"""JSON from a server that may mean harm: odd values, and large ones in slices.

Decoding holds the interpreter, so a large value is decoded by its parts: the caller who drives the
generator can let others run between two of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from qwen_space.errors import ProtocolError

__all__ = ["LARGE", "decode_large", "load", "show_start"]

LARGE = 2**18  # bytes: they take a few milliseconds at most
_VALUE = 16  # bytes that take as long as a value by itself, beside its own
_SLICE = 2**20  # bytes of a string
_MAX_ODD = 2**22  # bytes of a value that only `json` takes, which cannot do it in slices
_MAX_DEPTH = 32  # at which a large value may be: a chat's is at 8
# A list of nothing takes 3 bytes of JSON and 64 of memory, a number 2 and 40, and each holds the
# interpreter while its list or object is taken apart: so the containers, strings, fields and
# numbers of a large value are limited beside its bytes. Quotes within texts are escaped, but
# brackets and commas there count too, which in 64 MB of prose are fewer.
_MAX_CONTAINERS = 2**19
_MAX_STRINGS = 2**19
_MAX_FIELDS = 2**17
_MAX_COMMAS = 2**20

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string = msgspec.json.Decoder(str).decode
_any = msgspec.json.Decoder().decode

_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def load(data: bytes) -> Any:
    """Return the value of some JSON, NaN and other numbers that JSON has not among it.

    Half of a surrogate pair is no text: it can be neither printed nor sent on.

    Raises:
        ProtocolError: It is no JSON, or has half of a surrogate pair.
    """
    try:
        text = data.decode()
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        why = "is not UTF-8" if isinstance(exc, UnicodeDecodeError) else "is not JSON"
        raise ProtocolError(f"A message of the stream {why}: {show_start(data)}") from exc
    if r"\ud" in text or r"\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as exc:
            half = f"A message of the stream has half of a surrogate pair: {show_start(data)}"
            raise ProtocolError(half) from exc
    return value


def decode_large(data: bytes) -> Generator[None, None, Any]:
    """Yield after each slice of the work; return the value of some JSON.

    Raises:
        ProtocolError: It is no JSON, nested too deeply, or of too many values.
    """
    yield from _check_count(data)
    return (yield from _decode(memoryview(data), 0))


def _check_count(data: bytes) -> Generator[None, None, None]:
    """Raise ProtocolError if a message has more values than memory is meant for."""
    containers = quotes = fields = commas = 0
    for at in range(0, len(data), _SLICE):
        part = data[at : at + _SLICE]
        containers += part.count(b"[") + part.count(b"{")
        quotes += part.count(b'"') - part.count(b'\\"')
        fields += part.count(b'":') - part.count(b'\\":')
        commas += part.count(b",")
        yield
    if (
        containers > _MAX_CONTAINERS
        or quotes // 2 > _MAX_STRINGS
        or fields > _MAX_FIELDS
        or commas > _MAX_COMMAS
    ):
        raise ProtocolError(f"A message of the stream has too many values: {show_start(data)}")


def _decode(part: memoryview, depth: int) -> Generator[None, None, Any]:
    if len(part) <= LARGE:
        return _small(part)
    if depth > _MAX_DEPTH:
        raise ProtocolError("A large value of a message is nested too deeply to be a chat's.")
    yield
    try:
        match bytes(part[:64]).lstrip()[:1]:
            case b'"':
                return (yield from _decode_string(part))
            case b"[":
                values = _items(part)
                return (yield from _decode_values(values, enumerate(values), depth))
            case b"{":
                fields = _fields(part)
                return (yield from _decode_values(fields, fields.items(), depth))
    except _REFUSALS:
        pass
    if len(part) > _MAX_ODD:
        raise ProtocolError(f"A message of the stream is not JSON: {show_start(bytes(part[:200]))}")
    return load(bytes(part))


def _decode_values(
    values: Any, items: Iterable[tuple[Any, msgspec.Raw]], depth: int
) -> Generator[None, None, Any]:
    """Put the decoded values of a list, or of an object, in the places of their bytes."""
    yield
    done = 0
    for key, item in items:
        part = memoryview(item)
        values[key] = _small(part) if len(part) <= LARGE else (yield from _decode(part, depth + 1))
        if (done := done + len(part) + _VALUE) > LARGE:
            done = 0
            yield
    return values


def _decode_string(part: memoryview) -> Generator[None, None, str]:
    text = bytes(part).strip()
    if not text.endswith(b'"'):
        raise ProtocolError(f"A message of the stream is not JSON: {show_start(text[:200])}")
    pieces, at = [], 1
    while at < len(text) - 1:
        end = _cut(text, at, min(at + _SLICE, len(text) - 1))
        pieces.append(_string(b'"%b"' % text[at:end]))
        at = end
        yield
    return "".join(pieces)


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|u[0-9a-fA-F]{4}|.|$)", re.DOTALL
)


def _cut(text: bytes, start: int, end: int) -> int:
    """Return where a JSON string can be cut, at `end` or just before.

    Neither a character's bytes nor an escape, nor a pair of surrogates, is cut in two.
    """
    if end == len(text) - 1:
        return end
    for _ in range(3):
        if text[end] & 0xC0 == 0x80:
            end -= 1
    at = end - 12  # the longest escape, which is a pair, takes as many bytes
    before = text[start:at]
    at -= (len(before) - len(before.rstrip(b"\\"))) % 2  # an odd one begins an escape
    while (at := text.find(b"\\", at, end)) >= 0:
        escape = _ESCAPE.match(text, at)
        if escape is None or escape.end() > end:
            return at
        at = escape.end()
    return end


def _small(part: memoryview) -> Any:
    try:
        return _any(part)
    except _REFUSALS:
        return load(bytes(part))


def show_start(data: bytes) -> str:
    """Return the first 200 bytes of a message, for an error."""
    return repr(data[:200].decode(errors="replace"))
