"""The asynchronous client of a Space, or of several that answer in turn."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwen_space.chat.messages import Turn, to_turns
from qwen_space.chat.prompt import make_chat, render_prompt
from qwen_space.client.call import Call
from qwen_space.client.cooldown import Cooldowns
from qwen_space.client.deadline import Deadline
from qwen_space.client.fallback import Member, stream_with_fallback
from qwen_space.client.http import Transport
from qwen_space.client.login import Login
from qwen_space.client.lookup import EndpointResolver
from qwen_space.config import (
    DEFAULT_MAX_FILE_SIZE,
    DEFAULT_MAX_FILES,
    DEFAULT_MAX_SIZE,
    DEFAULT_MODEL,
    DEFAULT_REASONING_TAGS,
    DEFAULT_SPACE,
    HUB,
    CallOptions,
    History,
    InputRole,
    SpaceConfig,
    SpaceLike,
    Strategy,
    Timeouts,
    check_options,
    make_config,
)
from qwen_space.events import Completed, Event, EventStream, Exits, ReplyFile, last
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.wire.files import inline_bytes

if TYPE_CHECKING:
    import os
    import ssl
    from pathlib import Path

    import aiohttp
    from typing_extensions import Self, Unpack

    from qwen_space.chat.media import Media

__all__ = ["SpaceClient"]

_AT_ONCE = 0.001  # seconds


class SpaceClient:
    """An asynchronous client of a Gradio Space, or of several that answer in turn.

    A client belongs to the event loop in which it is used: make one for each loop. Within
    `async with` its connections are kept from call to call; otherwise they are closed with the
    last call at the time. Concurrent streams are safe, as each has a session
    hash, and so a place in the queue, of its own. Nothing connects before the first call.

    Args:
        space: A Hugging Face id (`owner/name`), or the URL of a Gradio app; or a list of those, of
            which the next is asked where one does not answer, each maybe a dict with options of
            its own (see `SpaceEntry`).
        strategy: Which of several Spaces is asked first; see `SpaceConfig`.
        model: Which of the app's models answers; `qwen-2.5` is its default.
        hf_token: A Hugging Face token, sent to the Space's own address only.
        auth: The user and the password of an app with a login, Gradio's `launch(auth=...)`.
        proxy: The URL of a proxy, HTTP or SOCKS, used for every request.
        trust_env: Whether the proxies and certificates that the environment names are used.
        verify: How a server's certificate is checked; see `SpaceConfig`.
        timeouts: How long to wait, in seconds.
        max_retries: How often a step that cannot have run the prompt is tried again.
        system_prompt: The system prompt of calls that bring none.
        history: "split" renders earlier turns into the prompt; "native" gives them to the app's
            own history input, where they alternate strictly; "auto" does that where the app's
            `/config` told how, and splits elsewhere.
        reasoning_tags: The tags around a model's thoughts at the start of its reply; None takes
            all for the answer.
        endpoint: The api name of the function to call, or its number as `#3`; None lets discovery
            choose.
        roles: The roles of the app's inputs, where discovery tells them wrongly, by label,
            parameter or position, such as `{"Message": "prompt", 2: "system"}`.
        inputs: Values for further inputs of the app, by parameter name or label.
        headers: Headers to add, or to put in place of ours.
        hub: The address of the Hugging Face hub, which is asked about Spaces that do not answer.
        max_size: The most bytes that an answer, or one message of a stream, may take, and the most
            characters of a reply.
        max_files: The most pictures and files that a chat may have.
        max_file_size: The most bytes that one of them, or a file of a reply, may have.
        session: An aiohttp session to use. The client closes only one that it made itself, and
            only there does it wait, aside, for the end of a reply to keep its connection.

    Raises:
        ValueError: An argument cannot be right.
    """

    def __init__(
        self,
        space: SpaceLike = DEFAULT_SPACE,
        *,
        strategy: Strategy = "sticky",
        model: str = DEFAULT_MODEL,
        hf_token: str | None = None,
        auth: tuple[str, str] | None = None,
        proxy: str | None = None,
        trust_env: bool = True,
        verify: bool | str | os.PathLike[str] | ssl.SSLContext = True,
        timeouts: Timeouts | None = None,
        max_retries: int = 2,
        system_prompt: str | None = None,
        history: History = "auto",
        reasoning_tags: tuple[str, str] | None = DEFAULT_REASONING_TAGS,
        endpoint: str | None = None,
        roles: Mapping[Any, InputRole | None] | None = None,
        inputs: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        hub: str = HUB,
        max_size: int = DEFAULT_MAX_SIZE,
        max_files: int = DEFAULT_MAX_FILES,
        max_file_size: int = DEFAULT_MAX_FILE_SIZE,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        config = make_config(
            space,
            strategy=strategy,
            model=model,
            hf_token=hf_token,
            auth=auth,
            proxy=proxy,
            trust_env=trust_env,
            verify=verify,
            timeouts=timeouts or Timeouts(),
            max_retries=max_retries,
            system_prompt=system_prompt,
            history=history,
            reasoning_tags=reasoning_tags,
            endpoint=endpoint,
            roles=roles or {},
            inputs=inputs or {},
            headers=headers or {},
            hub=hub,
            max_size=max_size,
            max_files=max_files,
            max_file_size=max_file_size,
        )
        self._open(config, session)

    def _open(
        self,
        config: SpaceConfig,
        session: aiohttp.ClientSession | None,
        endpoint: Endpoint | None = None,
        login: Login | None = None,
    ) -> None:
        self._users = 0
        self._is_entered = False
        self._transport = Transport(config.without_fallbacks, session, login)
        self._resolver = EndpointResolver(self._transport, endpoint)
        self._others = tuple(
            SpaceClient.from_config(each, session=session) for each in config.fallbacks
        )
        self._cooldowns = Cooldowns()
        self._given = config.without_fallbacks

    @classmethod
    def from_config(
        cls,
        config: SpaceConfig,
        *,
        session: aiohttp.ClientSession | None = None,
        endpoint: Endpoint | None = None,
        login: Login | None = None,
    ) -> SpaceClient:
        """Return a client of the Space that `config` describes.

        Args:
            config: How to reach and to use the Space.
            session: As of the class.
            endpoint: The function that answers, if it is known already.
            login: The app's login, where several clients share it.
        """
        client = cls.__new__(cls)  # whose `__init__` would make another configuration
        client._open(config, session, endpoint, login)  # noqa: SLF001 - its own
        return client

    @property
    def config(self) -> SpaceConfig:
        """The configuration of the Space, or of the first of several.

        Its address changes when the app is found to have moved.
        """
        return self._transport.config

    def __repr__(self) -> str:
        return f"SpaceClient({self.config.url!r})"

    async def __aenter__(self) -> Self:
        self._is_entered = True
        for other in self._others:
            await other.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._is_entered = False
        await self.close()
        for other in self._others:
            await other.__aexit__(*exc_info)

    async def close(self) -> None:
        """Close the connections. The client opens new ones if it is used again."""
        await self._transport.close()
        for other in self._others:
            await other.close()

    # Asking

    def stream(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> EventStream[Event]:
        """Ask, and stream the events of the reply.

        Entering the block sends the prompt; where the Space sleeps or is being built, reading
        the events does, after a `Notice` and the wait for it. Leaving the block, in whatever way,
        closes the connection, which stops the job on the server. The connection of a whole reply
        is kept for the next one, where the server ends the reply as it should.

        Args:
            prompt: The text to answer.
            system: The system prompt; None is the client's, or else the Space's own.
            files: Pictures and other files. They are uploaded when the events are read.
            **options: See `CallOptions`.

        Returns:
            A context manager that gives an iterator of events; the last is `Completed`.

        Raises:
            ValueError: The prompt is empty, or the app has no such input, or takes no such file.
            QwenSpaceError: The Space cannot be reached, refuses, fails, or breaks off; the
                error's `text` is the part of the reply that had arrived.
        """
        return self._stream(make_chat(prompt, system, files), options)

    async def complete(
        self,
        prompt: str,
        *,
        system: str | None = None,
        files: Sequence[Path | Media] = (),
        **options: Unpack[CallOptions],
    ) -> Completed:
        """Ask, and return the whole reply; arguments and errors are those of `stream`."""
        return await last(self.stream(prompt, system=system, files=files, **options))

    def stream_chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> EventStream[Event]:
        """Ask with the messages of a chat, and stream the events of the reply.

        Args:
            messages: `{"role": ..., "content": ...}` each, or `Turn`. All system messages
                together are the system prompt; `history` decides about the others.
            **options: See `CallOptions`.

        Returns:
            A context manager that gives an iterator of events; the last is `Completed`.

        Raises:
            ValueError: There is no message, or one holds neither text nor media.
            QwenSpaceError: As for `stream`.
        """
        chat = to_turns(messages)
        render_prompt(chat)  # raises its faults here, and not where the block is entered
        return self._stream(chat, options)

    async def chat(
        self, messages: Sequence[Mapping[str, Any] | Turn], **options: Unpack[CallOptions]
    ) -> Completed:
        """Ask with a chat, and return the whole reply; arguments are those of `stream_chat`."""
        return await last(self.stream_chat(messages, **options))

    async def endpoint(self) -> Endpoint:
        """Return the app's function that answers, found in its `/config` once.

        Where `/config` does not answer, it is the public Qwen2.5 Space's.

        Raises:
            EndpointError: No function of the app fits, or not the one that is wanted.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        async with self._use():
            return await self._resolved(Deadline(self.config.timeouts))

    async def _resolved(self, deadline: Deadline) -> Endpoint:
        async for _ in self._resolver.resolve(deadline):
            pass  # it is waited for, and nobody is there to be told
        named = itertools.chain(self.config.sampling, self.config.inputs)
        await self._resolver.load_parameters(named, deadline)
        return self._resolver.endpoint

    async def app_config(self) -> Any:
        """Request the app's `/config` and return its JSON.

        A Space that sleeps is not waited for, though it wakes up from being asked.

        Raises:
            SpaceUnavailableError: The Space sleeps, or is paused, broken or gone.
            QwenSpaceError: The Space cannot be reached, refuses, or does not answer with JSON.
        """
        async with self._use():
            return await self._resolver.app_config(Deadline(self.config.timeouts))

    async def app_info(self, prefix: str = "") -> Any:
        """Return the JSON of the app's `/info`, with its parameters' names.

        Args:
            prefix: The prefix of the app's paths: "", or "/gradio_api" from Gradio 5 on.

        Returns:
            None where it is refused or breaks off.
        """
        async with self._use():
            return await self._resolver.app_info(prefix, Deadline(self.config.timeouts))

    async def queue_size(self) -> int | None:
        """Return how many jobs wait in the Space's queue; None where it does not say.

        A Space that sleeps is not waited for.

        Raises:
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        async with self._use():
            deadline = Deadline(replace(self.config.timeouts, wake=_AT_ONCE))
            endpoint = await self._resolved(deadline)
            url = f"{self.config.url}{endpoint.prefix}/queue/status"
            answer = await self._transport.json("GET", url, deadline)
        size = answer.get("queue_size") if isinstance(answer, dict) else None
        return size if isinstance(size, int) else None

    async def download(self, file: ReplyFile, *, max_size: int | None = None) -> bytes:
        """Return the bytes of a file in a reply.

        The token and the login go to the Space's own address only.

        Args:
            file: The file, from `Completed.files`.
            max_size: The most bytes to take; None is `max_file_size`.

        Raises:
            ProtocolError: There are more.
            QwenSpaceError: It cannot be had.
        """
        limit = self.config.max_file_size if max_size is None else max_size
        if (data := inline_bytes(file.url, limit)) is not None:
            return data
        async with self._use():
            return await self._transport.download(file.url, Deadline(self.config.timeouts), limit)

    @property
    def found(self) -> Endpoint | None:
        """The endpoint, if the `/config` of the app at `config.url` told it already."""
        return self._resolver.discovered

    # Uses: outside `async with`, the last one to end closes the connections. A program may end
    # its loop at any moment then, as `asyncio.run(SpaceClient(url).complete("Hi"))` does.

    @contextlib.asynccontextmanager
    async def _use(self) -> AsyncGenerator[None, None]:
        self._users += 1
        try:
            yield
        finally:
            await self._end_use()

    async def _end_use(self, *_exc_info: object) -> None:
        self._users -= 1
        if not self._users and not self._is_entered:
            await self._transport.close()  # and not those of the others, which may be in use

    # The wire

    def _stream(self, chat: Sequence[Turn], options: CallOptions) -> EventStream[Event]:
        check_options(options)  # here, and not where the block is entered
        members = [client.member for client in (self, *self._others)]
        strategy = self.config.strategy
        return stream_with_fallback(members, self._cooldowns, chat, options, strategy=strategy)

    @property
    def member(self) -> Member:
        """This Space alone, as one of several."""
        return Member(self._given, self.stream_within, self.queue_size)

    def stream_within(
        self, chat: Sequence[Turn], options: CallOptions, timeouts: Timeouts
    ) -> EventStream[Event]:
        """Ask this Space alone, within other time limits than those of its configuration."""

        async def enter(exits: Exits) -> AsyncIterator[Event]:
            self._users += 1
            exits.push(self._end_use)
            deadline = Deadline(timeouts.within(options.get("timeout")))
            call = Call(self._transport, self._resolver, chat, options, deadline)
            return await call.open(exits)

        return EventStream(enter)
