"""Files of a visitor's message as the parts of a message that an engine gets.

The parts are those of OpenAI's chat completions, which vLLM, llama-server and Ollama take too.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_space.chat.media import MediaKind, guess_type, media_kind
from qwen_space.local.errors import EngineError

__all__ = ["add_files"]

_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}


async def add_files(
    messages: Sequence[Mapping[str, Any]], takes: Collection[str]
) -> list[dict[str, Any]]:
    """Return messages with their `files` in their contents.

    A text file becomes a part of the text, under its name. A content with pictures or sounds is a
    list of parts.

    Args:
        messages: Each with a role, a content and, if it has files, their paths in `files`.
        takes: The kinds of media that the engine takes.

    Raises:
        EngineError: The engine does not take a file.
    """
    return [await _add_files(message, takes) for message in messages]


async def _add_files(message: Mapping[str, Any], takes: Collection[str]) -> dict[str, Any]:
    rest = {key: value for key, value in message.items() if key != "files"}
    if not (paths := message.get("files")):
        return rest
    parts = [await asyncio.to_thread(_part, Path(path), takes) for path in paths]
    texts = [part for part in parts if isinstance(part, str)]
    media: list[dict[str, Any]] = [part for part in parts if not isinstance(part, str)]
    whole = "\n\n".join([*texts, message["content"]])
    return rest | {"content": [*media, {"type": "text", "text": whole}] if media else whole}


def _part(path: Path, takes: Collection[str]) -> str | dict[str, Any]:
    mime_type = guess_type(path.name) or "application/octet-stream"
    kind, data = media_kind(mime_type), path.read_bytes()
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
