"""`qwen-space serve`: a Space of one's own, as a server."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from qwen_space.local import LocalSpace

__all__ = [
    "add_engine_options",
    "add_serve",
    "check_engine",
    "end_on_sigterm",
    "make_space",
    "port",
    "wait_for_end",
]

_FILE_SECONDS = 7 * 86_400  # for which a visitor's file is kept

_TOKEN_NAME = "QWEN_SPACE_TOKEN"  # noqa: S105 - the name of a variable


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    serve = commands.add_parser(
        "serve",
        help="run a Space of your own, with a page to chat on",
        description="Run a Space of your own: a Gradio app with the public Space's functions, and "
        "a page to chat on. Without --model or --base-url, a small model is downloaded once. "
        "SIGTERM tells the clients that are being answered, and ends it with status 0.",
        epilog="The environment has the secrets: OPENAI_API_KEY for --base-url, QWEN_SPACE_TOKEN "
        "for --token, QWEN_SPACE_AUTH for --auth. As options they would show in `ps`.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    serve.add_argument("--port", type=port, default=7860, help="0 is any (default: %(default)s)")
    _add_server_options(serve)
    add_engine_options(serve, max_tokens=2048)
    serve.set_defaults(run=_serve)


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    server = parser.add_argument_group("the server")
    server.add_argument(
        "--allow-host",
        action="append",
        default=[],
        type=_host_name,
        metavar="NAME",
        help="a further name of this server, such as a proxy's; may be repeated",
    )
    server.add_argument(
        "--root-path", default="", metavar="PREFIX", help="the path under which a proxy serves it"
    )
    server.add_argument(
        "--embed-in",
        action="append",
        default=[],
        type=_origin,
        metavar="ORIGIN",
        help="an origin whose pages may show this one in a frame; may be repeated",
    )
    server.add_argument("--auth", metavar="USER:PASS", help="a login for the page")
    server.add_argument("--token", help="a token that programs send, as hf_token")
    server.add_argument("--tls-cert", metavar="FILE", help="a certificate, for HTTPS; in PEM")
    server.add_argument("--tls-key", metavar="FILE", help="its key, where that is another file")
    server.add_argument(
        "--max-queue",
        type=_count,
        default=100,
        metavar="JOBS",
        help="that wait at most (default: %(default)s)",
    )
    server.add_argument(
        "--upload-room",
        type=_count,
        default=2000,
        metavar="MB",
        help="for the files of all visitors (default: %(default)s)",
    )
    server.add_argument("--log-json", action="store_true", help="write the log as JSON")


def add_engine_options(parser: argparse.ArgumentParser, *, max_tokens: int) -> None:
    """Add the options of the model behind a local Space."""
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
        "--takes",
        type=_kinds,
        metavar="KINDS",
        help="of files that the server's model takes, such as image,audio (default: by its name)",
    )
    engine.add_argument(
        "--ocr", action="store_true", help="read the text in pictures, for a model that sees none"
    )
    _add_model_options(engine, max_tokens)


def _add_model_options(engine: argparse._ArgumentGroup, max_tokens: int) -> None:
    engine.add_argument(
        "--context",
        type=_context,
        default=4096,
        metavar="TOKENS",
        help="of a chat and its reply, for a file (default: %(default)s)",
    )
    engine.add_argument(
        "--max-tokens",
        type=_count,
        default=max_tokens,
        metavar="TOKENS",
        help="where a reply is cut (default: %(default)s)",
    )
    engine.add_argument(
        "--temperature",
        type=_temperature,
        default=0.7,
        help="0 takes the likeliest token each time (default: %(default)s)",
    )
    engine.add_argument(
        "--parallel",
        "--concurrency",
        dest="slots",
        type=_count,
        metavar="REPLIES",
        help="at once (default: 2 for a file, 4 for a server)",
    )
    engine.add_argument("--threads", type=_count, help="that compute a file (default: by machine)")
    engine.add_argument(
        "--gpu-layers", type=_natural, metavar="LAYERS", help="of a file to compute on a GPU"
    )
    engine.add_argument(
        "--no-prompt-cache",
        dest="prompt_cache",
        action="store_false",
        help="read each prompt of a file anew: slower, and temperature 0 repeats to the letter",
    )


def make_space(options: argparse.Namespace, **more: Any) -> LocalSpace:
    """Return a Space of one's own with the engine of the options; it is not started yet."""
    from qwen_space.local import LocalSpace, engine_for

    check_engine(options)
    engine = engine_for(
        options.model,
        small=options.small,
        base_url=options.base_url,
        api_key=os.environ.get("OPENAI_API_KEY"),
        context=options.context,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        slots=options.slots,
        threads=options.threads,
        gpu_layers=options.gpu_layers,
        prompt_cache=options.prompt_cache,
        takes=options.takes,
        ocr=options.ocr,
    )
    return LocalSpace(engine, port=options.port, **more)


def check_engine(options: argparse.Namespace) -> None:
    """Raise a ValueError for options that contradict each other."""
    if options.small and (options.model or options.base_url):
        raise ValueError("--small is a model by itself: leave --model and --base-url out.")
    if options.takes is not None and options.base_url is None:
        raise ValueError(
            "--takes is for the server of --base-url; --ocr reads pictures for a file."
        )
    if options.base_url is not None:
        for name in ("threads", "gpu_layers"):
            if getattr(options, name) is not None:
                option = name.replace("_", "-")
                raise ValueError(f"--{option} is for a file; the server of --base-url has its own.")
        if not options.prompt_cache:
            raise ValueError("--no-prompt-cache is for a file, not for the server of --base-url.")


def end_on_sigterm() -> None:
    """Leave the program with status 0 on SIGTERM, so that the Space is closed and not cut off."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def wait_for_end() -> None:
    """Block until a signal ends the program."""
    while True:
        time.sleep(3600)  # which Ctrl-C ends on Windows too, unlike an Event


def _serve(options: argparse.Namespace) -> None:
    from qwen_space.local import Limits

    end_on_sigterm()
    space = make_space(
        options,
        host=options.host,
        limits=Limits(
            queue=options.max_queue,
            file_seconds=_FILE_SECONDS,
            stored_bytes=options.upload_room * 1_000_000,
        ),
        allowed_hosts=options.allow_host,
        auth=_login(options.auth or os.environ.get("QWEN_SPACE_AUTH")),
        token=options.token or os.environ.get(_TOKEN_NAME) or None,
        embedded_in=options.embed_in,
        tls=_tls(options),
        root_path=_root_path(options.root_path),
    )
    print(f"Loading {space.engine.name} ...", file=sys.stderr, flush=True)
    with _log(as_json=options.log_json), space:
        print(f"{space.engine.name} answers at {space.url} (Ctrl-C stops it)", flush=True)
        _warn_if_open(options, space.url)
        wait_for_end()


def _warn_if_open(options: argparse.Namespace, url: str) -> None:
    from qwen_space.config import is_loopback

    if is_loopback(options.host) or "SPACE_ID" in os.environ:  # the hub has a door of its own
        return
    parts = urlsplit(url)
    host = _own_address() if is_loopback(parts.hostname or "") else parts.hostname
    given = options.auth, options.token, *map(os.environ.get, ("QWEN_SPACE_AUTH", _TOKEN_NAME))
    door = "" if any(given) else " without a login: see --auth and --token"
    plain = " It is not encrypted: see --tls-cert, or put a proxy with TLS in front of it."
    print(
        f"Warning: everybody who reaches {parts.scheme}://{host}:{parts.port} can chat{door}."
        f"{plain if parts.scheme == 'http' else ''}",
        file=sys.stderr,
        flush=True,
    )


def _own_address() -> str:
    """Return this machine's address in its network. Nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _tls(options: argparse.Namespace) -> tuple[str, str | None] | None:
    if options.tls_cert is None and options.tls_key is not None:
        raise ValueError("--tls-key needs --tls-cert, the certificate of that key.")
    return None if options.tls_cert is None else (options.tls_cert, options.tls_key)


def _root_path(given: str) -> str:
    path = given.rstrip("/")
    if path and not path.startswith("/"):
        raise ValueError(f"--root-path takes a path that begins with a slash, not {given!r}.")
    return path


def _host_name(text: str) -> str:
    """Read the name of a host; it has no scheme, port or path."""
    if not re.fullmatch(r"[\w.-]+|\[?[\da-fA-F:]+\]?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a host, such as chat.example.org")
    return text.strip("[]")


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[\w.*:\[\]-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no origin, such as https://example.org")
    return text


def _login(given: str | None) -> tuple[str, str] | None:
    if not given:
        return None
    user, _, password = given.partition(":")
    if not (user and password):
        raise ValueError("--auth takes USER:PASS, with both.")
    return user, password


@contextlib.contextmanager
def _log(*, as_json: bool) -> Iterator[None]:
    """Write the Space's log to stderr while inside."""
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler = logging.StreamHandler()
    handler.setFormatter(_JSONFormatter() if as_json else plain)
    logger = logging.getLogger("qwen_space.local")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _JSONFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        fields = {"time": moment, "level": record.levelname, "message": record.getMessage()}
        fields.update(getattr(record, "reply", {}))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def port(text: str) -> int:
    """Read a port's number."""
    return int(_between(int, text, 0, 65_535))


def _count(text: str) -> int:
    return int(_between(int, text, 1, 1_000_000))


def _kinds(text: str) -> list[str]:
    kinds = [each.strip() for each in text.split(",") if each.strip()]
    known = ("image", "audio", "video")
    if wrong := [each for each in kinds if each not in known]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: the kinds are {', '.join(known)}.")
    return kinds


def _natural(text: str) -> int:
    return int(_between(int, text, 0, 1_000_000))


def _context(text: str) -> int:
    return int(_between(int, text, 128, 10_000_000))


def _temperature(text: str) -> float:
    return float(_between(float, text, 0.0, 2.0))


def _between(kind: Any, text: str, least: Any, most: Any) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
    return value
