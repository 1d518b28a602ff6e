"""`qwen-space api`: OpenAI's interface over a Space, or several, as a server."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from typing import get_args

from qwen_space.cli.extra import require_modules
from qwen_space.cli.serve import port
from qwen_space.cli.space_options import add_endpoint_options, add_network_options, build_config
from qwen_space.config import (
    DEFAULT_MODEL,
    DEFAULT_SPACE,
    History,
    SpaceConfig,
    Strategy,
    default_space,
)

__all__ = ["add_api"]


def add_api(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    api = commands.add_parser(
        "api",
        help="serve OpenAI's interface over a Space, or several",
        description="Serve OpenAI's /v1/chat/completions and /v1/models over a Space. Of several "
        "Spaces, the next is asked where one does not answer.",
        epilog="QWEN_SPACE_TOKEN in the environment is in the place of --token, which would show "
        "in `ps`. HF_TOKEN is sent to Hugging Face.",
    )
    api.add_argument(
        "spaces",
        nargs="*",
        metavar="SPACE",
        help="owner/name, or the URL of a Gradio app (default: QWEN_SPACE_URL if that is set, "
        f"else {DEFAULT_SPACE})",
    )
    api.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    api.add_argument("--port", type=port, default=8000, help="0 is any (default: %(default)s)")
    api.add_argument("--token", help="the key that clients have to give as api_key")
    api.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name of this server, such as a proxy's; may be repeated",
    )
    _add_model_options(api)
    add_network_options(api)
    api.set_defaults(run=_api)


def _add_model_options(api: argparse.ArgumentParser) -> None:
    """Add the options for the model, its names, and the Spaces that run it."""
    api.add_argument("--model", default=DEFAULT_MODEL, help="(default: %(default)s)")
    api.add_argument(
        "--alias",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name of that model, for programs that ask for it; may be repeated",
    )
    api.add_argument("--system", metavar="TEXT", help="the system prompt of chats without one")
    add_endpoint_options(api)
    api.add_argument(
        "--history",
        choices=get_args(History),
        default="auto",
        help="earlier turns as a part of the prompt, or in the app's own history "
        "(default: %(default)s)",
    )
    api.add_argument(
        "--strategy",
        choices=get_args(Strategy),
        default="sticky",
        help="which of several Spaces is asked first (default: %(default)s)",
    )


def _api(options: argparse.Namespace) -> None:
    require_modules("`qwen-space api`", "api", "jsonschema")
    from aiohttp import web

    from qwen_space.api import ApiOptions, create_app
    from qwen_space.chat_model.space import Space
    from qwen_space.config import is_loopback

    config = _config(options)
    token = options.token or os.environ.get("QWEN_SPACE_TOKEN")
    app = create_app(
        Space.from_config(config),
        ApiOptions(
            token=token,
            loopback=is_loopback(options.host),
            allowed_hosts=options.allow_host,
            aliases=options.alias,
        ),
    )
    with _listen(options.host, options.port) as listener:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
        names = ", ".join(each.space for each in config.all_configs)
        url = f"http://{_netloc(options.host, listener.getsockname()[1])}/v1"
        print(f"OpenAI's interface over {names} is at {url} (Ctrl-C stops it)", flush=True)
        if not is_loopback(options.host):
            _warn(has_token=token is not None)
        web.run_app(app, sock=listener, print=None, handler_cancellation=True, shutdown_timeout=2.0)


def _config(options: argparse.Namespace) -> SpaceConfig:
    return build_config(
        options,
        options.spaces or default_space(),
        model=options.model,
        system_prompt=options.system,
        history=options.history,
        strategy=options.strategy,
    )


def _listen(host: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, number), family=family)
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else exc  # without Python's words behind it
        raise ValueError(
            f"--host {host} --port {number}: {reason}. Give another --port, or 0 for any."
        ) from exc


def _netloc(host: str, number: int) -> str:
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def _warn(*, has_token: bool) -> None:
    door = "" if has_token else " without a key: see --token"
    print(
        f"Warning: everybody who reaches this machine can chat{door}. "
        "It is not encrypted: put a proxy with TLS in front of it.",
        file=sys.stderr,
    )
