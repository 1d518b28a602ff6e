"""Files of a visitor's message as the parts of a message that an engine gets.

The parts are those of OpenAI's chat completions, which vLLM, llama-server and Ollama take too.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_space.chat.media import MediaKind, media_kind
from qwen_space.chat.media_types import guess_type
from qwen_space.local.errors import EngineError
from qwen_space.local.uploads import mark_used

__all__ = ["add_files", "find_lost"]

_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}


async def add_files(
    messages: Sequence[Mapping[str, Any]], takes: Collection[str]
) -> list[dict[str, Any]]:
    """Return messages with their `files` in their contents.

    A text file becomes a part of the text, under its name. A content with pictures or sounds is a
    list of parts. A line stands in the place of a file that the server no longer has.

    Args:
        messages: Each with a role, a content and, if it has files, their paths in `files`.
        takes: The kinds of media that the engine takes.

    Raises:
        EngineError: The engine does not take a file.
    """
    return [await _add_files(message, takes) for message in messages]


def find_lost(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of files that the server no longer has."""
    paths = [Path(path) for message in messages for path in message.get("files", ())]
    return [path.name for path in paths if not path.exists()]


async def _add_files(message: Mapping[str, Any], takes: Collection[str]) -> dict[str, Any]:
    rest = {key: value for key, value in message.items() if key != "files"}
    if not (paths := message.get("files")):
        return rest
    parts = [await asyncio.to_thread(_part, Path(path), takes) for path in paths]
    texts = [part for part in parts if isinstance(part, str)]
    media: list[dict[str, Any]] = [part for part in parts if not isinstance(part, str)]
    whole = "\n\n".join(filter(None, [*texts, message["content"]]))
    said = [{"type": "text", "text": whole}] if whole else []
    return rest | {"content": [*media, *said] if media else whole}


def _part(path: Path, takes: Collection[str]) -> str | dict[str, Any]:
    mime_type = guess_type(path.name) or "application/octet-stream"
    try:
        kind, data = media_kind(mime_type), path.read_bytes()
        mark_used(path)
    except FileNotFoundError:  # of a chat that is older than the server's folder
        return f"(The file {path.name} is no longer here.)"
    if kind in takes and kind != "file":
        return _media_part(kind, mime_type, base64.b64encode(data).decode())
    try:
        return f"{path.name}:\n{data.decode()}"
    except UnicodeDecodeError:
        offered = ", ".join([*sorted(takes), "text"])
        raise EngineError(
            f"The model cannot read {path.name}: it takes files of these kinds: {offered}."
        ) from None


def _media_part(kind: MediaKind, mime_type: str, data: str) -> dict[str, Any]:
    if kind == "audio":
        form = mime_type.partition("/")[2]
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _FORMATS.get(form, form)},
        }
    return {"type": f"{kind}_url", f"{kind}_url": {"url": f"data:{mime_type};base64,{data}"}}
