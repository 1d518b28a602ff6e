"""OpenAI's interface over a Space, served from a thread of its own, as blocking clients need it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web

from qwen_space.api import ApiOptions, create_app
from tests.background import entered

__all__ = ["aserving", "serving"]


@contextlib.asynccontextmanager
async def aserving(space: Any, options: ApiOptions | None = None) -> AsyncIterator[str]:
    """Serve within the block, in the running loop; give the server's address."""
    runner = web.AppRunner(
        create_app(space, options), handler_cancellation=True, shutdown_timeout=0.5
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def serving(space: Any, options: ApiOptions | None = None) -> Iterator[str]:
    """Serve within the block, from a thread; give the server's address."""
    with entered(aserving(space, options)) as url:
        yield url
