"""The command line: `qwen-space`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import io
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qwen_space._version import __version__
from qwen_space.cli.deploy import add_deploy
from qwen_space.cli.serve import add_engine_options, add_serve, end_on_sigterm, make_space, port
from qwen_space.config import (
    DEFAULT_MODEL,
    DEFAULT_SPACE,
    SpaceConfig,
    default_hub,
    default_space,
    split_spaces,
)
from qwen_space.errors import QwenSpaceError
from qwen_space.spaces import list_spaces, make_config, shared_token

if TYPE_CHECKING:
    from qwen_space.chat_model.space import Space
    from qwen_space.cli.inspection import Inspection

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: In place of `sys.argv`.
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # an app's text may hold anything
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options.run(options)
    except (QwenSpaceError, ImportError, ValueError) as exc:
        from qwen_space.cli.plain import strip_control_chars

        print(f"qwen-space: {strip_control_chars(str(exc))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 141  # as a shell has it for a program that SIGPIPE ended
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qwen-space", description="Qwen Spaces, and any Gradio chat app, as chat models."
    )
    parser.add_argument("--version", action="version", version=f"qwen-space {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_chat(commands)
    _add_inspect(commands)
    add_serve(commands)
    add_deploy(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="stream answers through LangChain and LlamaIndex, from a Space of your own",
        description="Start a Space of your own on this machine, and stream one answer through "
        "LangChain and one through LlamaIndex.",
    )
    demo.add_argument("--space", metavar="URL", help="ask this Space instead of a local one")
    demo.add_argument("--keep", action="store_true", help="leave the local Space running")
    demo.add_argument("--port", type=port, default=0, help="of the local Space (default: any)")
    add_engine_options(demo, max_tokens=200)
    demo.set_defaults(run=_demo)


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    chat = commands.add_parser(
        "chat",
        help="chat with a Space in the terminal",
        description="Chat with a Space. With a PROMPT, or a prompt on stdin, only the answer is "
        "printed, as plain text. HF_TOKEN is sent to Hugging Face.",
    )
    _add_space(chat)
    chat.add_argument("prompt", nargs="?", metavar="PROMPT", help="ask this only")
    chat.add_argument("--system", metavar="TEXT", help="the system prompt")
    chat.add_argument("--model", default=DEFAULT_MODEL, help="(default: %(default)s)")
    chat.add_argument("--endpoint", metavar="NAME", help="ask this endpoint of the app")
    chat.add_argument(
        "--history",
        choices=("split", "native"),
        default="split",
        help="earlier turns as a part of the prompt, or in the app's own history "
        "(default: %(default)s)",
    )
    chat.set_defaults(run=_chat)


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="show what an app offers, and what a chat uses of it",
        description="Show an app's endpoints, and which of them a chat uses, and why. The exit "
        "status is 1 when a chat would not work. HF_TOKEN is sent to Hugging Face.",
        epilog="--json prints an object with the keys space, state, gradio, protocol, prefix, "
        "endpoint (the one chosen), why, error, and endpoints, a list of objects with the keys "
        "name, fn_index, public, streams, fits, chosen, inputs and outputs; these two hold "
        "objects with the keys label, component, default, choices and role (prompt, history, "
        "system, model or reply). What is not known is null.",
    )
    _add_space(inspect)
    inspect.add_argument("--endpoint", metavar="NAME", help="use this endpoint for a chat")
    inspect.add_argument("--json", action="store_true", help="for programs; see below")
    inspect.set_defaults(run=_inspect)


def _add_space(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "space",
        nargs="?",
        metavar="SPACE",
        type=split_spaces,
        default=default_space(),
        help="owner/name, or the URL of a Gradio app; several with commas between them (default: "
        f"QWEN_SPACE_URL if that is set, else {DEFAULT_SPACE})",
    )
    parser.add_argument(
        "--auth",
        metavar="USER",
        help="log in as this user, where the app has a login; the password is asked for, or read "
        "from QWEN_SPACE_PASSWORD",
    )
    parser.add_argument(
        "--verify",
        metavar="PATH",
        default=True,
        help="trust the certificates in this file or folder, in place of the system's",
    )
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="do not check the server's certificate",
    )


def _chat(options: argparse.Namespace) -> None:
    from qwen_space.chat_model.space import Space

    space = Space.from_config(
        _config(
            options,
            endpoint=options.endpoint,
            history=options.history,
            model=options.model,
            system_prompt=options.system,
        )
    )
    if options.prompt is None and sys.stdin.isatty():
        _converse(space)
        return
    from qwen_space.cli.plain import print_reply

    prompt = sys.stdin.read().rstrip() if options.prompt is None else options.prompt
    asyncio.run(print_reply(space, prompt))


def _converse(space: Space) -> None:
    with _needing_rich("A chat in the terminal", "a PROMPT works without it"):
        from rich.console import Console

        from qwen_space.cli.chat import Conversation
    Conversation(space, Console(highlight=False)).run()


def _inspect(options: argparse.Namespace) -> None:
    from qwen_space.cli.inspection import inspect_space

    if len(names := list_spaces(options.space)) > 1:
        raise ValueError(f"inspect looks at one Space: name one of {', '.join(names)}.")
    found = asyncio.run(inspect_space(_config(options, endpoint=options.endpoint)))
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _print_table(found)
    if found.error is not None:
        raise found.error


def _print_table(found: Inspection) -> None:
    with _needing_rich("The table", "--json works without it"):
        from rich.console import Console

        from qwen_space.cli.inspection_table import inspection_table
    Console(highlight=False).print(inspection_table(found))


@contextlib.contextmanager
def _needing_rich(feature: str, otherwise: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "rich":
            raise
        raise ImportError(
            f'{feature} needs rich: pip install "qwen-space[cli]" ({otherwise}).'
        ) from exc


def _config(options: argparse.Namespace, **more: Any) -> SpaceConfig:
    """Return a configuration with the token of the environment, for Hugging Face only.

    Neither the token nor a password is an option: it would show in `ps`.
    """
    space = options.space
    return make_config(
        space,
        hf_token=shared_token(space, None),
        auth=None if options.auth is None else (options.auth, _password(options.auth)),
        verify=options.verify,
        hub=default_hub(),
        **more,
    )


def _password(user: str) -> str:
    given = os.environ.get("QWEN_SPACE_PASSWORD")
    return getpass.getpass(f"Password of {user}: ") if given is None else given


def _demo(options: argparse.Namespace) -> None:
    from qwen_space.cli.demo import run_demo  # imports the frameworks

    if options.space is not None:
        run_demo(options.space)
        return
    end_on_sigterm()
    with make_space(options) as space:
        run_demo(space.url, space.engine.name)
        if options.keep:
            print(f"\nThe Space goes on at {space.url} (Ctrl-C stops it)", flush=True)
            threading.Event().wait()
    print("\nThe Space has stopped. --keep leaves it running, to chat on its page.")


def _forget_stdout() -> None:
    """Keep Python from flushing stdout to a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
