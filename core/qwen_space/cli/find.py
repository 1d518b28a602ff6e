"""`qwen-space find`: Spaces that run, and that a chat can use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qwen_space.cli.extra import cli_extra, require_modules
from qwen_space.cli.plain import strip_control_chars
from qwen_space.cli.space_options import count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qwen_space.find import FoundSpace

__all__ = ["add_find"]

_PASTED = 5  # Spaces in the line to paste


def add_find(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    find = commands.add_parser(
        "find",
        help="find Spaces that answer now",
        description="Ask the Hugging Face hub for Gradio apps that run, look at each one's "
        "/config, and list those that a chat can use. None is woken up, and no prompt is sent.",
        epilog="--json prints a list of objects with the keys space, url, likes, hardware, "
        "models, takes, queue and seconds. HF_ENDPOINT names another hub, HF_TOKEN is sent to it.",
    )
    find.add_argument("words", nargs="*", metavar="WORDS", help="of a name (default: qwen2.5)")
    find.add_argument(
        "--limit", type=count, default=10, metavar="SPACES", help="at most (default: %(default)s)"
    )
    find.add_argument("--hardware", metavar="NAME", help="that they run on, such as zero-a10g")
    find.add_argument("--min-likes", type=int, default=0, metavar="LIKES")
    find.add_argument(
        "--seconds", type=count, default=60, help="to look for them (default: %(default)s)"
    )
    find.add_argument("--json", action="store_true", help="for programs; see below")
    find.set_defaults(run=_find)


def _find(options: argparse.Namespace) -> None:
    from qwen_space.find import find_spaces
    from qwen_space.find.find import DEFAULT_WORDS

    words = " ".join(options.words) or DEFAULT_WORDS
    require_modules("Finding Spaces", "find", "huggingface_hub")
    console = None if options.json else _console()
    if console is not None:
        print(f"Looking for Spaces that run: {words} ...", file=sys.stderr, flush=True)
    found = find_spaces(
        words,
        limit=options.limit,
        hardware=options.hardware,
        min_likes=options.min_likes,
        seconds=options.seconds,
    )
    if console is None:
        print(json.dumps([each.to_json() for each in found], indent=2))
    elif found:
        _print(found, console)
    if not found:
        raise ValueError(
            f"No Space that runs and that a chat can use is called {words!r}. Try other words, or "
            "run one of your own: qwen-space serve."
        )


def _console() -> Console:
    with cli_extra("The table", "--json works without it"):
        from rich.console import Console
    return Console(highlight=False)


def _print(found: Sequence[FoundSpace], console: Console) -> None:
    console.print(_table(found))
    print("To ask the next where one fails:\n")
    print(f"    ChatQwenSpace(space={_pasted(found)})")


def _pasted(found: Sequence[FoundSpace]) -> str:
    """Return the Spaces with the shortest queues, the quickest first, as Python writes them."""
    best = sorted(found, key=lambda each: (each.queue or 0, each.seconds))[:_PASTED]
    return json.dumps([each.space for each in best])


def _table(found: Sequence[FoundSpace]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Space", "Hardware", "Models", "Takes"):
        table.add_column(name, overflow="fold")
    for name in ("Likes", "Queue", "Seconds"):
        table.add_column(name, justify="right")
    for each in found:
        models = ", ".join(each.models[:4]) + (" ..." if len(each.models) > 4 else "")
        queue = "?" if each.queue is None else str(each.queue)
        texts = (each.space, each.hardware or "?", models, ", ".join(each.takes))
        figures = (str(each.likes), queue, f"{each.seconds:.1f}")
        cells = [Text(strip_control_chars(" ".join(text.split()))) for text in texts]
        table.add_row(*cells, *figures)
    return table
