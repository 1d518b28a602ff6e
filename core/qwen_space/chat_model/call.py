"""One call of a chat model: check its length, ask, read the reply, ask once more, count."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

import msgspec
from msgspec.structs import replace

from qwen_space import tokens
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import check_not_empty
from qwen_space.chat_model.bridge import iterate_sync, run_sync
from qwen_space.chat_model.reply import CallEvent, ChatReply
from qwen_space.chat_model.reply_reader import ReplyReader
from qwen_space.chat_model.response_format import ResponseFormat
from qwen_space.chat_model.space import Space
from qwen_space.events import (
    Completed,
    Event,
    EventStream,
    Exits,
    Notice,
    Queued,
    Started,
    TextDelta,
)
from qwen_space.imports import import_client
from qwen_space.tokens.limits import get_full_name
from qwen_space.tools import NO_TOOLS, Message, ToolBinding, render

if TYPE_CHECKING:
    from qwen_space.config import CallOptions, History
    from qwen_space.tokens.limits import Limits

__all__ = ["ChatCall"]

logger = logging.getLogger(__name__)


class _Rendering(TypedDict):
    history: History
    system: str | None


class ChatCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a chat model, in the four ways in which it can be made.

    Attributes:
        space: The Space.
        messages: The chat.
        options: The options of the call.
        tools: The tools that the model may call.
        response_format: The format of a reply without calls, which is asked for at the end of the
            chat; None is any text.
        limits: The model's limits, if they are known: a longer chat is not sent.
        reask: Whether the model may be asked once more, as `ReplyReader` says.
        stream_arguments: Whether a tool call's arguments are streamed while they are written.
        before_reask: Is awaited before the model is asked once more, such as a rate limiter's slot.
            For blocking callers it runs in another thread than theirs.
    """

    space: Space
    messages: Sequence[Message]
    options: CallOptions
    tools: ToolBinding = NO_TOOLS
    response_format: ResponseFormat | None = None
    limits: Limits | None = None
    reask: bool = True
    stream_arguments: bool = False
    before_reask: Callable[[], Awaitable[object]] | None = None

    def astream(self, *, deltas: bool = True) -> EventStream[CallEvent]:
        """Return a context manager that gives the events of the reply, a `ChatReply` as last.

        Args:
            deltas: Whether to give the reply as it is written. Without, there is nothing but the
                queue's events and notices before the `ChatReply`.

        Raises:
            ContextOverflowError: The chat is longer than the model takes.
            QwenSpaceError: The Space cannot be reached, refuses, fails or breaks off.
        """
        return EventStream(lambda exits: self._begin(exits, deltas=deltas))

    def stream(self, *, deltas: bool = True) -> Generator[CallEvent, None, None]:
        """Do as `astream`, for blocking callers; nothing is asked before the first `next`."""
        import_client()
        most = self.space.config.max_queue
        return iterate_sync(lambda: self.astream(deltas=deltas), max_queue=most)

    async def acomplete(self) -> ChatReply:
        """Return the whole reply. Errors are those of `astream`."""
        async with self.astream(deltas=False) as events:
            async for event in events:
                if isinstance(event, ChatReply):
                    return event
        raise AssertionError("a call ended without a reply and without an error")

    def complete(self) -> ChatReply:
        """Do as `acomplete`, for blocking callers."""
        import_client()
        return run_sync(self.acomplete)

    async def _begin(self, exits: Exits, *, deltas: bool) -> AsyncIterator[CallEvent]:
        return _Events(self, exits, deltas=deltas)

    def make_chat(self) -> list[Turn]:
        """Return the turns that are sent.

        Raises:
            ValueError: There are no messages, though there may be tools or a format to ask for.
        """
        check_not_empty(self.messages)
        wanted = self.response_format
        system = self.space.config.system_prompt
        chat = render(self.messages, self.tools, system=system, in_words=wanted is None)
        return chat if wanted is None else _append_instruction(chat, wanted.instruction)

    @property
    def rendering(self) -> _Rendering:
        """How the chat is rendered for the model, by which its tokens are counted."""
        config = self.space.config
        history = self.sent_options.get("history") or config.history
        return {"history": history, "system": config.system_prompt}

    @property
    def sent_options(self) -> CallOptions:
        """The options of the call, with those that the tools need.

        Their stop sequences are added, and the chat is split unless the caller wants native turns.
        """
        options: CallOptions = {**self.options}
        if self.tools.stop:
            stop = options.get("stop") or ()
            options["stop"] = [*((stop,) if isinstance(stop, str) else stop), *self.tools.stop]
        if self.tools != NO_TOOLS and self.space.config.history == "auto":
            options.setdefault("history", "split")
        return options


class _Events(AsyncIterator[CallEvent]):
    """The events of a call.

    No generator: the event loop closes those on its own when it ends, all at once, and one that
    was closing another by then would find it running already.

    Args:
        call: The call.
        exits: Has nothing but the stream of the reply that is being read.
        deltas: Whether to give the reply as it is written.
    """

    def __init__(self, call: ChatCall, exits: Exits, *, deltas: bool) -> None:
        self._call = call
        self._exits = exits
        self._deltas = deltas
        self._reader = ReplyReader(
            call.make_chat(),
            call.tools,
            response_format=call.response_format,
            reask=call.reask,
            stream_arguments=call.stream_arguments,
        )
        self._add_text = self._reader.add_text
        self._replies: AsyncIterator[Event] | None = None  # of the reply that is being read
        self._ready: Iterator[CallEvent] = iter(())

    async def __anext__(self) -> CallEvent:
        while (ready := next(self._ready, None)) is None:
            if self._replies is None:
                self._replies = await self._ask()
            event = await self._replies.__anext__()
            if type(event) is TextDelta and self._add_text is not None:  # nearly always
                self._add_text(event.delta)
                if self._deltas:
                    return event
                continue
            if isinstance(event, Completed):
                self._ready = iter(await self._complete(event))
                continue
            events = self._reader.receive(event)  # also without deltas: it keeps their order
            if self._deltas or isinstance(event, (Queued, Started, Notice)):
                self._ready = iter(events)
        return ready

    async def _ask(self) -> AsyncIterator[Event]:
        chat = self._reader.chat
        if chat is None:
            raise StopAsyncIteration
        await tokens.run_off_loop(
            tokens.check_length, chat, self._call.limits, **self._call.rendering
        )
        stream = self._call.space.astream_chat(chat, **self._call.sent_options)
        return await stream.enter_on(self._exits)

    async def _complete(self, completed: Completed) -> Sequence[CallEvent]:
        chat = self._reader.chat or ()
        usage = await tokens.run_off_loop(
            tokens.count_usage, chat, completed.text, completed.thinking, **self._call.rendering
        )
        if completed.model is not None:  # one name for one model, as in profiles and metadata
            space = completed.space or self._call.space.config.space
            name = get_full_name(completed.model, space)
            completed = replace(completed, model=name)
        events = self._reader.complete(completed, usage)
        self._replies = None
        if self._reader.chat is not None:
            await self._exits.leave()
            if self._call.before_reask is not None:
                await self._call.before_reask()
        elif isinstance(reply := events[-1], ChatReply):
            is_missing = self._call.tools.missing_required_call(reply.calls)
            _warn(reply, lacks_call=is_missing and self._call.reask)
        return events if self._deltas else [each for each in events if isinstance(each, ChatReply)]


def _warn(reply: ChatReply, *, lacks_call: bool) -> None:
    """Log the faults of a reply, as its calls are not there to be seen."""
    if reply.problem:
        logger.warning("%s", reply.problem)
    elif reply.invalid:
        logger.warning("One of several function calls is not valid: %s.", reply.invalid[0].reason)
    elif lacks_call:
        logger.warning(
            "The model answered in words, also when it was told that a call has to come."
        )


def _append_instruction(chat: list[Turn], instruction: str) -> list[Turn]:
    """Return a chat that also asks for something, at the end of the user's last turn."""
    *earlier, last = chat
    if last.role != "user":
        return [*chat, Turn("user", instruction)]
    return [*earlier, replace(last, text=f"{last.text}\n\n{instruction}")]
