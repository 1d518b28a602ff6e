"""One Space, for callers who live in any thread and any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from typing import TYPE_CHECKING

from qwen_space import sync
from qwen_space.config import SpaceConfig
from qwen_space.errors import ProtocolError, SpaceError, SpaceStatusError
from qwen_space.events import Completed, Event, last

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from qwen_space.chat import Turn
    from qwen_space.client import CallOptions
    from qwen_space.profiles import Endpoint

__all__ = ["Space"]


class Space:
    """What a chat model of a framework stands on.

    It holds nothing that belongs to a loop, a thread or a process: each call opens a connection
    of its own and closes it. So it works from everywhere, and can be copied and pickled. What
    the app's `/config` said is remembered from call to call.

    Args:
        config: How to reach and to use the Space.
    """

    def __init__(self, config: SpaceConfig) -> None:
        self.config = config
        self._endpoint: Endpoint | None = None

    @contextlib.asynccontextmanager
    async def stream(
        self, chat: Sequence[Turn], **options: Unpack[CallOptions]
    ) -> AsyncGenerator[AsyncIterator[Event], None]:
        """Ask with a chat and stream the events of the reply, as `SpaceClient.stream_chat`."""
        if "qwen_space.client" not in sys.modules:
            # It imports aiohttp, which would stop the caller's loop for a fifth of a second.
            await asyncio.to_thread(importlib.import_module, "qwen_space.client")
        from qwen_space.client import SpaceClient

        client = SpaceClient.from_config(self.config, endpoint=self._endpoint)
        async with client:
            try:
                async with client.stream_chat(chat, **options) as events:
                    self._endpoint = client.found
                    yield events
            except (SpaceStatusError, SpaceError, ProtocolError):
                self._endpoint = None  # the app may have been deployed anew: look again
                raise

    def iterate(
        self, chat: Sequence[Turn], **options: Unpack[CallOptions]
    ) -> Generator[Event, None, None]:
        """Do as `stream`, for blocking callers; nothing happens before the first `next`."""
        return sync.iterate(lambda: self.stream(chat, **options))

    async def acomplete(self, chat: Sequence[Turn], **options: Unpack[CallOptions]) -> Completed:
        """Ask with a chat and return the whole reply; options are those of `stream`."""
        return await last(self.stream(chat, **options))

    def complete(self, chat: Sequence[Turn], **options: Unpack[CallOptions]) -> Completed:
        """Do as `acomplete`, for blocking callers."""
        return sync.run(lambda: self.acomplete(chat, **options))
