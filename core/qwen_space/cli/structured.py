"""The part of a reply that a program wants: JSON that fits a schema, or a block of code."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qwen_space.chat.prompt import make_chat
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.reply import ChatReply
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.chat_model.space import Space
from qwen_space.cli.figures import Figures
from qwen_space.cli.plain import read_whole, write
from qwen_space.tools import Message

__all__ = ["find_code", "print_code", "print_object", "read_schema"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`\n]*)$")


def read_schema(given: str) -> Any:
    """Return a JSON schema, from a file or from the text itself.

    Args:
        given: The name of the file, or the schema.

    Raises:
        ValueError: It is no JSON.
        OSError: The file cannot be read.
    """
    is_schema = given.lstrip().startswith("{")
    text = given if is_schema else Path(given).expanduser().read_text("utf-8")
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ValueError(f"{given!r:.200} is no JSON: {exc}") from exc


async def print_object(space: Space, prompt: str, files: Sequence[Path], schema: Any) -> Figures:
    """Print the JSON of a reply, which fits a schema; the model is asked once more where not.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.
        schema: The JSON schema.

    Returns:
        The tokens and times of all that was asked.

    Raises:
        ValueError: The prompt is empty, or the schema, or the model writes no such JSON.
        QwenSpaceError: The answer does not come to its end.
    """
    asked = make_chat(prompt, files=files)[-1]
    call = ChatCall(
        space=space,
        messages=[Message("user", asked.text, media=asked.media)],
        options={},
        response_format=ResponseFormat(schema),
    )
    figures = await read_whole(call.astream(deltas=False), Figures(space.config, [asked]))
    if isinstance(reply := figures.reply, ChatReply) and reply.problem:
        raise ValueError(reply.problem)
    write(f"{reply.text}\n")
    return figures


async def print_code(space: Space, prompt: str, files: Sequence[Path]) -> Figures:
    """Print the first block of code in a reply; the whole reply where it has none.

    Args:
        space: The Space to ask.
        prompt: The question.
        files: Pictures and files that go with it.

    Returns:
        The reply's tokens and times.

    Raises:
        ValueError: The prompt is empty, or the app does not offer the model.
        QwenSpaceError: The answer does not come to its end.
    """
    chat = make_chat(prompt, files=files)
    figures = await read_whole(space.astream_chat(chat), Figures(space.config, chat))
    write(f"{find_code(figures.reply.text)}\n")
    return figures


def find_code(text: str) -> str:
    """Return the first fenced block of code in a Markdown text, or the text if there is none."""
    fence, code = "", []
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence and mark and mark[1].startswith(fence) and not mark[2].strip():
            break
        if fence:
            code.append(line)
        elif mark:
            fence = mark[1]
    return "\n".join(code) if fence else text
