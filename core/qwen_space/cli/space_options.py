"""The options that say which Space, and how to reach it."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qwen_space.config import (
    DEFAULT_SPACE,
    SpaceConfig,
    SpaceLike,
    Timeouts,
    default_hub,
    make_config,
    shared_token,
)

__all__ = [
    "SPACE_HELP",
    "add_endpoint_options",
    "add_network_options",
    "build_config",
    "count",
    "read_value",
]

SPACE_HELP = (
    "owner/name, or the URL of a Gradio app; several with commas between them (default: "
    f"QWEN_SPACE_URL if that is set, else {DEFAULT_SPACE})"
)


def add_endpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the function to ask, and for the roles and the values of its inputs."""
    parser.add_argument("--endpoint", metavar="NAME", help="ask this endpoint of the app")
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="INPUT=ROLE",
        help="the role of an input, by its label, parameter or position: prompt, system, history, "
        "model, max_tokens, temperature, top_p, image, audio, video, file; none without a ROLE; "
        "may be repeated",
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="INPUT=VALUE",
        help="a value for an input without a role, by its label or parameter; JSON, such as a "
        "number or true, else a text; may be repeated",
    )


def _roles(pairs: Sequence[str]) -> dict[str, str | None]:
    """Read `--role INPUT=ROLE`; no role is at the end, so that a label may have an equals sign."""
    parts = [(each, each.rpartition("=")) for each in pairs]
    form = "--role INPUT=ROLE"
    return {_named(name, each, form): role.strip() or None for each, (name, _, role) in parts}


def _inputs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `--input INPUT=VALUE`; a value may have an equals sign."""
    parts = [(each, each.partition("=")) for each in pairs]
    form = "--input INPUT=VALUE"
    return {_named(name, each, form): read_value(value) for each, (name, _, value) in parts}


def _named(name: str, pair: str, form: str) -> str:
    """Return the name in an option.

    Raises:
        ValueError: There is none, or no equals sign.
    """
    if "=" not in pair or not name.strip():
        raise ValueError(f"{form.partition(' ')[0]} {pair!r:.200}: it takes {form}.")
    return name.strip()


def read_value(text: str) -> Any:
    """Read JSON; a text that is none stands for itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the connection: time, proxy, headers, certificates, login."""
    network = parser.add_argument_group("the connection")
    network.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for a whole reply, the queue and a slow start included (default: none in total, 120 "
        "until the first text)",
    )
    network.add_argument(
        "--proxy",
        metavar="URL",
        help="a proxy, HTTP or SOCKS (default: the environment's HTTPS_PROXY)",
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
        timeouts=_timeouts(options.timeout),
        verify=options.verify,
        hub=default_hub(),
        **_asked_of(options),
        **more,
    )


def _timeouts(seconds: float | None) -> Timeouts:
    """Return a limit for a whole reply in place of those for its parts that a slow Space passes."""
    if seconds is None:
        return Timeouts()
    return Timeouts(total=seconds, first_token=None, wake=None)


def _asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the function, roles and inputs that the options ask for, if the command has them."""
    if not hasattr(options, "role"):
        return {}
    return {
        "endpoint": options.endpoint,
        "roles": _roles(options.role),
        "inputs": _inputs(options.input),
    }


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
    """Return the password of the environment, or ask for it.

    Raises:
        ValueError: There is no terminal to ask on, where getpass would read a line of stdin.
    """
    if (given := os.environ.get("QWEN_SPACE_PASSWORD")) is not None:
        return given
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"Password of {user}: ")
    except (EOFError, getpass.GetPassWarning) as exc:
        raise ValueError(
            f"--auth {user}: no password was typed on a terminal. Set QWEN_SPACE_PASSWORD."
        ) from exc


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
