"""Resolves the endpoint of an app, and remembers it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from qwen_space.client import hub
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.prerequisite import run_renderer
from qwen_space.client.retry import is_transient, retrying
from qwen_space.client.wakeup import SpaceWaker
from qwen_space.errors import (
    EndpointError,
    ProtocolError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
)
from qwen_space.events import Notice
from qwen_space.gradio.page.app import api_prefix, with_rendered
from qwen_space.gradio.page.discovery import App, find_endpoint, is_unclear
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.page.known_spaces import QWEN_2_5, get_known_endpoint
from qwen_space.gradio.page.message_lists import has_lists
from qwen_space.gradio.wire.requests import JobRequest

__all__ = ["EndpointResolver"]

logger = logging.getLogger("qwen_space.client")

_TRUST = 10.0  # seconds; redeploying a Space takes longer
_LONGEST_REASON = 100  # characters of a page
_MANY_FUNCTIONS = 300  # they take about 20 ms

# Of the functions that make parts of a page (`gr.render`), and of those within them.
_MOST_RENDERERS = 5
_MOST_ROUNDS = 3


class EndpointResolver:
    """Resolves the endpoint that answers, from the app's `/config` or the table of known Spaces.

    Args:
        transport: Sends the requests; its address changes when the app is found to have moved.
        endpoint: The endpoint, if it is known already.
    """

    def __init__(self, transport: Transport, endpoint: Endpoint | None = None) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._failure: QwenSpaceError | None = None  # the reason why `/config` did not help
        self._verified = -_TRUST  # when the app was last seen to be the same, by the clock
        self._opening = asyncio.Lock()
        self._opened: tuple[Any, ...] | None = None  # the page that was opened last

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint, which `resolve` must have found."""
        assert self._endpoint is not None  # noqa: S101 - `resolve` sees to that
        return self._endpoint

    @property
    def discovered(self) -> Endpoint | None:
        """The endpoint, if it was found in the app's `/config`."""
        return self._endpoint if self.is_discovered else None

    @property
    def is_discovered(self) -> bool:
        """Whether the endpoint comes from the app itself, and not from the table."""
        return self._failure is None

    @property
    def is_resolved(self) -> bool:
        """Whether the endpoint is known."""
        return self._endpoint is not None

    async def verify(self, deadline: Deadline) -> None:
        """Forget the endpoint if the app was redeployed since it was resolved.

        Its number may be that of another function now. To ask costs a request, so an app is
        taken to be the same for a few seconds while a connection to it stays open.
        """
        endpoint = self._endpoint
        if endpoint is None or endpoint.app_id is None:
            return
        transport = self._transport
        if transport.is_connected and time.monotonic() < self._verified + _TRUST:
            return
        url = f"{transport.config.url}{endpoint.prefix}/app_id"
        try:
            retries = transport.config.max_retries
            answer = await retrying(
                lambda: transport.json("GET", url, deadline), is_transient, retries, deadline
            )
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            logger.debug("%s does not help: %s", url, exc)  # the join will tell
            if isinstance(exc, SpaceStatusError) and exc.status == 404 and not exc.is_page:
                self._verified = time.monotonic()  # the app itself says that it tells no number
            return
        self._verified = time.monotonic()
        now = answer.get("app_id") if isinstance(answer, dict) else None
        if now not in {None, endpoint.app_id} and self._endpoint is endpoint:
            logger.debug("%s was deployed anew", transport.config.url)
            self.forget()

    def forget(self) -> None:
        """Drop the endpoint, so that the next call resolves it again."""
        self._endpoint = None

    async def resolve(self, deadline: Deadline) -> AsyncGenerator[Notice, None]:
        """Find the endpoint, if it is not known; yield notices while a sleeping Space wakes up.

        Raises:
            EndpointError: No function of the app fits, or not the one that is wanted.
            QwenSpaceError: The Space cannot be reached, or refuses.
        """
        if self.is_resolved:
            return
        waker = SpaceWaker(self._transport, self._app_config, deadline)
        try:
            async with contextlib.aclosing(waker.wake()) as notices:
                async for notice in notices:
                    yield notice
        except (SpaceStatusError, SpaceUnavailableError, ProtocolError) as exc:
            self._endpoint = self._fall_back(exc)
        else:
            endpoint = await self._discover(waker.app_config, deadline)
            self._endpoint, self._failure = endpoint, None  # together: others may look meanwhile
            self._verified = time.monotonic()

    async def open_page(
        self, endpoint: Endpoint, open_: Callable[[], Awaitable[None]], deadline: Deadline
    ) -> bool:
        """Run what starts the app's backend as its page is opened: once, before the first call.

        An app may keep something for each page, which it then drops as that is left. Its page is
        opened for each call, as each has a session of its own.

        Args:
            endpoint: The endpoint of a call; the resolver's own may be another by now.
            open_: Runs the functions of its `opening`.
            deadline: The time limits, also of the wait for another call that opens the page.

        Returns:
            Whether they were run now.

        Raises:
            SpaceTimeoutError: The time for the whole reply is over.
        """
        if not endpoint.opening:
            return False
        if endpoint.opens_sessions:
            await open_()
            return True
        await deadline.limit(self._opening.acquire())
        try:
            must_open = self._opened != _page(endpoint)
            if must_open:
                await open_()
                self._opened = _page(endpoint)
        finally:
            self._opening.release()
        # Those who are given the endpoint, as is a later client of the same model, need not.
        if self._endpoint is not None and _page(self._endpoint) == self._opened:
            self._endpoint = replace(self._endpoint, opening=())
        return must_open

    def forget_loads(self, endpoint: Endpoint) -> None:
        """Take note that an app replies in a session in which its page was not loaded."""
        if self._endpoint is not None and self._endpoint.app_id == endpoint.app_id:
            self._endpoint = replace(self._endpoint, loads=())

    def open_each_session(self, endpoint: Endpoint) -> None:
        """Run all that the page of an endpoint runs as it loads in each session from now on."""
        if self._endpoint is not None and self._endpoint.app_id == endpoint.app_id:
            self._endpoint = replace(
                self._endpoint, opening=endpoint.loads, loads=(), opens_sessions=True
            )

    async def load_parameters(self, names: Iterable[str], deadline: Deadline) -> None:
        """Look the endpoint up again by its parameters, unless `names` are known without them."""
        if self.is_discovered and not self.endpoint.knows(names):
            self._endpoint = await self._discover(
                await self._app_config(deadline), deadline, info=True
            )

    async def app_config(self, deadline: Deadline) -> Any:
        """Return the JSON of the app's `/config`; a Space that sleeps is not waited for.

        Raises:
            SpaceUnavailableError: The Space sleeps, or is paused, broken or gone.
            QwenSpaceError: The Space cannot be reached, refuses, or does not answer with JSON.
        """
        waker = SpaceWaker(self._transport, self._app_config, deadline)
        if (stage := await waker.look()) is not None:
            raise hub.asleep_error(self._transport.config.url, stage)
        return waker.app_config

    async def app_info(self, prefix: str, deadline: Deadline) -> Any:
        """Return the JSON of the app's `/info`; None where it is refused or breaks off.

        Names that are looked for in it are missing then, and a chat that needs none goes on.
        """
        url = f"{self._transport.config.url}{prefix}/info"
        try:
            return await self._transport.json("GET", url, deadline)
        except QwenSpaceError as exc:
            logger.debug("%s does not help: %s", url, exc)
            return None

    async def _app_config(self, deadline: Deadline) -> Any:
        retries = self._transport.config.max_retries
        return await retrying(
            lambda: self._transport.app_config(deadline), is_transient, retries, deadline
        )

    def explain(self, exc: QwenSpaceError) -> QwenSpaceError:
        """Return the error of a request, together with that of `/config` if there was one."""
        broken = isinstance(exc, SpaceStatusError) and exc.status >= 500
        if self.is_discovered or broken:
            return exc
        return ProtocolError(
            f"{self._transport.config.url} does not look like a Gradio app. "
            f"/config: {_answer(self._failure)}. /queue/join: {_answer(exc)}. "
            "Check that space is the address of a Gradio app."
        )

    async def _discover(
        self, app_config: Any, deadline: Deadline, *, info: bool = False
    ) -> Endpoint:
        """Find the endpoint in the app's `/config`, and in its `/info` if need be.

        Args:
            app_config: The JSON of `/config`.
            deadline: The time limits.
            info: Whether to ask for `/info` in any case.
        """
        config = self._transport.config
        known = get_known_endpoint(config.url) if config.endpoint is None else None
        try:
            return await self._find(app_config, deadline, info=info)
        except EndpointError:
            if known is not None and not config.roles:
                return known
            rendered = await self._render(app_config, deadline)
            if rendered is None:
                raise
            return await self._find(rendered, deadline, info=info)

    async def _render(self, app_config: Any, deadline: Deadline) -> Any:
        """Return the app's `/config` with the parts that it makes as its page loads, if any."""
        transport, session_hash = self._transport, uuid.uuid4().hex
        rendered, done = app_config, set[int]()
        for _ in range(_MOST_ROUNDS):
            steps = [each for each in App(rendered).renderers() if each.fn_index not in done]
            for step in steps[:_MOST_RENDERERS]:
                done.add(step.fn_index)
                queue = f"{transport.config.url}{step.prefix}/queue"
                data = step.data("")
                request = JobRequest(queue, step.fn_index, step.trigger_id, data, session_hash)
                made = await run_renderer(transport, step, request, deadline)
                rendered = rendered if made is None else with_rendered(rendered, made)
        return rendered if done else None

    async def _find(self, app_config: Any, deadline: Deadline, *, info: bool) -> Endpoint:
        config = self._transport.config
        find = partial(find_endpoint, app_config, config.endpoint, roles=config.roles)
        try:
            endpoint = await _run(find, app_config)
            if not (info or is_unclear(endpoint)):
                return endpoint
        except EndpointError:
            # The names of roles may be those of parameters; of two lists the name tells the chat.
            if not (config.roles or has_lists(app_config)):
                raise
        info = await self.app_info(api_prefix(app_config), deadline)
        return await _run(partial(find, info=info), app_config)

    def _fall_back(self, exc: QwenSpaceError) -> Endpoint:
        """Return the known endpoint of the Space, or the public Space's.

        Not after a server's failure: in an app that is not known, the number of the public
        Space's function may be that of any other.
        """
        config = self._transport.config
        known = get_known_endpoint(config.url)
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


def _page(endpoint: Endpoint) -> tuple[Any, ...]:
    """Return a deployment of an app, and the functions that it runs as its page is opened."""
    return endpoint.app_id, *(each.fn_index for each in endpoint.opening)


async def _run(find: Callable[[], Endpoint], app_config: Any) -> Endpoint:
    """Look for the endpoint; beside the event loop in an app of many functions."""
    functions = app_config.get("dependencies") if isinstance(app_config, dict) else None
    is_large = isinstance(functions, list) and len(functions) > _MANY_FUNCTIONS
    return await asyncio.to_thread(find) if is_large else find()


def _answer(failure: BaseException | None) -> str:
    """Describe a failed request in few words, as two stand in one sentence."""
    if not isinstance(failure, SpaceStatusError):
        return str(failure)
    said = failure.body[:_LONGEST_REASON]
    return f"HTTP {failure.status}{said and f' ({said})'}"
