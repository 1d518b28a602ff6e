"""The events of a reply on its way."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Completed",
    "ComponentReceived",
    "Event",
    "EventStream",
    "Exits",
    "FileReceived",
    "Notice",
    "Queued",
    "ReplyComponent",
    "ReplyFile",
    "Rewritten",
    "SpaceFailure",
    "Started",
    "TextDelta",
    "ThinkingDelta",
    "Uploading",
    "last",
]

_LONGEST_VALUE = 200  # characters of a component's value that goes into metadata


class _Event(msgspec.Struct, frozen=True, tag=True):
    """A value that pydantic takes as a field of its models, and FastAPI as an answer.

    As JSON it has its kind under "type", by which it is read again.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        def validate(value: object) -> _Event:
            try:
                return value if isinstance(value, cls) else msgspec.convert(value, cls)
            except msgspec.ValidationError as exc:
                raise ValueError(str(exc)) from exc  # the only one that pydantic collects

        dump = core_schema.plain_serializer_function_ser_schema(_dump)
        return core_schema.no_info_plain_validator_function(validate, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, Any]:
        return {"type": "object", "title": cls.__name__}


def _dump(event: _Event) -> Any:
    if isinstance(event, _Delta):
        return {"type": type(event).__name__, "delta": event.delta}
    return msgspec.to_builtins(event)


class Queued(_Event, frozen=True):
    """The job waits in the Space's queue.

    Attributes:
        rank: How many jobs are in front of it; 0 is next.
        queue_size: How many jobs wait, this one included.
        eta: The server's guess of the wait in seconds, or None.
    """

    rank: int | None
    queue_size: int | None
    eta: float | None


class Started(_Event, frozen=True):
    """The app works on the job.

    Attributes:
        eta: The server's guess of the time to the end in seconds, or None.
    """

    eta: float | None


class _Delta(_Event, frozen=True, eq=False, gc=False):
    """A piece of a text that grows.

    One is made for each token: a struct takes a third of the time of a class with `__init__`.
    """

    delta: str
    _pieces: list[str] | None = None  # of the text, which others share; None for this one alone
    _count: int | None = None  # of the pieces up to this one; None for all

    @property
    def text(self) -> str:
        """All text so far, `delta` included."""
        return "".join(self._all_pieces)

    @property
    def _all_pieces(self) -> list[str]:
        return [self.delta] if self._pieces is None else self._pieces[: self._count]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(delta={self.delta!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self.delta == other.delta and self.text == other.text

    def __hash__(self) -> int:
        return hash((type(self), self.delta))

    def __reduce__(self) -> tuple[type[_Delta], tuple[str, list[str]]]:
        return (type(self), (self.delta, self._all_pieces))


class TextDelta(_Delta, frozen=True, eq=False, gc=False):
    """A piece of the answer, as the app yielded it.

    `text` is put together when it is asked for, so that a long reply does not cost its length
    for every piece.

    Attributes:
        delta: The new text.
    """


class ThinkingDelta(_Delta, frozen=True, eq=False, gc=False):
    """A piece of the model's thoughts before it answers, where the app marks them.

    It is no part of the answer. A thought that the app changes later makes no event:
    `Completed.thinking` has its last form.

    Attributes:
        delta: The new thought; a further one begins with a blank line.
    """


class Rewritten(_Event, frozen=True, eq=False):
    """The app changed text that was already handed out, in more than its white space.

    Deltas cannot take anything back. A page that shows the reply replaces all of it by `text`, and
    goes on with the deltas that follow.

    Attributes:
        text: All text so far.
        delta: The rest after the words that it begins with as the old text did: for
            those who can only add, so that at least nothing is missing.
    """

    text: str
    delta: str = ""

    # The delta does not count, as it depends on the earlier events.

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Rewritten) else NotImplemented

    def __hash__(self) -> int:
        return hash((Rewritten, self.text))


class Notice(_Event, frozen=True):
    """Something that the app, or this client, wants people to know.

    Attributes:
        message: The sentence.
        level: "info", "warning", "success" or "error".
        title: Its heading, or None.
    """

    message: str
    level: str = "info"
    title: str | None = None


class SpaceFailure(_Event, frozen=True):
    """One of several Spaces that did not answer, so that the next was asked.

    Attributes:
        space: The Space, as it was given.
        reason: The sentence of its error.
    """

    space: str
    reason: str


class Uploading(_Event, frozen=True):
    """Files of the chat are on their way to the app.

    Attributes:
        sent: The bytes sent so far, of all files.
        total: The bytes of all files.
    """

    sent: int
    total: int


class ReplyFile(_Event, frozen=True):
    """A picture, a sound or another file in a reply. `SpaceClient.download` fetches its bytes.

    Attributes:
        url: Its address at the app, or elsewhere if the app says so.
        kind: "image", "audio", "video" or "file".
        mime_type: Its type, such as "image/png"; None if nothing tells it.
        name: Its name; None if it has none.
        size: Its size in bytes as the app tells it, or None.
        caption: The words that the page has for it: its caption, its alternative text, or the
            label of its component; None if there are none.
    """

    url: str
    kind: str = "file"
    mime_type: str | None = None
    name: str | None = None
    size: int | None = None
    caption: str | None = None


class FileReceived(_Event, frozen=True):
    """A file has appeared in the reply.

    Attributes:
        file: The file.
    """

    file: ReplyFile


class ReplyComponent(_Event, frozen=True):
    """A component in a reply that is neither text nor a file, or one beside the chat.

    Attributes:
        kind: Its type, as Gradio names it: "plot", "lineplot", "checkbox", "button" ... "option"
            is a choice that the page offers below a message.
        label: Its label, its title, or the words on a button; None if it has none.
        value: The value as the app sent it. That of a `gr.Plot` is such as
            `{"type": "plotly", "plot": "..."}` with the figure as JSON; that of an option is the
            text to answer with.
    """

    kind: str
    label: str | None = None
    value: Any = None  # of JSON

    def __hash__(self) -> int:
        return hash((self.kind, self.label))  # JSON has none

    @property
    def summary(self) -> dict[str, Any]:
        """The kind, the label, and a value of one word or line, for metadata."""
        known = {"label": self.label, "value": self.value if self._is_short else None}
        return {"kind": self.kind, **{key: each for key, each in known.items() if each is not None}}

    @property
    def _is_short(self) -> bool:
        value = self.value
        return isinstance(value, (bool, int, float)) or (
            isinstance(value, str) and len(value) <= _LONGEST_VALUE
        )


class ComponentReceived(_Event, frozen=True):
    """A component that is neither text nor a file has appeared in the reply.

    Attributes:
        component: The component.
    """

    component: ReplyComponent


class Completed(_Event, frozen=True):
    """The reply is complete. Always the last event, and always there unless an error was raised.

    Attributes:
        text: The whole reply, as the server ended on it. It equals the concatenated deltas,
            unless the app rewrote something (`Rewritten`) or Gradio put back white space that
            it had cleaned away in between. Thoughts are no part of it.
        duration: Seconds from the request to the end.
        event_id: The job's id on the server.
        finish_reason: "stop" when the app ended, "stop_sequence" when a stop sequence did, and
            "length" when `max_tokens` did, where the app has no input for it.
        model: The model that the app was asked to run, such as "72B"; None if it has no choice.
        thinking: The model's thoughts, where the app marks them; several are joined
            by a blank line.
        space: Which of several Spaces answered, as it was given; None where there is one only.
        failures: The Spaces that were asked before it, in order.
        files: The files in the reply, in order, and those that the app's function shows beside
            its chat; `text` does not name them.
        components: The components in it that are neither text nor files, such as a plot, and those
            that the function fills beside its chat, such as `additional_outputs`.
    """

    text: str
    duration: float
    event_id: str | None = None
    finish_reason: str = "stop"
    model: str | None = None
    thinking: str = ""
    space: str | None = None
    failures: tuple[SpaceFailure, ...] = ()
    files: tuple[ReplyFile, ...] = ()
    components: tuple[ReplyComponent, ...] = ()


Event = (
    Queued
    | Started
    | ThinkingDelta
    | TextDelta
    | Rewritten
    | FileReceived
    | ComponentReceived
    | Notice
    | Uploading
    | Completed
)


E = TypeVar("E")
T = TypeVar("T")

_Exit = Callable[..., Awaitable[object]]


class Exits:
    """The ways out of contexts that were entered, taken from the last to the first.

    As `contextlib.AsyncExitStack`, but that no exit holds an error back, and that one of these
    takes 0.1 KB, where the deque of that one takes 0.7 KB of each stream.
    """

    __slots__ = ("_exits",)

    def __init__(self) -> None:
        self._exits: list[_Exit] = []

    def push(self, leave: _Exit) -> None:
        """Have a coroutine function awaited on leaving, with the three parts of an error."""
        self._exits.append(leave)

    async def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter a context, and leave it on leaving."""
        value = await context.__aenter__()
        self._exits.append(context.__aexit__)
        return value

    async def leave(self, *exc_info: object) -> None:
        """Take all ways out, also where one of them fails; the last error is raised."""
        while self._exits:
            leave = self._exits.pop()
            try:
                await leave(*(exc_info or (None, None, None)))
            except BaseException:
                await self.leave(*sys.exc_info())
                raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.leave(*exc_info)


class EventStream(AbstractAsyncContextManager[AsyncIterator[E]], Generic[E]):
    """A context manager that gives the events of one reply, and closes its connection on leaving.

    In place of `contextlib.asynccontextmanager`, whose generator the event loop closes on its
    own when it ends: all generators at once, so that one which is just closing another finds it
    running already, and says so on stderr.

    Args:
        enter: Opens the stream; the exits that it pushes are taken on leaving.
    """

    def __init__(self, enter: Callable[[Exits], Awaitable[AsyncIterator[E]]]) -> None:
        self._enter = enter
        self._exits: Exits | None = None

    def enter_on(self, exits: Exits) -> Awaitable[AsyncIterator[E]]:
        """Enter with exits of the caller's, who is to take them."""
        return self._enter(exits)

    async def __aenter__(self) -> AsyncIterator[E]:
        exits = Exits()
        try:
            events = await self._enter(exits)
        except BaseException:
            await exits.leave(*sys.exc_info())
            raise
        self._exits = exits  # itself, as reading the events may push more on it
        return events

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._exits is not None  # noqa: S101 - it was entered
        await self._exits.leave(exc_type, exc, traceback)


async def last(stream: AbstractAsyncContextManager[AsyncIterator[Event]]) -> Completed:
    """Read a stream to its end and return the whole reply."""
    async with stream as events:
        async for event in events:
            if isinstance(event, Completed):
                return event
    raise AssertionError("a stream ended without Completed and without an error")
