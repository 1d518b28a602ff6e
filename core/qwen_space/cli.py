"""The command line: `qwen-space`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qwen_space._version import __version__
from qwen_space.errors import QwenSpaceError

if TYPE_CHECKING:
    from qwen_space.local import LocalSpace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: In place of `sys.argv`.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (QwenSpaceError, ImportError, ValueError) as exc:
        print(f"qwen-space: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qwen-space", description="Qwen Spaces, and any Gradio chat app, as chat models."
    )
    parser.add_argument("--version", action="version", version=f"qwen-space {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_serve(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo", help="stream answers through LangChain and LlamaIndex, from a Space of your own"
    )
    demo.add_argument("--space", metavar="URL", help="ask this Space instead of a local one")
    demo.add_argument("--keep", action="store_true", help="leave the local Space running")
    demo.add_argument("--port", type=int, default=0, help="of the local Space (default: any)")
    _add_engine_options(demo, max_tokens=200)
    demo.set_defaults(run=_demo)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run a Space of your own, with a page to chat on")
    serve.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    serve.add_argument("--port", type=int, default=7860, help="0 is any (default: %(default)s)")
    _add_engine_options(serve, max_tokens=2048)
    serve.set_defaults(run=_serve)


def _add_engine_options(parser: argparse.ArgumentParser, *, max_tokens: int) -> None:
    engine = parser.add_argument_group("the model behind the local Space")
    engine.add_argument("--small", action="store_true", help="SmolLM2-135M: quick, knows little")
    engine.add_argument(
        "--model",
        metavar="NAME",
        help="a GGUF file, or owner/repo[:file] on the hub, or the --base-url server's model",
    )
    engine.add_argument(
        "--base-url", metavar="URL", help="a server that speaks OpenAI's chat completions"
    )
    engine.add_argument(
        "--context", type=int, default=4096, metavar="TOKENS", help="(default: %(default)s)"
    )
    engine.add_argument(
        "--max-tokens",
        type=int,
        default=max_tokens,
        metavar="TOKENS",
        help="where a reply is cut (default: %(default)s)",
    )
    engine.add_argument("--temperature", type=float, default=0.7, help="(default: %(default)s)")


def _serve(options: argparse.Namespace) -> None:
    _end_on_sigterm()
    with _local_space(options, options.host) as space:
        print(f"{space.engine.name} answers at {space.url} (Ctrl-C stops it)", flush=True)
        threading.Event().wait()


def _demo(options: argparse.Namespace) -> None:
    from qwen_space.demo import run_demo  # imports the frameworks

    if options.space is not None:
        run_demo(options.space)
        return
    _end_on_sigterm()
    with _local_space(options, "127.0.0.1") as space:
        run_demo(space.url, space.engine.name)
        if options.keep:
            print(f"\nThe Space goes on at {space.url} (Ctrl-C stops it)", flush=True)
            threading.Event().wait()
    print("\nThe Space has stopped. --keep leaves it running, to chat on its page.")


def _local_space(options: argparse.Namespace, host: str) -> LocalSpace:
    """Return a Space of one's own, which is not started yet."""
    from qwen_space.local import LocalSpace, engine_for

    engine = engine_for(
        options.model,
        small=options.small,
        base_url=options.base_url,
        api_key=os.environ.get("OPENAI_API_KEY"),  # not an option: it would show in `ps`
        context=options.context,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
    )
    return LocalSpace(engine, host=host, port=options.port)


def _end_on_sigterm() -> None:
    """Stop on SIGTERM as on Ctrl-C, so that the Space is closed and not cut off."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
