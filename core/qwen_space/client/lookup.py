"""Finds the function of an app that answers, and remembers it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from qwen_space.client import hub
from qwen_space.client.http import Clock, Transport
from qwen_space.client.retry import is_passing, retrying
from qwen_space.client.wakeup import Front
from qwen_space.errors import (
    EndpointError,
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
)
from qwen_space.events import Notice
from qwen_space.gradio.discovery import find_endpoint, is_unclear, with_parameters
from qwen_space.gradio.endpoint import QWEN_2_5, Endpoint, profile_of

__all__ = ["Finder"]

logger = logging.getLogger("qwen_space.client")


class Finder:
    """Finds the function that answers: in what the app says of itself, or among the known ones.

    Args:
        transport: Sends the requests; it is moved to where the app is found.
        endpoint: The function, if it is known already.
    """

    def __init__(self, transport: Transport, endpoint: Endpoint | None = None) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._failure: QwenSpaceError | None = None  # why `/config` did not help

    @property
    def endpoint(self) -> Endpoint:
        """The function; it has been found by `finding` when this is asked for."""
        assert self._endpoint is not None  # noqa: S101 - `finding` sees to that
        return self._endpoint

    @property
    def told(self) -> Endpoint | None:
        """The function, if the app itself told it."""
        return self._endpoint if self.is_told else None

    @property
    def is_told(self) -> bool:
        """Whether nothing but the app said which function it is."""
        return self._failure is None

    @property
    def is_done(self) -> bool:
        """Whether the function has been found."""
        return self._endpoint is not None

    def forget(self) -> None:
        """Look again the next time."""
        self._endpoint = None

    async def finding(self, clock: Clock) -> AsyncGenerator[Notice, None]:
        """Find the function, if it is not known; yield what to tell while a Space is waited for.

        Raises:
            EndpointError: No function of the app fits, or not the one that is wanted.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        if self.is_done:
            return
        front = Front(self._transport, self._app_config, clock)
        try:
            async with contextlib.aclosing(front.waiting()) as notices:
                async for notice in notices:
                    yield notice
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            self._endpoint = self._guessed(exc)
        else:
            endpoint = await self._found(front.app_config, clock)
            self._endpoint, self._failure = endpoint, None  # together: others may look meanwhile

    async def know_inputs(self, names: Iterable[str], clock: Clock) -> None:
        """See to it that inputs can be given by these names."""
        if not self.endpoint.knows(names):
            self._endpoint = await self._with_parameters(self.endpoint, clock)

    async def app_config(self, clock: Clock) -> Any:
        """Return the JSON of the app's `/config`; a Space that sleeps is not waited for.

        Raises:
            SpaceUnavailableError: The Space sleeps, or is paused, broken or gone.
            QwenSpaceError: The Space cannot be reached, refuses, or does not answer with JSON.
        """
        front = Front(self._transport, self._app_config, clock)
        if (stage := await front.look()) is not None:
            raise hub.asleep(self._transport.config.url, stage)
        return front.app_config

    async def app_info(self, prefix: str, clock: Clock) -> Any:
        """Return the JSON of the app's `/info`; None where it does not answer with such.

        Raises:
            QwenSpaceError: The Space cannot be reached.
        """
        url = f"{self._transport.config.url}{prefix}/info"
        try:
            return await self._transport.json("GET", url, clock)
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            logger.debug("%s does not help: %s", url, exc)
            return None

    async def _app_config(self, clock: Clock) -> Any:
        retries = self._transport.config.max_retries
        return await retrying(lambda: self._transport.app_config(clock), is_passing, retries, clock)

    def explained(self, exc: QwenSpaceError) -> QwenSpaceError:
        """Return the error of a request, in view of what `/config` said."""
        broken = isinstance(exc, SpaceStatusError) and exc.status >= 500
        if self.is_told or broken:
            return exc
        return ProtocolError(
            f"{self._transport.config.url} does not look like a Gradio app. "
            f"/config: {_answer(self._failure)}. /queue/join: {_answer(exc)}. "
            "Check that space is the address of a Gradio app."
        )

    async def _found(self, app_config: Any, clock: Clock) -> Endpoint:
        """Return the app's function that chats, by its `/config`, and by its `/info` if need be."""
        config = self._transport.config
        try:
            endpoint = find_endpoint(app_config, config.endpoint)
        except EndpointError:
            known = profile_of(config.url)
            if known is None or config.endpoint is not None:
                raise
            return known
        return await self._with_parameters(endpoint, clock) if is_unclear(endpoint) else endpoint

    async def _with_parameters(self, endpoint: Endpoint, clock: Clock) -> Endpoint:
        """Return the endpoint with what the app's `/info` tells of it, which may be nothing."""
        return with_parameters(endpoint, await self.app_info(endpoint.prefix, clock))

    def _guessed(self, exc: QwenSpaceError) -> Endpoint:
        """Return the known function of the Space, or the public Space's, without `/config`.

        Not for a server that only failed just now: in an app that nobody knows, the number of the
        public Space's function may be that of any other.
        """
        config = self._transport.config
        known = profile_of(config.url)
        failed = isinstance(exc, SpaceUnavailableError) or (
            isinstance(exc, SpaceStatusError) and exc.status >= 500
        )
        if hub.is_final(config, exc) or (failed and known is None):
            raise exc
        if config.endpoint is not None:
            raise EndpointError(f"endpoint={config.endpoint!r} cannot be looked up: {exc}") from exc
        logger.debug("/config does not help (%s): taking the public Space's figures", exc)
        self._failure = exc
        return known or QWEN_2_5


def _answer(failure: BaseException | None) -> str:
    """Return what an answer was, in few words: two are told in one sentence."""
    return f"HTTP {failure.status}" if isinstance(failure, SpaceStatusError) else str(failure)
