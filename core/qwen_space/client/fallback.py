"""Several Spaces as one: the next is asked where one fails before its first text.

It asks the clients of single Spaces, and imports none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NoReturn

import msgspec

from qwen_space.chat.messages import Turn
from qwen_space.client.cooldown import Cooldowns
from qwen_space.config import CallOptions, SpaceConfig, Strategy, Timeouts
from qwen_space.errors import NoSpaceAnsweredError, QwenSpaceError, SpaceTimeoutError
from qwen_space.events import (
    Completed,
    ComponentReceived,
    Event,
    EventStream,
    Exits,
    FileReceived,
    Notice,
    Rewritten,
    SpaceFailure,
    TextDelta,
    ThinkingDelta,
)

__all__ = ["Member", "stream_with_fallback"]

logger = logging.getLogger("qwen_space.client")

_CONTENT = (
    ComponentReceived,
    FileReceived,
    Rewritten,
    TextDelta,
    ThinkingDelta,
)  # handed out, it stays
_QUEUE_SECONDS = 2.0  # for the lengths of the queues


class Member(msgspec.Struct, frozen=True):
    """One of several Spaces.

    Attributes:
        config: Its configuration.
        stream: Asks it with a chat, within time limits.
        queue_size: Returns how many jobs wait there; None where it does not say.
    """

    config: SpaceConfig
    stream: Callable[[Sequence[Turn], CallOptions, Timeouts], EventStream[Event]]
    queue_size: Callable[[], Awaitable[int | None]]


def stream_with_fallback(
    members: Sequence[Member],
    cooldowns: Cooldowns,
    chat: Sequence[Turn],
    options: CallOptions,
    *,
    strategy: Strategy = "sticky",
) -> EventStream[Event]:
    """Ask Spaces one after the other, until one answers.

    The next is asked only before the first text, and only where the prompt cannot have run, or
    the Space itself said that it failed: `QwenSpaceError.may_have_run` is False.

    Args:
        members: The Spaces.
        cooldowns: Their cooldowns, and the one to ask first.
        chat: The turns to ask with.
        options: The options of the call.
        strategy: As of `SpaceConfig`.

    Returns:
        A context manager that gives the events; `Completed` says which Space answered, and a
        `Notice` is among them for each that did not.

    Raises:
        NoSpaceAnsweredError: All of them failed.
        QwenSpaceError: One failed, and the prompt may have run there.
        ValueError: None of them has an input that the call names.
    """
    if len(members) == 1:
        config = members[0].config
        return members[0].stream(chat, options, config.timeouts)

    async def enter(exits: Exits) -> AsyncIterator[Event]:
        order = cooldowns.order(len(members))
        if strategy == "least_queue":
            order = await _by_queue(members, cooldowns, order)
        own = await exits.enter(Exits())
        events = _Events(
            members,
            cooldowns,
            order,
            own,
            lambda place, limits: members[place].stream(chat, options, limits),
        )
        await events.open()
        return events

    return EventStream(enter)


async def _by_queue(
    members: Sequence[Member], cooldowns: Cooldowns, order: Sequence[int]
) -> list[int]:
    """Return places with the shortest queue first; those that rest, or do not say, come last."""
    ready = [place for place in order if not cooldowns.left(place)]
    sizes = await asyncio.gather(*(_queue_size(members[place]) for place in ready))
    by_size = sorted(zip(sizes, range(len(ready)), strict=True))
    return [*(ready[index] for _, index in by_size), *(each for each in order if each not in ready)]


async def _queue_size(member: Member) -> float:
    try:
        size = await asyncio.wait_for(member.queue_size(), _QUEUE_SECONDS)
    except (QwenSpaceError, asyncio.TimeoutError, ValueError) as exc:
        logger.debug("%s does not tell its queue: %s", member.config.space, exc)
        size = None
    return float("inf") if size is None else size


class _Events(AsyncIterator[Event]):
    """The events of one call of several Spaces.

    No generator, for the reason that `EventStream` has.

    Args:
        members: The Spaces.
        cooldowns: Learns of their failures and replies.
        order: The places of those to ask.
        exits: Has the stream of the Space that is being asked.
        ask: Asks the Space at a place, within time limits.
    """

    def __init__(
        self,
        members: Sequence[Member],
        cooldowns: Cooldowns,
        order: Sequence[int],
        exits: Exits,
        ask: Callable[[int, Timeouts], EventStream[Event]],
    ) -> None:
        self._members = members
        self._cooldowns = cooldowns
        self._order = deque(order)
        self._exits = exits
        self._ask = ask
        self._place = -1
        self._asleep: deque[int] = deque()
        self._is_patient = False  # with those that sleep
        self._errors: dict[int, Exception] = {}
        self._start = time.monotonic()
        self._notices: deque[Notice] = deque()
        self._events: AsyncIterator[Event]
        self._has_text = False

    async def open(self) -> None:
        """Ask the next Space, and those after it as long as they fail at once.

        Raises:
            QwenSpaceError: There is none left, or the prompt may have run.
        """
        while True:
            self._next()
            try:
                stream = self._ask(self._place, self._limits())
                self._events = await stream.enter_on(self._exits)
            except (QwenSpaceError, ValueError) as exc:
                await self._pass_over(exc)
            else:
                return

    async def __anext__(self) -> Event:
        if self._notices:
            return self._notices.popleft()
        try:
            event = await self._events.__anext__()
        except (QwenSpaceError, ValueError) as exc:
            await self._pass_over(exc)
            await self.open()
            return self._notices.popleft()
        if isinstance(event, Completed):
            self._succeed()
            space = self._members[self._place].config.space
            return msgspec.structs.replace(event, space=space, failures=self._failures)
        if not self._has_text and isinstance(event, _CONTENT):
            self._has_text = True
            self._succeed()
        return event

    def _succeed(self) -> None:
        self._cooldowns.succeed(self._place)

    @property
    def _failures(self) -> tuple[SpaceFailure, ...]:
        return tuple(
            SpaceFailure(self._members[place].config.space, str(error))
            for place, error in self._errors.items()
        )

    def _next(self) -> None:
        """Go on to the next Space; at the end, to one that sleeps, which is waited for longer."""
        if self._order:
            self._place = self._order.popleft()
        elif self._asleep:
            self._place, self._is_patient = self._asleep.popleft(), True
            del self._errors[self._place]
        else:
            self._give_up()
        if self._errors:
            self._tell()

    def _give_up(self) -> NoReturn:
        errors = [(self._members[place].config.space, each) for place, each in self._errors.items()]
        if all(isinstance(error, ValueError) for _, error in errors):
            raise errors[0][1]  # misuse, for each of them
        raise NoSpaceAnsweredError(errors)

    def _tell(self) -> None:
        place, error = next(reversed(self._errors.items()))
        failed, asked = (self._members[each].config.space for each in (place, self._place))
        reason = str(error).rstrip(". ")
        notice = Notice(f"{failed} does not answer: {reason}. Asking {asked}.", "warning")
        logger.warning("%s", notice.message, extra={"space_event": notice})
        self._notices.append(notice)

    def _limits(self) -> Timeouts:
        """Return the time limits of the Space that is asked, within those of the whole call."""
        limits = self._members[self._place].config.timeouts
        if limits.total is not None:
            left = max(limits.total - (time.monotonic() - self._start), 0.001)
            limits = replace(limits, total=left)
        short = limits.fallback_wake
        is_short = not self._is_patient and short is not None
        return replace(limits, wake=_least(limits.wake, short)) if is_short else limits

    async def _pass_over(self, error: QwenSpaceError | ValueError) -> None:
        """Leave the Space that failed; raise its error where no other may be asked.

        Its stream is closed before the next one opens: two never run at once.
        """
        await self._exits.leave(type(error), error, error.__traceback__)
        self._cooldowns.fail(self._place, error)
        if self._has_text or getattr(error, "may_have_run", False):
            raise error
        if isinstance(error, SpaceTimeoutError):
            self._check_time(error)
        self._errors[self._place] = error

    def _check_time(self, error: SpaceTimeoutError) -> None:
        limits = self._members[self._place].config.timeouts
        if error.limit == "total":
            raise SpaceTimeoutError("total", limits.total or error.seconds) from error
        is_longer = limits.wake is None or limits.wake > error.seconds
        if error.limit == "wake" and is_longer and not self._is_patient:
            error.remedy = "If that is to be expected, raise Timeouts(fallback_wake=...)."
            self._asleep.append(self._place)


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
