"""The options that say which Space, and how to reach it."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qwen_space.config import DEFAULT_SPACE, SpaceConfig, Timeouts, default_hub
from qwen_space.config.spaces import SpaceLike, make_config, shared_token

__all__ = [
    "SPACE_HELP",
    "add_endpoint_options",
    "add_network_options",
    "build_config",
    "count",
]

SPACE_HELP = (
    "owner/name, or the URL of a Gradio app; several with commas between them (default: "
    f"QWEN_SPACE_URL if that is set, else {DEFAULT_SPACE})"
)


def add_endpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which function to ask, and the roles of its inputs."""
    parser.add_argument("--endpoint", metavar="NAME", help="ask this endpoint of the app")
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="INPUT=ROLE",
        help="the role of an input, by its label, parameter or position: prompt, system, history, "
        "model, max_tokens, temperature, top_p; none without a ROLE; may be repeated",
    )


def _pairs(pairs: Sequence[str], option: str) -> dict[str, str | None]:
    """Read `NAME=VALUE` options; the value is None where there is none.

    Raises:
        ValueError: One has no name, or no equals sign.
    """
    found: dict[str, str | None] = {}
    for each in pairs:
        name, equals, value = each.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(f"{option} {each!r:.200}: it takes {option} INPUT=VALUE.")
        found[name.strip()] = value.strip() or None
    return found


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the connection: time, proxy, headers, certificates, login."""
    network = parser.add_argument_group("the connection")
    network.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for a whole reply, the queue included (default: none in total)",
    )
    network.add_argument(
        "--proxy", metavar="URL", help="an HTTP proxy (default: the environment's HTTPS_PROXY)"
    )
    network.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="a further header, or @FILE with one in a line, which `ps` does not show; may be "
        "repeated",
    )
    network.add_argument(
        "--auth",
        metavar="USER",
        help="log in as this user, where the app has a login; the password is asked for, or read "
        "from QWEN_SPACE_PASSWORD",
    )
    network.add_argument(
        "--verify",
        metavar="PATH",
        default=True,
        help="trust the certificates in this file or folder, in place of the system's",
    )
    network.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="do not check the server's certificate",
    )


def build_config(options: argparse.Namespace, space: SpaceLike, **more: Any) -> SpaceConfig:
    """Return a configuration with the token of the environment, for Hugging Face only.

    Neither the token nor a password is an option: it would show in `ps`.

    Raises:
        ValueError: An option cannot be right.
        OSError: A file of headers cannot be read.
    """
    return make_config(
        space,
        hf_token=shared_token(space, None),
        auth=None if options.auth is None else (options.auth, _password(options.auth)),
        proxy=options.proxy,
        headers=dict(_header(line) for each in options.header for line in _lines(each)),
        timeouts=Timeouts(total=options.timeout),
        verify=options.verify,
        hub=default_hub(),
        **_asked_of(options),
        **more,
    )


def _asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the function and the roles that the options ask for, if the command has them."""
    if not hasattr(options, "role"):
        return {}
    return {"endpoint": options.endpoint, "roles": _pairs(options.role, "--role")}


def count(text: str) -> int:
    """Read a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not (text.isascii() and text.isdecimal() and int(text[:20]) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _password(user: str) -> str:
    given = os.environ.get("QWEN_SPACE_PASSWORD")
    return getpass.getpass(f"Password of {user}: ") if given is None else given


def _lines(header: str) -> list[str]:
    """Return a header, or those of the file that it names."""
    if not header.startswith("@"):
        return [header]
    lines = Path(header[1:]).expanduser().read_text("utf-8").splitlines()
    return [line for line in lines if line.strip()]


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("--header takes NAME:VALUE, or @FILE.")  # without it: it may be a secret
    return name.strip(), value.strip()
