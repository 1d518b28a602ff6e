"""One job: bytes of its session's stream in, events out, from the queue to the end of the reply."""

from __future__ import annotations

import enum
import reprlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from qwen_space.chat.overflow import is_overflow
from qwen_space.errors import (
    JobError,
    PromptTooLongError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    StreamInterruptedError,
)
from qwen_space.events import (
    ComponentReceived,
    FileReceived,
    Notice,
    Queued,
    ReplyComponent,
    ReplyFile,
    Started,
    TextDelta,
)
from qwen_space.gradio.page.beside import Beside, read_beside
from qwen_space.gradio.reply.chatbot import find_unanswered, shows_same
from qwen_space.gradio.reply.deltas import ChatValue, ValueEvent, plain_piece
from qwen_space.gradio.wire.edits import is_edits
from qwen_space.gradio.wire.large_json import LARGE
from qwen_space.gradio.wire.messages import (
    REFUSALS,
    AnyMessage,
    CloseStream,
    Estimation,
    Log,
    ProcessCompleted,
    ProcessGenerating,
    ProcessStarts,
    QueueFull,
    SendData,
    ServerStopped,
    UnexpectedError,
    decode_event,
    decode_large_event,
    decode_message,
    to_states,
    unquote,
)
from qwen_space.gradio.wire.sse import DEFAULT_MAX_EVENT_SIZE, SSEDecoder
from qwen_space.gradio.wire.zero_gpu import is_quota

__all__ = ["Job", "JobEvent", "JobState"]

JobEvent = Queued | Started | Notice | ValueEvent | SendData

_SLICE = 1_000  # edits
_LONGEST_REASON = 10_000  # characters of a failure's reason, which is read for quotes and quotas

_FULL_VALUES = frozenset({"sse", "sse_v1", "call"})
_LONGEST_WAIT = 10**9  # seconds
_MOST_STATES = 10_000  # of a page, whose changes are noted


class JobState(enum.Enum):
    """How far the job is."""

    JOINED = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    COMPLETED = enum.auto()
    FAILED = enum.auto()


class Job:
    """Follows one job through the bytes of its session's stream.

    It does no I/O: `receive` takes bytes, however they were cut, and gives events.

        for event in job.receive(data):
            ...

    Args:
        event_id: The job, from the answer to the join. Messages of other jobs are passed over.
            None takes all messages.
        output: The position of the chat component among the function's outputs; None where no
            reply is looked for.
        protocol: The protocol's name in the app's `/config`, or None. From `sse_v2` on, values
            after the first come as edits; where the name is not known, they are told by
            their looks. "call" stands for `/call`, whose values are whole.
        prompt: The prompt: by the user's message in the chat it is seen whether the app escapes
            HTML.
        reasoning_tags: Pairs of tags around thoughts at the start of the reply.
        thinks_anywhere: Whether such thoughts may begin within the reply, too.
        is_page: Whether the output is HTML that shows the whole chat.
        address: The app's address with the prefix of its paths, for the files of the reply.
        before: The chat's value before the message was sent; None if the app does not get it.
        beside: The outputs that the function fills beside its reply.
        thinks_aloud: Whether a text that begins with "Thought:" is an answer, as the prompt asks
            for it; else it may be a step of an agent.
        is_response: Whether the output is that of `/chat` of a `gr.ChatInterface`, which gives
            a component in Python's words.
        max_size: The most bytes of a message, characters of the reply with its thoughts and
            notices, and bytes of the chat's value as JSON. The latter is measured each
            time that as many bytes of edits have come.

    Attributes:
        data: All values that the function gave, once it is completed.
        rendered: The parts of the page that the function made (`gr.render`), or None.
        changed_states: The numbers of the states whose values it has changed.
        yielded: All values of the last yield that came whole, and not as edits.
        has_reply: Whether there was any reply, once it is completed: a status that the app shows
            beside its chat is none.
        gave_nothing: Whether it is completed without a value for the reply, not even an empty one.
        unanswered: The user's last message in a completed chat that has no reply to it.
        is_as_sent: Whether a completed chat came back as it was sent, or without a row.
        state: How far the job is.
        session_not_found: Whether the server does not know the job's session. As the first that
            it says, that means: another replica may know it.
        was_ended: Whether the server has said that the job does not go on.
    """

    def __init__(
        self,
        event_id: str | None,
        output: int | None,
        protocol: str | None = None,
        *,
        prompt: str = "",
        reasoning_tags: Sequence[tuple[str, str]] = (),
        thinks_anywhere: bool = False,
        is_page: bool = False,
        address: str = "",
        before: Any = None,
        beside: Sequence[Beside] = (),
        thinks_aloud: bool = False,
        is_response: bool = False,
        max_size: int = DEFAULT_MAX_EVENT_SIZE,
    ) -> None:
        self.data: list[Any] = []
        self.yielded: list[Any] = []
        self.rendered: Any = None
        self.changed_states: dict[int, None] = {}
        self.has_reply = self.gave_nothing = False
        self.unanswered, self.is_as_sent = "", False
        self._before = before
        self.state = JobState.JOINED
        self.event_id = event_id
        self._output = output
        self._protocol = protocol
        self._takes_edits = protocol not in _FULL_VALUES
        self._decoder = SSEDecoder(max_size)
        self._value = ChatValue(
            prompt,
            reasoning_tags,
            thinks_anywhere=thinks_anywhere,
            is_page=is_page,
            address=address,
            before=before,
            thinks_aloud=thinks_aloud,
            is_response=is_response,
        )
        self._beside = beside
        self._max_size = max_size
        self.session_not_found = False
        self.was_ended = False
        self._size = 0  # characters of the events so far
        self._edited = 0  # bytes of edits since the value was measured

    @property
    def asks_for_data(self) -> bool:
        """Whether the queue asks for the arguments; elsewhere the join has brought them."""
        return self._protocol == "sse"

    @property
    def replies(self) -> bool:
        """Whether a reply is looked for."""
        return self._output is not None

    @property
    def text(self) -> str:
        """The reply so far; the whole reply when the job is completed."""
        return self._value.text

    @property
    def thinking(self) -> str:
        """The thoughts so far, which are no part of the text."""
        return self._value.thinking

    @property
    def files(self) -> tuple[ReplyFile, ...]:
        """The files in the reply so far; those beside it too when the job is completed."""
        return self._value.files

    @property
    def components(self) -> tuple[ReplyComponent, ...]:
        """The components that are neither text nor files, as `files`."""
        return self._value.components

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state is JobState.COMPLETED or self.state is JobState.FAILED

    def receive(self, data: bytes) -> Iterator[JobEvent | None]:
        """Take the stream's next bytes, and yield the events in them.

        To be read to its end before the next bytes are received. Events that stand before an
        error in the same bytes are yielded before it is raised.

        Yields:
            The events, `SendData` among them where the queue asks for the arguments; None after
            each slice of work that may take longer, so that the caller can let others run.

        Raises:
            JobError: The app failed.
            QuotaError: The app says that a quota is used up.
            QueueFullError: The queue takes no more jobs.
            StreamInterruptedError: The server gives up the stream.
            ProtocolError: The bytes are no message, or one that does not fit those before it.
        """
        if self.done:
            return
        try:
            for kind, events in self._decoder.feed(data):
                rest = iter(events)
                if kind != "message" or len(events[0]) > LARGE:  # such an event comes alone
                    yield from self._receive_other(next(rest), kind)
                while not self.done:
                    deltas, event, message = self._append(rest)
                    yield from deltas
                    self._check_count()
                    if event is None:
                        break
                    yield from self._receive_other(event, kind, message)
                if self.done:
                    return
        except QwenSpaceError as exc:
            self.state = JobState.FAILED
            exc.text = self.text
            raise
        except RecursionError:  # its traceback is as long as the value is deep
            self.state = JobState.FAILED
            error = ProtocolError("The chat's value is nested too deeply to be one.")
            error.text = self.text
            raise error from None

    def _append(
        self, events: Iterator[bytes]
    ) -> tuple[list[TextDelta], bytes | None, AnyMessage | None]:
        """Take messages as long as they append a piece to the answer.

        Nearly all do, so each step counts here, and they are taken together: one by one they
        cost a tenth more.

        Returns:
            Their deltas; the event after them, or None; and its message, or None where it is an
            odd one.
        """
        event_id, output = self.event_id, self._output or 0
        path = self._value.plain_path if self._takes_edits else ()
        room = self._max_size - self._size
        pieces: list[str] = []
        message: AnyMessage | None = None
        for event in events:
            try:
                message = decode_message(event)
            except REFUSALS:
                message = None
                break
            if type(message) is not ProcessGenerating or message.event_id != event_id:
                break
            data = message.output.data
            if len(data) <= output or (piece := plain_piece(data[output], path)) is None:
                break
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                break
        else:
            event = None
        self._size = self._max_size - room
        return self._value.append(pieces), event, message

    def _receive_other(
        self, event: bytes, kind: str, message: AnyMessage | None = None
    ) -> Iterator[JobEvent | None]:
        """Take an event that may mean anything, and whose message may be decoded already."""
        size = len(event)
        if size > LARGE:
            message = yield from decode_large_event(event, kind)
        elif message is None:
            message = decode_event(event, kind)
        if message is not None and not self._is_of_another(message):
            yield from self._take(message, size)

    def receive_eof(self) -> None:
        """Take the end of the stream.

        Raises:
            StreamInterruptedError: The reply is not complete.
        """
        if not self.done:
            self.state = JobState.FAILED
            raise StreamInterruptedError(self.text, "the server closed it")

    def _is_of_another(self, message: AnyMessage) -> bool:
        event_id = getattr(message, "event_id", None)
        return event_id is not None and self.event_id is not None and event_id != self.event_id

    def _count(self, characters: int) -> None:
        """Count characters of events, as a caller may keep all of them."""
        self._size += characters
        self._check_count()

    def _check_count(self) -> None:
        if self._size > self._max_size:
            raise self._too_long()

    def _too_long(self) -> ProtocolError:
        return ProtocolError(
            f"The reply is longer than {self._max_size} characters; "
            "raise max_size if that is to be expected."
        )

    def _take(self, message: AnyMessage, size: int) -> Iterator[JobEvent | None]:
        match message:
            case ProcessGenerating():
                self.state = JobState.RUNNING
                yield from self._generating(message, size)
            case Estimation():
                self.state = JobState.QUEUED
                yield Queued(message.rank, message.queue_size, _estimate(message.rank_eta))
            case ProcessStarts():
                self.state = JobState.RUNNING
                yield Started(_estimate(message.eta))
            case Log():
                notice = Notice(_text(message.log), _text(message.level), message.title)
                yield notice
                self._count(len(f"{notice.level}{notice.title}{notice.message}"))
            case ProcessCompleted():
                yield from self._counted(self._completed(message))
            case QueueFull():
                raise QueueFullError("The queue is full")
            case UnexpectedError() if self._is_unknown(message):
                raise self._not_found(_text(message.message)[:_LONGEST_REASON])
            case UnexpectedError() | ServerStopped():
                self.was_ended = True
                reason = _text(message.message)[:_LONGEST_REASON]
                raise StreamInterruptedError(self.text, reason or "an unexpected error")
            case SendData():
                yield message
            case CloseStream():
                self.receive_eof()

    def _is_unknown(self, message: UnexpectedError) -> bool:
        """Whether the server that answers does not know the session of the job."""
        is_first = self.state is JobState.JOINED
        said = _text(message.message)
        return is_first and (message.session_not_found is True or "Session not found" in said)

    def _not_found(self, said: str) -> StreamInterruptedError:
        self.session_not_found = True
        return StreamInterruptedError("", said)

    def _counted(self, events: list[ValueEvent]) -> Iterator[ValueEvent]:
        for event in events:
            yield event
            self._count(_size(event))

    def _note_states(self, numbers: Any) -> None:
        room = _MOST_STATES - len(self.changed_states)
        self.changed_states.update(dict.fromkeys(islice(to_states(numbers), room)))

    def _generating(self, message: ProcessGenerating, size: int) -> Iterator[ValueEvent | None]:
        if self._output is None:
            self._note_states(message.output.changed_state_ids)
            return
        item = self._item(message.output.data, self._output)
        if not (self._value.known and self._is_update(item)):
            self.yielded = message.output.data
            yield from self._counted(self._value.replace(item))
        elif (added := self._value.extend(item)) is not None:
            yield from self._counted([*added])
        elif item:
            self._value.begin_edits(size)
            for start in range(0, len(item), _SLICE):
                self._value.edit(item[start : start + _SLICE])
                if len(item) > _SLICE:
                    yield None
            yield from self._counted(self._value.end_edits())
            self._check_value(size)

    def _check_value(self, size: int) -> None:
        """Measure the value now and then, as edits may make it grow without adding to the text."""
        self._edited += size
        if self._edited <= self._max_size:
            return
        self._edited = 0
        if self._value.size > self._max_size:
            raise ProtocolError(
                f"The chat's value has grown to more than {self._max_size} bytes; "
                "raise max_size if that is to be expected."
            )

    def _item(self, data: list[Any], output: int) -> Any:
        """Return the chat component's item of a message."""
        if len(data) <= output:
            raise ProtocolError(
                f"The app has {len(data)} outputs, so no chat at position {output}. "
                "Name the right endpoint."
            )
        return data[output]

    def _is_update(self, item: Any) -> bool:
        """Whether the item holds edits, and not a whole value."""
        if self._protocol is None:
            return item == [] or is_edits(item)
        if not self._takes_edits:
            return False
        if not isinstance(item, list):
            raise ProtocolError(f"Expected edits, got {reprlib.repr(item)}")
        return True

    def _completed(self, message: ProcessCompleted) -> list[ValueEvent]:
        if not message.success:
            error = message.output.error
            if self._protocol == "call" and self.state is JobState.JOINED and _is_404(error):
                raise self._not_found(str(error))
            raise _failure(message)
        data = message.output.data
        if data is None:
            raise JobError("The job was cancelled on the server.")
        self.data, self.rendered = data, message.output.render_config
        self._note_states(message.output.changed_state_ids)
        value = None if self._output is None else self._item(data, self._output)
        # An app that yields nothing ends with null; one that yields a no-op update, without a
        # value: both leave the reply as it was.
        if value is not None:
            events = self._value.replace(value, is_final=True)
        else:
            events = [*self._value.finish()]
        files, components = read_beside(self._beside, data)
        self.has_reply = bool(self.text or self.thinking or self.files or self.components or files)
        self.gave_nothing = not (self.has_reply or self._value.is_given)
        if value is not None and not self.has_reply:
            self.unanswered = find_unanswered(value, self._before)
            self.is_as_sent = shows_same(value, [] if self._before is None else self._before)
        events += self._value.receive_beside(files, components)
        self.state = JobState.COMPLETED
        return events


def _size(event: ValueEvent) -> int:
    """Return the characters of an event; a component's value is a part of the chat's."""
    match event:
        case FileReceived(file):
            return len(str(file))
        case ComponentReceived(component):
            return len(f"{component.kind}{component.label}")
    return len(event.delta)


def _is_404(error: Any) -> bool:
    """Whether `/call` says that it knows no such event id: in its own words, before any event."""
    return error in ("404: Session not found.", "404: Not Found")


def _failure(message: ProcessCompleted) -> JobError | QuotaError:
    error, title = message.output.error, message.output.title
    title = title[:_LONGEST_REASON] if isinstance(title, str) else None
    # Gradio 4.0 to 4.16 send the word "None", and up to 5.0 a gr.Error's text in quotes.
    reason = None if error in (None, "None", "") else unquote(_text(error)[:_LONGEST_REASON])
    if is_quota(title, reason):
        return QuotaError(reason or str(title))
    kind = PromptTooLongError if is_overflow(f"{title} {reason}") else JobError
    return kind(reason, title)


def _text(value: Any) -> str:
    """Return a sentence of the app's, or in short a value that should have been one."""
    return value if isinstance(value, str) else reprlib.repr(value)


def _estimate(seconds: float | None) -> float | None:
    """Return a guess of a time; None for one that cannot be meant, such as NaN."""
    return seconds if seconds is not None and abs(seconds) <= _LONGEST_WAIT else None
