"""Pictures whose paths stand in a prompt: terminals write one where a file is dropped on them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from qwen_space.chat.media_types import guess_type

__all__ = ["find_pictures"]

# Terminals put quotes around a path with a space, or a backslash before the space.
_WORD = re.compile(r"'[^']+'|\"[^\"]+\"|(?:\\.|[^\s'\"])+")
_PATH = re.compile(r"~?/|\.{1,2}[/\\]|[A-Za-z]:[/\\]")


def find_pictures(prompt: str) -> dict[str, Path]:
    """Return the pictures and sounds on this machine that a prompt names by their paths.

    A prompt of several lines names none: it is a paste, whose paths may be another's.

    Args:
        prompt: As it was typed.

    Returns:
        The paths, by the words of the prompt that they stand in.
    """
    if "\n" in prompt:
        return {}
    words = (word.rstrip("?!.,:;)") for word in _WORD.findall(prompt))
    paths = {word: _to_path(word) for word in words if _PATH.match(word.lstrip("'\""))}
    return {word: path for word, path in paths.items() if _is_picture(path)}


def _to_path(word: str) -> Path:
    if word[0] in "'\"":
        return Path(word[1:-1]).expanduser()
    return Path(word if os.sep == "\\" else re.sub(r"\\(.)", r"\1", word)).expanduser()


def _is_picture(path: Path) -> bool:
    kind = (guess_type(path.name) or "").partition("/")[0]
    return kind in {"image", "audio"} and path.is_file()
