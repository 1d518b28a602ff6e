"""Media: the pictures, sounds, videos and other files of a chat's messages."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

import msgspec

__all__ = [
    "PLACEHOLDER",
    "Media",
    "MediaKind",
    "describe_media",
    "drop_media",
    "media_kind",
    "to_media",
]

MediaKind = Literal["image", "audio", "video", "file"]
"""The kinds of media; "file" is any other, such as a PDF."""

PLACEHOLDER = "\ufffc"
"""Stands in a message's text for a media of it: Unicode's OBJECT REPLACEMENT CHARACTER."""

_KINDS: frozenset[str] = frozenset(get_args(MediaKind))
_LONGEST_NAME = 100  # characters of a file's name
_NOT_IN_NAMES = re.compile(r"[^\w .()+-]+")


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a sound, a video or another file of a message.

    It has one of `data`, `path` and `url`. Bytes and paths are uploaded to the app. A URL goes to
    the app as it stands, which fetches it; this package never does.

    Attributes:
        kind: "image", "audio", "video" or "file".
        data: The bytes.
        path: The place of the bytes on this machine.
        url: An http or https address that the app can reach.
        mime_type: The type, such as "image/png"; None takes it from the name.
        name: The file's name; None takes that of the path or the URL.

    Raises:
        ValueError: There is none of the three, or more than one; the kind is not known, the URL
            is of another scheme, or the type cannot stand in a header.
    """

    kind: MediaKind
    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    url: str | None = field(default=None, repr=False)  # may be signed
    mime_type: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        given = [each for each in (self.data, self.path, self.url) if each is not None]
        if len(given) != 1:
            raise ValueError(f"Media needs one of data, path and url, and was given {len(given)}.")
        if self.kind not in _KINDS:
            raise ValueError(f"kind={self.kind!r}: {', '.join(sorted(_KINDS))}.")
        if self.url is not None and urlsplit(self.url).scheme not in {"http", "https"}:
            raise ValueError(
                f"url={self.url!r:.100}: an app fetches http and https only; give the bytes as "
                "data, or a Path."
            )
        given_type = self.mime_type or ""
        if not (given_type.isascii() and given_type.isprintable()):  # it goes into a header
            raise ValueError(
                f"mime_type={given_type!r:.100}: a type is like 'image/png'; None guesses it."
            )

    @classmethod
    def from_path(cls, path: Path) -> Media:
        """Return the media that a file on this machine is; its suffix tells the kind."""
        mime_type = _guess_type(path.name)
        return cls(media_kind(mime_type), path=path, mime_type=mime_type)

    @property
    def filename(self) -> str:
        """A name for the app, with a suffix that tells the type, without folders."""
        given = self.name or (self.path.name if self.path else _last_part(self.url))
        name = _NOT_IN_NAMES.sub("_", PurePath(given.replace("\\", "/")).name)[-_LONGEST_NAME:]
        name = name.strip(" .") or self.kind
        if PurePath(name).suffix or not self.mime_type:
            return name
        from qwen_space.chat.media_types import guess_suffix

        return name + guess_suffix(self.mime_type)

    @property
    def content_type(self) -> str:
        """The type, "application/octet-stream" where nothing tells it."""
        return self.mime_type or _guess_type(self.filename) or "application/octet-stream"

    @property
    def description(self) -> str:
        """A line that stands for it in a text, such as `[image: cat.png]`."""
        named = self.name or self.path or self.url
        return f"[{self.kind}: {self.filename}]" if named else f"[{self.kind}]"


def _guess_type(name: str) -> str | None:
    from qwen_space.chat.media_types import guess_type

    return guess_type(name)


def media_kind(mime_type: str | None) -> MediaKind:
    """Return the kind of a file of this type."""
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else "file"  # type: ignore[return-value]


def _last_part(url: str | None) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2] if url else ""


# In a text


def drop_media(text: str) -> str:
    """Return a message's text without the places of its media."""
    return "\n".join(line for line in text.split("\n") if line != PLACEHOLDER)


def describe_media(text: str, media: Sequence[Media], *, left_out: str = "") -> str:
    """Return a message's text with a line in the place of each media.

    Args:
        text: The text.
        media: The media, in order.
        left_out: The reason why the media is not sent, which the lines give; "" if it is.
    """
    pieces = text.split(PLACEHOLDER, len(media))
    lines = [
        f"[{each.kind}: left out, as {left_out}]" if left_out else each.description
        for each in media
    ]
    return "".join(piece + line for piece, line in zip(pieces, [*lines, ""], strict=False))


# In a message's content


def to_media(part: Mapping[str, Any]) -> Media | None:
    """Return the media that a part of a message's content is; None if it is something else.

    Known are LangChain's `image`, `audio`, `video` and `file` blocks, with `base64`, `data` or
    `url`, and the older `source_type`; OpenAI's `image_url`, `input_image`, `input_audio` and
    `file`; Anthropic's `image` and `document` with a `source`. An address is an http URL or a data
    URL. A path is taken as `{"type": "image", "path": pathlib.Path(...)}` only, and never as text,
    which could come from anybody.

    Raises:
        ValueError: The part is of these, and has no bytes and no address that can be used.
    """
    kind = part.get("type")
    if not isinstance(kind, str):
        return None
    for reader in (_read_openai, _read_anthropic, _read_langchain):
        for found in reader(kind, part):
            return _checked(kind, found)
    return None


class _Found(msgspec.Struct):
    """The facts about a media in a part of a content, as they stand there."""

    kind: MediaKind
    source: Any  # base64, bytes or an address
    mime_type: Any = None
    name: Any = None


def _checked(kind: str, found: _Found) -> Media:
    mime_type = found.mime_type if isinstance(found.mime_type, str) else None
    name = found.name if isinstance(found.name, str) else None
    source = found.source
    if isinstance(source, Path):
        mime_type = mime_type or _guess_type(source.name)
        return Media(found.kind, path=source, mime_type=mime_type, name=name)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return Media(found.kind, url=source, mime_type=mime_type, name=name)
    if isinstance(source, str) and source[:5].lower() == "data:":
        head, _, source = source.partition(",")
        mime_type = mime_type or head[5:].partition(";")[0] or None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Media(found.kind, data=bytes(source), mime_type=mime_type, name=name)
    try:
        data = base64.b64decode(source, validate=True) if isinstance(source, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise ValueError(
            f"A content block of type {kind!r} has {source!r:.60} where its bytes or its address "
            "should be: give base64, a data URL, an http URL, or a pathlib.Path as the block."
        )
    return Media(found.kind, data=data, mime_type=mime_type, name=name)


def _read_openai(kind: str, part: Mapping[str, Any]) -> Iterator[_Found]:
    match kind:
        case "image_url" | "input_image":
            address = part.get("image_url", part.get("url"))
            yield _Found("image", address.get("url") if isinstance(address, Mapping) else address)
        case "input_audio" if isinstance(sound := part.get("input_audio"), Mapping):
            form = sound.get("format")
            mime_type = f"audio/{'mpeg' if form == 'mp3' else form}" if form else None
            yield _Found("audio", sound.get("data"), mime_type)
        case "audio_url" | "video_url":
            address = part.get(kind)
            source = address.get("url") if isinstance(address, Mapping) else address
            yield _Found("audio" if kind == "audio_url" else "video", source)
        case "file" | "input_file":
            inner = part.get("file")
            inner = inner if isinstance(inner, Mapping) else part
            if (data := inner.get("file_data", inner.get("file_url"))) is not None:
                yield _Found("file", data, None, inner.get("filename"))


def _read_anthropic(kind: str, part: Mapping[str, Any]) -> Iterator[_Found]:
    source = part.get("source")
    if kind not in {"image", "document"} or not isinstance(source, Mapping):
        return
    found = source.get("data") if source.get("type") == "base64" else source.get("url")
    media_kind: MediaKind = "image" if kind == "image" else "file"
    yield _Found(media_kind, found, source.get("media_type"), part.get("title"))


def _read_langchain(kind: str, part: Mapping[str, Any]) -> Iterator[_Found]:
    if kind not in _KINDS:
        return
    given = (part.get(key) for key in ("base64", "data", "url", "path"))
    source = next((each for each in given if each is not None), None)
    if "path" in part and source is part["path"] and not isinstance(source, Path):
        source = None
    extras = part.get("extras") or part.get("metadata") or {}
    names = (part.get(key) or extras.get(key) for key in ("filename", "name", "file_name"))
    name = next((each for each in names if each), None)
    mime_type = part.get("mime_type")
    yield _Found(kind, source, mime_type, name)  # type: ignore[arg-type]  # one of the kinds
