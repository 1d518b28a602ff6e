"""Turns: the messages of a chat, as text with media."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qwen_space.chat.media import PLACEHOLDER, Media, describe_media, drop_media, to_media

__all__ = ["Turn", "has_text", "is_text", "join_parts", "part_text", "split_parts", "to_turns"]

_SYSTEM_ROLES = frozenset({"system", "developer"})
_LONGEST_NAME = 64  # characters, as in OpenAI's protocol

# The keys under which a part of each type has its text.
_TEXT_KEYS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
}
_TEXT_FORMATS = ("json", "xml", "yaml", "csv", "javascript", "toml")


class Turn(msgspec.Struct, frozen=True):
    """One message of a chat.

    Attributes:
        role: "system", "developer", "user", "assistant", "tool", or any other name.
        text: The text, with a `PLACEHOLDER` on a line of its own for each media.
        name: The name of the person or agent, where several have the same role.
        media: The pictures and files of the message, in order.
        is_result: Whether it has results of tools, whose media may be left out.
    """

    role: str
    text: str
    name: str | None = None
    media: tuple[Media, ...] = ()
    is_result: bool = False

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the system prompt."""
        return self.role in _SYSTEM_ROLES

    @property
    def label(self) -> str:
        """The name on one line, cut to 64 characters; empty without one."""
        name = " ".join((self.name or "").split())[:_LONGEST_NAME]
        return name.encode("utf-8", "replace").decode()  # no half of a surrogate pair

    @property
    def bare_text(self) -> str:
        """The text without the places of media, for an app that gets the media beside it."""
        return drop_media(self.text) if self.media else self.text

    @property
    def described_text(self) -> str:
        """The text with a line in the place of each media, such as `[image: cat.png]`."""
        return describe_media(self.text, self.media) if self.media else self.text

    @property
    def labelled_text(self) -> str:
        """The bare text behind the name, for an app that has no place for names.

        The assistant's own turns have none, as the model would begin its replies with it.
        """
        text = self.bare_text
        return f"{self.label}: {text}" if self.label and self.role == "user" else text


def to_turns(messages: Iterable[Mapping[str, Any] | Turn]) -> list[Turn]:
    """Convert plain `{"role": ..., "content": ..., "name": ...}` messages to turns.

    `content` is a string, None, or a list of parts as `split_parts` takes them. `name` may be
    missing. A turn stays as it is.

    Raises:
        ValueError: A message has no role, or a part that is neither text nor media.
    """
    return [each if isinstance(each, Turn) else _to_turn(each) for each in messages]


def _to_turn(message: Mapping[str, Any]) -> Turn:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or not role:
        raise ValueError(f'A message has no role: {message!r:.200}; give {{"role", "content"}}.')
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    name = message.get("name")
    is_result = role in {"tool", "function"}
    text, media = split_parts(parts, is_result=is_result)
    return Turn(role, text, name if isinstance(name, str) else None, media, is_result)


def split_parts(parts: Iterable[Any], *, is_result: bool = False) -> tuple[str, tuple[Media, ...]]:
    """Return the text of a message's parts, each on a line of its own, and their media.

    Args:
        parts: Strings, mappings as `part_text` or `to_media` takes them, `Media`, and `Path`.
        is_result: Whether they belong to a tool's result, as for `part_text`.

    Returns:
        The text, with a `PLACEHOLDER` for each media, and the media.

    Raises:
        ValueError: A part is of another type.
    """
    texts: list[str] = []
    media: list[Media] = []
    for part in parts:
        found = _find_media(part, is_result=is_result)
        texts.append(part_text(part, is_result=is_result) if found is None else PLACEHOLDER)
        media += [] if found is None else [found]
    if not media:
        return join_parts(texts), ()
    # Theirs are the only ones then, so that each stands for its media.
    own = [each if each == PLACEHOLDER else each.replace(PLACEHOLDER, "") for each in texts]
    return join_parts(own), tuple(media)


def _find_media(part: Any, *, is_result: bool) -> Media | None:
    if isinstance(part, Media):
        return part
    if isinstance(part, Path):
        return Media.from_path(part)
    if isinstance(part, Mapping) and _read_part(part) is None:
        try:
            return to_media(part)
        except ValueError:  # such as an id that only another provider knows
            if not is_result:
                raise
    return None


def join_parts(texts: Iterable[str | None]) -> str:
    """Join the texts of a message's parts, each on a line of its own; empty ones are left out."""
    return "\n".join(filter(None, texts))


def part_text(part: Any, *, is_result: bool = False) -> str:
    """Return the text of one part of a message's content.

    Parts are strings and mappings with a `type`: texts as OpenAI, Anthropic and LangChain write
    them, `json`, Anthropic's `document` and `search_result`, and files of text, in base64 or not.

    Args:
        part: The part.
        is_result: Whether it belongs to a tool's result. Nobody can leave a picture out of that,
            so a line stands in its place.

    Raises:
        ValueError: The part is something else.
    """
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and (text := _read_part(part)) is not None:
        return text
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if is_result:
        return f"[{kind}: left out, as only text can be read here]"
    raise ValueError(
        f"A part of type {kind!r} cannot be sent: a Space takes text, pictures and files. Leave it "
        "out of the message, or describe it in words."
    )


def has_text(part: Any) -> bool:
    """Whether a part is a text, and neither media nor of an unknown kind."""
    return isinstance(part, str) or (isinstance(part, Mapping) and _read_part(part) is not None)


def _read_part(part: Mapping[str, Any]) -> str | None:
    kind = part.get("type", "text" if part.keys() == {"text"} else None)  # Bedrock's and Gemini's
    if isinstance(kind, str) and kind in _TEXT_KEYS:
        return _string(part.get(_TEXT_KEYS[kind]))
    match kind:
        case "json":
            value = next((part[key] for key in ("json", "data", "value") if key in part), None)
            return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
        case "search_result":
            return _titled(part, _nested(part.get("content")))
        case "document":
            return _titled(part, _read_source(part.get("source")))
        case "file":
            return _read_file(part)
        case "text-plain":
            return _read_file({"mime_type": "text/plain", "source_type": "text", **part})
    return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _nested(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    texts = [_read_part(each) for each in content or () if isinstance(each, Mapping)]
    return None if None in texts or not texts else join_parts(text for text in texts if text)


def _titled(part: Mapping[str, Any], text: str | None) -> str | None:
    """Return a text below its title, and the place where it was found."""
    if text is None:
        return None
    found = (part.get("title"), part.get("source"), part.get("context"))
    return join_parts([*(each for each in found if isinstance(each, str)), text])


def _read_source(source: Any) -> str | None:
    """Return the text of an Anthropic document's source."""
    if not isinstance(source, Mapping):
        return None
    match source.get("type"):
        case "text":
            return _string(source.get("data"))
        case "content":
            return _nested(source.get("content"))
        case "base64" if is_text(source.get("media_type")):
            return _decode(source.get("data"))
    return None


def _read_file(part: Mapping[str, Any]) -> str | None:
    """Return the text of a file as LangChain or OpenAI write it."""
    if part.get("source_type") == "text" and "text" in part:
        return _string(part["text"])
    inner = part.get("file")
    if isinstance(inner, Mapping):
        head, _, data = str(inner.get("file_data", "")).partition(",")
        if not head.startswith("data:") or not is_text(head[len("data:") :]):
            return None
        return _titled({"title": inner.get("filename")}, _decode(data))
    if is_text(part.get("mime_type")):
        return _decode(part.get("base64") or part.get("data"))
    return None


def is_text(mime_type: Any) -> bool:
    """Whether a file of this type is text."""
    kind = str(mime_type or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind.rpartition("/")[2].rpartition("+")[2] in _TEXT_FORMATS


def _decode(data: Any) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode() if isinstance(data, str) else None
    except (binascii.Error, UnicodeDecodeError):
        return None
