"""Runs a test's own Gradio app the way the local Space is run.

Gradio's own `launch` leaves an event loop and sockets open, which is an error here.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests import light_gradio

__all__ = ["running"]


@contextlib.contextmanager
def running(
    build: Callable[[], Any],
    path: str = "",
    auth: tuple[str, str] | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Run an app and give its address.

    Args:
        build: Makes the `gr.Blocks`; called in the server's event loop.
        path: Where on its server the app is mounted.
        auth: The user and the password that it wants.
        port: The port to listen on; 0 for any that is free.
    """
    from qwen_space.local.app import mount, shut
    from qwen_space.local.server import ServerThread, Site

    def make() -> Site:
        light_gradio.lighten()
        blocks = build()
        blocks.queue()
        # No statistics after jobs: they import pandas, which warns.
        blocks._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
        with light_gradio.only_asked_routes():
            app = mount(blocks, path or "/") if auth is None else _mount_locked(blocks, path, auth)
        return Site(app, lambda: shut(blocks))

    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    server = ServerThread(make, listener)
    try:
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        server.stop()


def _mount_locked(blocks: Any, path: str, auth: tuple[str, str]) -> Any:
    import fastapi
    import gradio as gr

    return gr.mount_gradio_app(
        fastapi.FastAPI(), blocks, path or "/", auth=auth, ssr_mode=False, mcp_server=False
    )
