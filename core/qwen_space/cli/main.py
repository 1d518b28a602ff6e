"""The command line: `qwen-space`."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qwen_space._version import __version__
from qwen_space.cli.api import add_api
from qwen_space.cli.chat import add_chat
from qwen_space.cli.demo import add_demo
from qwen_space.cli.deploy import add_deploy
from qwen_space.cli.extra import cli_extra
from qwen_space.cli.find import add_find
from qwen_space.cli.parser import Parser
from qwen_space.cli.serve import add_serve
from qwen_space.cli.space_options import (
    SPACE_HELP,
    add_endpoint_options,
    add_network_options,
    build_config,
)
from qwen_space.config import default_space, list_spaces, split_spaces
from qwen_space.errors import QwenSpaceError

if TYPE_CHECKING:
    from qwen_space.cli.inspection import Inspection

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: In place of `sys.argv`.
    """
    _replace_closed_streams()
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # an app's text may hold anything
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            options.run(options)
    except BrokenPipeError:
        _forget_stdout()
        return 141  # as a shell has it for a program that SIGPIPE ended
    except (QwenSpaceError, ImportError, OSError, ValueError) as exc:
        from qwen_space.cli.plain import describe_error

        print(f"qwen-space: {describe_error(exc)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _replace_closed_streams() -> None:
    """Drop all that is written to a stream that is closed, as services and `>&-` have them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    from qwen_space.cli.plain import note

    note(str(message))


def _parser() -> Parser:
    parser = Parser(
        prog="qwen-space",
        description="Qwen Spaces, and any Gradio chat app, as chat models.",
        epilog="Exit status: 0 done; 1 the Space failed, or a value cannot be right; 2 the command "
        "line has a mistake; 130 Ctrl-C; 141 nobody reads the output any more.",
    )
    parser.add_argument("--version", action="version", version=f"qwen-space {__version__}")
    _add_commands(parser)
    return parser


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_demo(commands)
    add_chat(commands)
    _add_inspect(commands)
    add_serve(commands)
    add_find(commands)
    add_api(commands)
    add_deploy(commands)
    _add_completion(commands)


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="show an app's functions, and the one that a chat uses",
        description="Show a line that makes a model of an app, the function that a chat uses, the "
        "roles of its inputs, and why. The exit "
        "status is 1 when a chat would not work. HF_TOKEN is sent to Hugging Face.",
        epilog="--json prints an object with the keys space, state, gradio, protocol, prefix, "
        "endpoint (the one chosen), call (the line), roles (of its inputs), why, error, and "
        "endpoints, a list of objects with the keys "
        "name, fn_index, public, streams, fits, chosen, step, inputs and outputs; these two hold "
        "objects with the keys label, parameter, component, default, choices, role (prompt, "
        "history, system, model, reply and so on) and why. A key that is not known is null.",
    )
    inspect.add_argument(
        "space",
        nargs="?",
        metavar="SPACE",
        type=split_spaces,
        default=default_space(),
        help=SPACE_HELP,
    )
    add_endpoint_options(inspect)
    inspect.add_argument("--json", action="store_true", help="for programs; see below")
    add_network_options(inspect)
    inspect.set_defaults(run=_inspect)


def _add_completion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    completion = commands.add_parser(
        "completion",
        help="print a script that completes this command in a shell",
        description="Print a script that completes this command in a shell, such as by "
        'eval "$(qwen-space completion bash)" in ~/.bashrc.',
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh", "powershell"))
    completion.set_defaults(run=_complete)


def _complete(options: argparse.Namespace) -> None:
    with cli_extra("Completion", "all else works without it"):
        import shtab
    parser = _parser()
    parser.complete_files(shtab.FILE)
    print(shtab.complete(parser, options.shell))


def _inspect(options: argparse.Namespace) -> None:
    from qwen_space.cli.inspection import inspect_space

    if len(names := list_spaces(options.space)) > 1:
        raise ValueError(f"inspect looks at one Space: name one of {', '.join(names)}.")
    found = asyncio.run(inspect_space(build_config(options, options.space)))
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _print_table(found)
    if found.error is not None:
        raise found.error


def _print_table(found: Inspection) -> None:
    with cli_extra("The table", "--json works without it"):
        from rich.console import Console

        from qwen_space.cli.inspection_table import inspection_table
    Console(highlight=False).print(inspection_table(found), crop=False)


def _forget_stdout() -> None:
    """Keep Python from flushing stdout to a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
