"""A Space for blocking and asynchronous callers, in any thread and any event loop."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from qwen_space.chat.messages import Turn, to_turns
from qwen_space.chat.prompt import make_chat, render_prompt
from qwen_space.chat_model.bridge import iterate_sync, run_sync
from qwen_space.chat_model.client_pool import ClientPool
from qwen_space.client.cooldown import Cooldowns
from qwen_space.client.fallback import Member, stream_with_fallback
from qwen_space.config import (
    DEFAULT_SPACE,
    CallOptions,
    SpaceConfig,
    SpaceLike,
    check_options,
    make_config,
)
from qwen_space.errors import (
    JobError,
    ProtocolError,
    QwenSpaceError,
    SpaceError,
    SpaceStatusError,
    SpaceUnreachableError,
)
from qwen_space.events import Completed, Event, EventStream, Exits, ReplyFile, last
from qwen_space.imports import import_client

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self, Unpack

    from qwen_space.chat.media import Media
    from qwen_space.client.client import SpaceClient
    from qwen_space.client.login import Login
    from qwen_space.config import SpaceOptions, Timeouts
    from qwen_space.gradio.page.endpoint import Endpoint

__all__ = ["Space", "SyncEventStream"]

logger = logging.getLogger(__name__)


class Space:
    """A Gradio Space for blocking and asynchronous callers, in any thread and any event loop.

    `Space("Qwen/Qwen2.5").complete("Hi").text` is the reply. The methods that begin with "a" do
    the same for asynchronous callers. One object serves many threads and loops at once, in
    notebooks and after a fork too, and can be copied and pickled, without its secrets.

    Nothing connects before the first call. The app's `/config` is asked for once. Connections are
    closed with the call; those of blocking callers after three idle seconds, or by `close`, so
    that `with` is possible and not necessary. `async with` says that the running loop goes on, so
    that its connections are kept as long.

    Args:
        space: A Hugging Face id (`owner/name`), or the address of a Gradio app; or a list of those,
            of which the next is asked where one does not answer, as for `SpaceClient`.
        **options: Those of `SpaceClient`, but for `session`: `model`, `hf_token`, `proxy`,
            `timeouts` and the others; see `SpaceConfig`.

    Raises:
        ValueError: An argument cannot be right.
    """

    def __init__(self, space: SpaceLike = DEFAULT_SPACE, **options: Unpack[SpaceOptions]) -> None:
        self._configure(make_config(space, **options))

    def _configure(self, config: SpaceConfig) -> None:
        self.config = config
        self._known: tuple[SpaceConfig, Endpoint | None] = config.without_fallbacks, None
        self._pool = ClientPool()
        self._login: Login | None = None
        self._others = tuple(map(Space.from_config, config.fallbacks))
        self._cooldowns = Cooldowns()

    @classmethod
    def from_config(cls, config: SpaceConfig) -> Self:
        """Return the Space that `config` describes."""
        space = cls()
        space._configure(config)
        return space

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": ClientPool()}

    def __repr__(self) -> str:
        return f"Space({self.config.url!r})"

    # Blocking

    def complete(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> Completed:
        """Ask, and return the whole reply.

        Args:
            prompt: The text to answer.
            system: The system prompt; None is the client's, or else the Space's own.
            files: Pictures and other files, which are uploaded to the app.
            **options: See `CallOptions`.

        Returns:
            The reply: its `text`, the seconds it took (`duration`), and more.

        Raises:
            ValueError: The prompt is empty, an option cannot be right, or the app takes no such
                file.
            QwenSpaceError: The Space cannot be reached, refuses, fails, or breaks off; the
                error's `text` is the part of the reply that had arrived.
            RuntimeError: The caller runs in the client's own event loop.
        """
        return self.chat(make_chat(prompt, system, files), **options)

    def chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> Completed:
        """Ask with the messages of a chat, and return the whole reply.

        Args:
            messages: `{"role": ..., "content": ...}` each, the system messages among them.
            **options: See `CallOptions`.

        Raises:
            ValueError: There is no message, or one holds neither text nor media.
            QwenSpaceError: As for `complete`.
        """
        chat = _checked(messages, options)
        import_client()
        return run_sync(lambda: self.achat(chat, **options))

    def stream(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> SyncEventStream:
        """Ask, and return the events of the reply: an iterator and a context manager.

        The prompt is sent when the first event is asked for. The end of the loop, of the `with`
        block, or of the iterator closes the connection, which stops the job on the server.
        Arguments and errors are those of `complete`; the last event is `Completed`.
        """
        return self.stream_chat(make_chat(prompt, system, files), **options)

    def stream_chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> SyncEventStream:
        """Ask with a chat, and return the events of the reply, as `stream`; arguments of `chat`."""
        chat = _checked(messages, options)
        import_client()
        return SyncEventStream(
            iterate_sync(
                lambda: self.astream_chat(chat, **options), max_queue=self.config.max_queue
            )
        )

    def close(self) -> None:
        """Close the connection that the last blocking call left; the Space can be used again."""
        pool = self._renew_pool()
        if not pool.is_empty:
            run_sync(pool.close)
        for other in self._others:
            other.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def download(self, file: ReplyFile, *, max_size: int | None = None) -> bytes:
        """Return the bytes of a file in a reply, as `SpaceClient.download`."""
        import_client()
        return run_sync(lambda: self.adownload(file, max_size=max_size))

    # Asynchronous

    async def __aenter__(self) -> Self:
        """Keep connections for a moment, in the running loop, which is to go on after the block."""
        self._pool.kept.add(asyncio.get_running_loop())
        for other in self._others:
            await other.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._pool.kept.discard(asyncio.get_running_loop())
        await self._renew_pool().close()
        for other in self._others:
            await other.__aexit__(*exc_info)

    async def adownload(self, file: ReplyFile, *, max_size: int | None = None) -> bytes:
        """Return the bytes of a file in a reply, as `SpaceClient.download`."""
        async with Exits() as exits:
            client = await self._enter_client(exits)
            return await client.download(file, max_size=max_size)

    async def acomplete(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> Completed:
        """Do as `complete`, for asynchronous callers."""
        return await self.achat(make_chat(prompt, system, files), **options)

    async def achat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> Completed:
        """Do as `chat`, for asynchronous callers."""
        return await last(self.astream_chat(messages, **options))

    def astream(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> EventStream[Event]:
        """Ask, and stream the events of the reply, as `SpaceClient.stream`: `async with` it."""
        return self.astream_chat(make_chat(prompt, system, files), **options)

    def astream_chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> EventStream[Event]:
        """Ask with a chat, and stream the events of the reply, as `SpaceClient.stream_chat`."""
        chat = _checked(messages, options)
        members = [space.member for space in (self, *self._others)]
        strategy = self.config.strategy
        return stream_with_fallback(members, self._cooldowns, chat, options, strategy=strategy)

    @property
    def member(self) -> Member:
        """This Space alone, as one of several."""
        return Member(
            self.config.without_fallbacks,
            lambda *asked: EventStream(lambda exits: self._begin(exits, *asked)),
            self.aqueue_size,
        )

    @property
    def found(self) -> Endpoint | None:
        """The app's function that answers, if its `/config` told it already."""
        return self._known[1]

    async def aqueue_size(self) -> int | None:
        """Return how many jobs wait in the Space's queue; None where it does not say.

        A Space that sleeps is not waited for.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        async with Exits() as exits:
            client = await self._enter_client(exits)
            size = await client.queue_size()
            self._remember(client)
        return size

    async def aoffered_models(self, *, seconds: float = 5.0) -> list[str]:
        """Return the names of the models that the Space offers, or several Spaces together.

        A Space that does not answer in time is passed over, and so is one without a choice.

        Args:
            seconds: How long to wait.
        """
        others = (other.aoffered_models(seconds=seconds) for other in self._others)
        found = await asyncio.gather(self._own_models(seconds), *others)
        return list(dict.fromkeys(name for names in found for name in names))

    async def _own_models(self, seconds: float) -> list[str]:
        try:
            endpoint = await asyncio.wait_for(self.aendpoint(), seconds)
        except (QwenSpaceError, asyncio.TimeoutError) as exc:
            logger.debug("%s does not tell its models: %s", self.config.space, exc)
            return []
        return list(endpoint.models)

    def endpoint(self) -> Endpoint:
        """Do as `aendpoint`, for blocking callers."""
        import_client()
        return run_sync(self.aendpoint)

    async def aendpoint(self) -> Endpoint:
        """Return the app's function that answers, found in its `/config` once.

        Raises:
            EndpointError: No function of the app fits, or not the one that is wanted.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        async with Exits() as exits:
            client = await self._enter_client(exits)
            endpoint = await client.endpoint()
            self._remember(client)
        return endpoint

    async def _begin(
        self,
        exits: Exits,
        chat: Sequence[Turn],
        options: CallOptions,
        timeouts: Timeouts,
    ) -> AsyncIterator[Event]:
        client = await self._enter_client(exits)
        events = await client.stream_within(chat, options, timeouts).enter_on(exits)
        self._remember(client)
        return events

    async def _enter_client(self, exits: Exits) -> SpaceClient:
        """Return a client, which the exits give back."""
        if not hasattr(sys.modules.get("qwen_space.client.client"), "SpaceClient"):  # or half of it
            # It would stop the caller's loop for a fifth of a second.
            await asyncio.to_thread(import_client)
        from qwen_space.client.client import SpaceClient
        from qwen_space.client.login import Login

        self._login = self._login or Login()

        def make() -> SpaceClient:
            config, endpoint = self._known
            return SpaceClient.from_config(config, endpoint=endpoint, login=self._login)

        client = await exits.enter(self._pool.acquire(make))
        exits.push(partial(self._forget, client))
        return client

    def _remember(self, client: SpaceClient) -> None:
        """Keep a client's finding about the app."""
        if client.found is not None:
            self._known = client.config, client.found
        else:
            self._renew_pool()  # the next call asks the app again

    def _renew_pool(self) -> ClientPool:
        """Let the calls that come use new clients; return the pool of those that were."""
        old, self._pool = self._pool, ClientPool(self._pool.kept)
        old.is_open = False
        return old

    async def _forget(
        self,
        client: SpaceClient,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Look again after a failure: the app may have been redeployed, or moved.

        Not after a failed job where the app has a number: that is looked at before each prompt.
        """
        found = client.found
        if isinstance(exc, JobError) and found is not None and found.app_id is not None:
            self._remember(client)
        elif isinstance(exc, (SpaceUnreachableError, SpaceStatusError, SpaceError, ProtocolError)):
            self._known = self.config.without_fallbacks, None
            self._renew_pool()


class SyncEventStream(AbstractContextManager["SyncEventStream"], Iterator[Event]):
    """The events of one reply, for blocking callers; closing it stops the job on the server."""

    def __init__(self, events: Generator[Event, None, None]) -> None:
        self._events = events

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def close(self) -> None:
        """Leave the reply, and close its connection."""
        self._events.close()

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _checked(messages: Sequence[Mapping[str, Any] | Turn], options: CallOptions) -> list[Turn]:
    """Return the turns of a chat; raise their faults here, and not in another thread."""
    chat = to_turns(messages)
    render_prompt(chat)
    check_options(options)
    return chat
