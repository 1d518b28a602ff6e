"""One Space, for callers who live in any thread and any event loop."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from qwen_space.chat_model import bridge as sync
from qwen_space.chat_model.client_pool import Clients
from qwen_space.config import SpaceConfig
from qwen_space.errors import ProtocolError, SpaceError, SpaceStatusError, SpaceUnreachableError
from qwen_space.events import Completed, Event, EventStream, last

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from qwen_space.chat.messages import Turn
    from qwen_space.client.login import Login
    from qwen_space.config import CallOptions
    from qwen_space.gradio.endpoint import Endpoint

__all__ = ["Space"]


class Space:
    """What a chat model of a framework stands on.

    It works in any thread, event loop and process, and can be copied and pickled. What the app's
    `/config` said is remembered from call to call, and where it was found. Connections are closed
    with the call; those of blocking callers, a moment after it.

    Args:
        config: How to reach and to use the Space.
    """

    def __init__(self, config: SpaceConfig) -> None:
        self.config = config
        self._known: tuple[SpaceConfig, Endpoint | None] = config, None
        self._clients = Clients()
        self._login: Login | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clients": Clients()}

    def stream(self, chat: Sequence[Turn], **options: Unpack[CallOptions]) -> EventStream[Event]:
        """Ask with a chat and stream the events of the reply, as `SpaceClient.stream_chat`."""
        return EventStream(lambda stack: self._begin(stack, chat, options))

    async def _begin(
        self, stack: AsyncExitStack, chat: Sequence[Turn], options: CallOptions
    ) -> AsyncIterator[Event]:
        if not hasattr(sys.modules.get("qwen_space.client.client"), "SpaceClient"):  # or half of it
            # It would stop the caller's loop for a fifth of a second.
            await asyncio.to_thread(_import_client)
        from qwen_space.client.client import SpaceClient
        from qwen_space.client.login import Login

        self._login = self._login or Login()

        def make() -> SpaceClient:
            config, endpoint = self._known
            return SpaceClient.from_config(config, endpoint=endpoint, login=self._login)

        client = await stack.enter_async_context(self._clients.borrowed(make))
        stack.push(self._forget)
        events = await client.stream_chat(chat, **options).enter_on(stack)
        if client.found is not None:
            self._known = client.config, client.found
        else:
            self._renew_clients()  # the next call asks the app again
        return events

    def _renew_clients(self) -> None:
        self._clients.are_kept = False
        self._clients = Clients()

    def _forget(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Look again after a failure: the app may have been deployed anew, or elsewhere."""
        if isinstance(exc, (SpaceUnreachableError, SpaceStatusError, SpaceError, ProtocolError)):
            self._known = self.config, None
            self._renew_clients()
        return False

    def iterate(
        self, chat: Sequence[Turn], **options: Unpack[CallOptions]
    ) -> Generator[Event, None, None]:
        """Do as `stream`, for blocking callers; nothing is asked before the first `next`."""
        _import_client()
        return sync.iterate(lambda: self.stream(chat, **options), max_queue=self.config.max_queue)

    async def acomplete(self, chat: Sequence[Turn], **options: Unpack[CallOptions]) -> Completed:
        """Ask with a chat and return the whole reply; options are those of `stream`."""
        return await last(self.stream(chat, **options))

    def complete(self, chat: Sequence[Turn], **options: Unpack[CallOptions]) -> Completed:
        """Do as `acomplete`, for blocking callers."""
        _import_client()
        return sync.run(lambda: self.acomplete(chat, **options))


def _import_client() -> None:
    """Import what imports aiohttp.

    Blocking callers do it themselves: at the end of a program no thread can be had for it.
    """
    importlib.import_module("qwen_space.client.client")
