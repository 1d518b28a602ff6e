"""`qwen-space chat`: one reply for a prompt, or a conversation on a terminal."""

from __future__ import annotations

import argparse
import asyncio
import codecs
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from qwen_space.cli.extra import cli_extra
from qwen_space.cli.plain import describe_error, note, print_json, print_reply
from qwen_space.cli.space_options import (
    SPACE_HELP,
    add_endpoint_options,
    add_network_options,
    build_config,
    count,
)
from qwen_space.config import (
    DEFAULT_MODEL,
    History,
    SpaceLike,
    default_space,
    list_spaces,
    space_url,
    split_spaces,
)

if TYPE_CHECKING:
    from qwen_space.chat_model.space import Space

__all__ = ["add_chat"]

_PATIENCE = 3.0  # seconds
_NO_LOG = logging.NullHandler()


def add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    chat = commands.add_parser(
        "chat",
        usage="%(prog)s [options] [SPACE] [PROMPT ...]",
        help="chat with a Space in the terminal",
        description="Chat with a Space. With a PROMPT, or a text on stdin, only the answer is "
        "printed, as plain text; with both, the text stands before the prompt. HF_TOKEN is sent "
        "to Hugging Face.",
        epilog="In a conversation, /help lists the commands. QWEN_SPACE_HISTORY names the file "
        "that keeps the lines typed; empty, it keeps none.",
    )
    chat.add_argument(
        "words",
        nargs="*",
        metavar="SPACE PROMPT",
        help=f"SPACE is {SPACE_HELP}. PROMPT is asked, and nothing else; it may be several words. "
        "Where QWEN_SPACE_URL is set, SPACE can be left out",
    )
    chat.add_argument(
        "-f",
        "--file",
        action="append",
        type=_file,
        default=[],
        metavar="FILE",
        help="a picture or a file to send with the prompt; may be given several times",
    )
    _add_reply_options(chat)
    add_network_options(chat)
    chat.set_defaults(run=_chat)


def _add_reply_options(chat: argparse.ArgumentParser) -> None:
    """Add the options for the reply: its model, its length, its form."""
    chat.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    chat.add_argument("-m", "--model", default=DEFAULT_MODEL, help="(default: %(default)s)")
    chat.add_argument("--temperature", type=float, help="where the app has an input for it")
    chat.add_argument(
        "--max-tokens", type=count, metavar="TOKENS", help="after which the answer ends"
    )
    add_endpoint_options(chat)
    chat.add_argument(
        "--history",
        choices=get_args(History),
        default="auto",
        help="earlier turns as a part of the prompt, in the app's own history, or as suits the app "
        "(default: %(default)s)",
    )
    chat.add_argument("--hide-thinking", action="store_true", help="do not show thoughts")
    chat.add_argument(
        "-u",
        "--usage",
        "--verbose",
        action="store_true",
        help="say at the end how many tokens were read and written, and how long it took",
    )
    form = chat.add_mutually_exclusive_group()
    form.add_argument(
        "--schema",
        type=_schema,
        metavar="FILE",
        help="print JSON that fits the JSON schema in this file, or given in its place",
    )
    form.add_argument(
        "-x",
        "--extract",
        action="store_true",
        help="print the first block of code in the answer, and nothing else",
    )
    form.add_argument(
        "--json",
        action="store_true",
        help="print one object, with the keys text, thinking, files, components, model, "
        "finish_reason, duration (seconds), event_id, space and error",
    )


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {name!r}")
    return path


def _schema(given: str) -> Any:
    from qwen_space.cli.structured import read_schema

    try:
        return read_schema(given)
    except (OSError, ValueError) as exc:
        raise argparse.ArgumentTypeError(describe_error(exc)) from exc


def _chat(options: argparse.Namespace) -> None:
    from qwen_space.chat_model.space import Space

    logging.getLogger("qwen_space").addHandler(_NO_LOG)  # a warning is an event or an error, too
    address, prompt = _split_words(options.words)
    space = Space.from_config(
        build_config(
            options,
            address,
            history=options.history,
            model=options.model,
            sampling=_sampling(options),
            system_prompt=options.system,
        )
    )
    is_whole = options.json or options.extract or options.schema is not None
    is_chat = prompt is None and not is_whole
    if is_chat and sys.stdin.isatty() and sys.stdout.isatty():
        _converse(space, options)
    else:
        _print(space, _with_stdin(prompt), options)


def _print(space: Space, prompt: str, options: argparse.Namespace) -> None:
    """Print one reply, in the form that the options ask for."""
    if options.schema is not None:
        from qwen_space.cli.structured import print_object

        figures = asyncio.run(print_object(space, prompt, options.file, options.schema))
    elif options.extract:
        from qwen_space.cli.structured import print_code

        figures = asyncio.run(print_code(space, prompt, options.file))
    elif options.json:
        figures = asyncio.run(print_json(space, prompt, options.file))
    else:
        seen = not options.hide_thinking
        figures = asyncio.run(print_reply(space, prompt, options.file, show_thinking=seen))
    if options.usage:
        note(figures.describe())


def _split_words(words: Sequence[str]) -> tuple[SpaceLike, str | None]:
    """Return the Space, or several, and the prompt, which may be several words.

    The first word is the Space, if it can be one.

    Raises:
        ValueError: It is no Space, and no other is named.
    """
    if not words:
        return default_space(), None
    if _is_space(words[0]):
        return split_spaces(words[0]), " ".join(words[1:]) if len(words) > 1 else None
    if not os.environ.get("QWEN_SPACE_URL"):
        raise ValueError(
            f"space={words[0]!r:.200} is neither a Space's id nor the address of an app. If it "
            "is a prompt, name the Space before it, or in QWEN_SPACE_URL."
        )
    return default_space(), " ".join(words)


def _is_space(word: str) -> bool:
    try:
        for name in list_spaces(split_spaces(word)):
            space_url(name)
    except ValueError:
        return False
    return True


def _sampling(options: argparse.Namespace) -> dict[str, float]:
    given = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def _converse(space: Space, options: argparse.Namespace) -> None:
    with cli_extra("A chat in the terminal", "a PROMPT works without it"):
        from rich.console import Console

        from qwen_space.cli.conversation import Conversation
        from qwen_space.cli.conversation_commands import COMMANDS
    console = Console(highlight=False)
    seen = not options.hide_thinking
    conversation = Conversation(space, console, COMMANDS, show_thinking=seen, usage=options.usage)
    conversation.files += options.file
    conversation.run()


def _with_stdin(prompt: str | None) -> str:
    """Return the text on stdin and the prompt below it; one may be missing."""
    is_elsewhere = sys.stdin is None or (prompt is not None and sys.stdin.isatty())
    text = "" if is_elsewhere else _read_stdin()
    return "\n\n".join(each for each in (text, prompt) if each)


def _read_stdin() -> str:
    """Read stdin to its end, and say so where that takes long: nobody may be writing to it."""
    hint = "qwen-space: reading stdin to its end; give </dev/null if there is nothing to read"
    timer = threading.Timer(_PATIENCE, print, [hint], {"file": sys.stderr})
    timer.daemon = True
    timer.start()
    try:
        return _decode_stdin().replace("\r\n", "\n").rstrip()
    finally:
        timer.cancel()


def _decode_stdin() -> str:
    """Read stdin as UTF-8, or UTF-16 with its mark, as PowerShell writes it, or as the locale says.

    Raises:
        ValueError: It is none of these.
    """
    if not hasattr(sys.stdin, "buffer"):
        return sys.stdin.read()
    data: bytes = sys.stdin.buffer.read()
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16" if is_utf_16 else "utf-8-sig", sys.stdin.encoding):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding)
    encodings = " or ".join(dict.fromkeys(("utf-8", sys.stdin.encoding.lower())))
    raise ValueError(
        f"stdin is no text in {encodings}: convert it, such as by iconv, or give it with --file."
    )
