"""The body of a response, read as it comes."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from qwen_space.client.aiohttp_internals import (
    CloseWatch,
    end_wait,
    read_buffered,
    shut_down,
    stop_read_timeout,
)
from qwen_space.client.deadline import Deadline
from qwen_space.client.http_errors import invalid_http, map_aiohttp_errors
from qwen_space.errors import QwenSpaceError, SpaceTimeoutError

__all__ = ["Body"]

# How long a server may take to end the body of a reply that is complete. Gradio 6.31 takes half
# a millisecond, and the way from there is longer.
_END_SECONDS = 0.25

_MAX_ERROR_SIZE = 64 * 2**10  # bytes
_ERROR_SECONDS = 2.0  # for the rest of a body that explains an error


class Body:
    """The body of a response, read as it comes.

    Args:
        response: The response, with its body unread.
        deadline: The time limits.
        released: Holds the bodies that end by themselves; None if this one must be closed.

    Attributes:
        deadline: As given.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        deadline: Deadline,
        released: set[Body] | None = None,
    ) -> None:
        self._response = response
        self.deadline = deadline
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._end_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._waiting: tuple[float, int] | None = None  # since when, and the bytes until then
        self._watch = CloseWatch(response, self._on_close)
        response.content.on_eof(self._on_eof)

    @property
    def url(self) -> str:
        """The address that was asked, without its query."""
        return str(self._response.url.with_query(None))

    def limit_silence(self) -> None:
        """Limit the seconds without a byte from now on."""
        silence = self.deadline.timeouts.silence
        if silence is not None and self._watch.transport is not None:
            stop_read_timeout(self._response)
            self._idle_timer = self._loop.call_later(silence, self._check_idle, silence)

    def close(self) -> None:
        """Cut the connection: at once, and without awaiting, so in a cancelled task too."""
        self._cancel_timers()
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            shut_down(connection.transport)
        self._response.close()

    def release(self) -> None:
        """Leave a body whose rest is of no interest, so that its connection can be reused.

        Nobody waits for the end. aiohttp takes it when it comes, and keeps the connection then;
        the bytes before it are dropped unread. Where too many come, aiohttp stops taking them, and
        after a moment the connection is cut.
        """
        is_open = (
            self._response.connection is not None and self._response.content.exception() is None
        )
        if self._released is None or not is_open or not self._loop.is_running():
            self.close()
            return
        self._released.add(self)
        self._end_timer = self._loop.call_later(_END_SECONDS, self.close)

    async def read(self, first_token_timeout: float | None = None) -> bytes:
        """Return the next bytes; none at the end.

        Args:
            first_token_timeout: Seconds after which the first token is late; None waits for ever.

        Raises:
            SpaceTimeoutError: A time limit passed.
            StreamInterruptedError: The connection broke.
        """
        reader, timer = self._response.content, None
        if data := read_buffered(reader):
            return data
        if first_token_timeout is not None:
            # Not wait_for, which makes a task of each read.
            timer = self._loop.call_later(
                first_token_timeout, self._on_first_token_timeout, reader.total_bytes
            )
        self._waiting = self._loop.time(), reader.total_bytes
        try:
            return await reader.readany()
        except Exception:
            with map_aiohttp_errors(self.url, self.deadline.timeouts):  # made for errors only
                raise
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    async def read_error(self) -> str:
        """Return the start of a body that explains an error; its rest is dropped if it is late."""
        start, end = bytearray(), self._loop.time() + _ERROR_SECONDS
        with contextlib.suppress(QwenSpaceError):
            while (
                len(start) < _MAX_ERROR_SIZE
                and (seconds := end - self._loop.time()) > 0
                and (data := await self.read(seconds))
            ):
                start += data
        return start[:_MAX_ERROR_SIZE].decode(errors="replace").strip()

    def _cancel_timers(self) -> None:
        if self._released is not None:
            self._released.discard(self)
        for timer in (self._end_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()

    def _on_eof(self) -> None:
        """Let go of the connection, which may serve others."""
        is_late = self._end_timer is not None and self._loop.time() > self._end_timer.when()
        self._cancel_timers()
        self._watch.stop()
        if is_late and self._watch.transport is not None:  # in a loop that stood still
            self._watch.transport.abort()

    def _on_close(self, reason: str) -> None:
        """End the wait for more on a connection that has been closed."""
        reader = self._response.content
        if not reader.is_eof() and reader.exception() is None:
            end_wait(reader, invalid_http(self.url, reason))

    def _check_idle(self, silence: float) -> None:
        """End the wait after so much silence, or look again when it would be as much."""
        reader, now = self._response.content, self._loop.time()
        since, received = self._waiting or (now, 0)
        if reader.total_bytes > received:  # it comes in this very moment
            since = now
        if now < since + silence:
            self._idle_timer = self._loop.call_at(since + silence, self._check_idle, silence)
        elif reader.exception() is None:
            end_wait(reader, SpaceTimeoutError("silence", silence))

    def _on_first_token_timeout(self, received: int) -> None:
        """End the wait for the first token, unless bytes come in this very moment."""
        reader = self._response.content
        if reader.total_bytes == received:
            limit = self.deadline.timeouts.first_token or 0
            end_wait(reader, SpaceTimeoutError("first_token", limit))
