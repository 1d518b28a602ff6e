"""A Space of one's own: a real Gradio app on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from qwen_space.config import is_loopback
from qwen_space.local.cancellation import SessionStreams
from qwen_space.local.errors import StartError, require
from qwen_space.local.limits import Limits

if TYPE_CHECKING:
    from gradio import Blocks
    from starlette.types import ASGIApp
    from typing_extensions import Self

    from qwen_space.local.dispatch import Dispatcher
    from qwen_space.local.engines.base import Engine
    from qwen_space.local.server import ServerThread, Site

__all__ = ["LocalSpace"]

SIZES = ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")

# Gradio keeps its building state in globals of its module.
_building = threading.Lock()


class LocalSpace:
    """A real Gradio app with the public Space's contract, served from a thread.

    A context manager: inside the block the app answers at `url`; after it the thread, the
    sockets and the streams that were still open are gone. Several may run at once, and one may
    be started again. No request leaves the machine.

    Args:
        engine: The model that answers. It is started and closed with the Space.
        host: The address to listen on. Anything but loopback is open to the network.
        port: The port to listen on; 0 takes a free one.
        sizes: The model sizes that the page offers, the default first. They are all answered by
            the same engine.
        concurrency: How many replies run at once; as many as the engine has slots if None. More
            wait in the queue.
        limits: The most that the server takes: jobs, connections, bytes and seconds.
        allowed_hosts: Further names under which the server is asked, such as a proxy's. On
            loopback a foreign `Host` is refused, and a foreign `Origin` is refused anywhere.
        auth: A user and password, for a login page as `gr.Blocks.launch(auth=...)` has it.
        token: Requests need it as `Authorization: Bearer`, which `hf_token` of our clients sends,
            or as the password that a browser asks for.
        tls: The files of the server's certificate, with its chain, and of its key, for HTTPS.
            The key is in the certificate's file if None.
        root_path: The path under which a proxy serves the Space, such as `/chat`.
        embedded_in: Origins whose pages may show the Space's page in a frame, such as
            "https://huggingface.co" for a Space on the hub.
        middleware: Functions that put an ASGI app around the given one, the first outermost.

    Attributes:
        engine: The engine that was given.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sizes: Sequence[str] = SIZES,
        concurrency: int | None = None,
        limits: Limits | None = None,
        allowed_hosts: Sequence[str] = (),
        auth: tuple[str, str] | None = None,
        token: str | None = None,
        tls: tuple[str, str | None] | None = None,
        root_path: str = "",
        embedded_in: Sequence[str] = (),
        middleware: Sequence[Callable[[ASGIApp], ASGIApp]] = (),
    ) -> None:
        self.engine = engine
        self._host = host
        self._port = self._bound = port
        self._sizes = tuple(sizes)
        self._concurrency = concurrency
        self._limits = limits or Limits()
        self._allowed_hosts = tuple(allowed_hosts)
        self._auth = auth
        self._token = token
        self._tls = tls
        self._root_path = root_path
        self._embedded_in = tuple(embedded_in)
        self._middleware = tuple(middleware)
        self._running: ServerThread | None = None

    @property
    def url(self) -> str:
        """Where the app answers, without a slash at the end.

        Raises:
            RuntimeError: The Space does not run.
        """
        if self._running is None:
            raise RuntimeError("The Space does not run: use it as a context manager, or start() it")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self._tls else 'http'}://{host}:{self._bound}"

    def start(self) -> Self:
        """Start the engine and the app; return when the app answers.

        Raises:
            MissingExtraError: Gradio is not installed.
            StartError: The address cannot be had, the certificate cannot be read, or the app
                does not start.
        """
        if self._running is not None:
            raise RuntimeError("The Space runs already")
        require("gradio")
        if self._tls is not None:
            _check_certificate(*self._tls)
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(_listen(self._host, self._port))
            self.engine.start()
            undo.callback(self.engine.close)
            self._bound = listener.getsockname()[1]
            self._running = self._serve(listener)
            undo.pop_all()
        return self

    def _serve(self, listener: socket.socket) -> ServerThread:
        from qwen_space.local.server import ServerThread  # imports uvicorn

        limit = self._limits.connections
        return ServerThread(self._site, listener, max_connections=limit, tls=self._tls)

    def launch(self) -> None:
        """Serve the app by `gr.Blocks.launch` in place of a server of our own, until Ctrl-C.

        A Space on ZeroGPU needs it, as the package `spaces` begins its work with `launch`. The
        end of the program cuts the replies that are being written.

        Raises:
            MissingExtraError: A package is not installed.
        """
        require("gradio")
        from qwen_space.local.app import launch, shut

        self.engine.start()
        try:
            blocks, _, wrap = self._build()
            self._bound = self._port or _free_port(self._host)
            launch(blocks, self._host, self._bound, wrap, self._auth)
            print(f"{self.engine.name} answers on port {self._bound}", flush=True)  # noqa: T201
            try:
                while True:
                    time.sleep(3600)  # which Ctrl-C ends on Windows too, unlike an Event
            finally:
                shut(blocks)
        finally:
            self.engine.close()

    def _site(self) -> Site:
        from qwen_space.local.app import mount, shut
        from qwen_space.local.server import Site

        with _building:
            blocks, dispatcher, wrap = self._build()
            app = wrap(mount(blocks, auth=self._auth, root_path=self._root_path))
        return Site(app, stopping=partial(shut, blocks), draining=dispatcher.stop)

    def _build(self) -> tuple[Blocks, Dispatcher, Callable[[ASGIApp], ASGIApp]]:
        """Make the app, its dispatcher, and the function that puts the middleware around it."""
        from qwen_space.local.access import Guard
        from qwen_space.local.app import build, count_queued, stored_files  # imports Gradio
        from qwen_space.local.dispatch import Dispatcher
        from qwen_space.local.fetching import bound_fetches
        from qwen_space.local.health import Health
        from qwen_space.local.uploads import Room, Uploads

        streams = SessionStreams()
        slots = self._concurrency or self.engine.slots
        dispatcher = Dispatcher(self.engine, streams, self._limits, slots)
        guard = partial(
            Guard,
            token=self._token,
            loopback=is_loopback(self._host),
            allowed_hosts=self._allowed_hosts,
            limits=self._limits,
            uploads=bool(dispatcher.takes),
            embedded_in=self._embedded_in,
        )

        needs: Literal["token", "login"] | None = "login" if self._auth else None
        needs = "token" if self._token else needs
        blocks = build(dispatcher, self._sizes, slots, needs)
        dispatcher.metrics.waiting.set_function(lambda: dispatcher.waiting + count_queued(blocks))
        room = Room(partial(stored_files, blocks), self._limits)
        bound_fetches(blocks, room if dispatcher.takes else None)

        def wrap(app: ASGIApp) -> ASGIApp:
            app = Uploads(streams.watch(app), room)
            app = guard(Health(app, dispatcher.metrics, self.engine.name))
            for put in reversed(self._middleware):
                app = put(app)
            return app

        return blocks, dispatcher, wrap

    def close(self) -> None:
        """Stop the app, cutting the streams that are open, and then the engine."""
        if self._running is None:
            return
        running, self._running = self._running, None
        try:
            running.stop()
        finally:
            self.engine.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self.close)


def _check_certificate(certificate: str, key: str | None) -> None:
    """Raise an error that names the files, as uvicorn's and OpenSSL's do not."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as exc:
        files = f"{certificate} and {key}" if key else certificate
        reason = str(getattr(exc, "strerror", None) or exc).rstrip(".")
        raise StartError(
            f"The certificate and its key cannot be read from {files}: {reason}. "
            "Give files in PEM's format, the key without a password."
        ) from exc


def _free_port(host: str) -> int:
    with _listen(host, 0) as listener:
        return int(listener.getsockname()[1])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Not socket.create_server: it leaves the protocol at 0, for which asyncio does not turn off
    # Nagle's algorithm, and then each small answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as exc:
        listener.close()
        reason = str(getattr(exc, "strerror", None) or exc).rstrip(".")
        raise StartError(
            f"Cannot listen on {host} port {port}: {reason}. "
            "Choose another port, or 0 for any that is free."
        ) from exc
    return listener
