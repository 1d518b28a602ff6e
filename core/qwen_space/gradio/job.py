"""One job: messages in, events out, from the queue to the end of the reply."""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterator, Sequence
from typing import Any

from qwen_space.errors import (
    JobError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    StreamInterruptedError,
)
from qwen_space.events import Notice, Queued, Started, TextDelta, ThinkingDelta
from qwen_space.gradio.deltas import ChatValue, Growing, ValueEvent
from qwen_space.gradio.edits import is_edits
from qwen_space.gradio.likeness import Likeness, piece_text
from qwen_space.gradio.messages import (
    CloseStream,
    Estimation,
    Log,
    Message,
    ProcessCompleted,
    ProcessGenerating,
    ProcessStarts,
    QueueFull,
    UnexpectedError,
)
from qwen_space.gradio.sse import DEFAULT_MAX_EVENT_SIZE, ServerSentEvent, Shortcut

__all__ = ["Job", "JobState"]

JobEvent = Queued | Started | Notice | ValueEvent

_LESSONS = 8  # how many likenesses of its messages one job may learn; the first costs 0.5 ms

_FULL_VALUES = frozenset({"sse", "sse_v1", "call"})
# The first three lines are ZeroGPU's titles and sentences.
_QUOTA = re.compile(
    r"GPU (quota|limit|illegal duration|queue timeout|pending credits)"
    r"|requested GPU duration"
    r"|No GPU was available"
    r"|rate.?limit|too many requests",
    re.IGNORECASE,
)


class JobState(enum.Enum):
    """How far the job is."""

    JOINED = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    COMPLETED = enum.auto()
    FAILED = enum.auto()


class Job:
    """Follows one job through the messages of its session's stream.

    Args:
        event_id: The job's name, from the answer to the join. Messages of other jobs are
            passed over.
        output: The position of the chat component among the function's outputs; None where no
            reply is looked for.
        protocol: The protocol's name in the app's `/config`, or None. From `sse_v2` on, values
            after the first come as edits; where the name is not known, they are told by
            their looks. "call" stands for `/call`, whose values are whole.
        max_size: The most characters that the chat's value may take as JSON. It is measured each
            time that as many characters of edits have come.

    Attributes:
        data: All that the function gave, once it is completed.
    """

    def __init__(
        self,
        event_id: str | None,
        output: int | None,
        protocol: str | None = None,
        *,
        max_size: int = DEFAULT_MAX_EVENT_SIZE,
    ) -> None:
        self.data: list[Any] = []
        self.state = JobState.JOINED
        self.event_id = event_id
        self._output = output
        self._protocol = protocol
        self._value = ChatValue()
        self._event: ServerSentEvent | None = None  # of the message that is received
        self._growing: Growing[Any] | None = None  # what the last value was only appended to
        self._likeness: Likeness | None = None  # of the messages that append
        self._lessons = _LESSONS
        self._max_size = max_size
        self._edited = 0  # characters of edits since the value was measured

    @property
    def asks_for_data(self) -> bool:
        """Whether the queue asks for the arguments; elsewhere the join has brought them."""
        return self._protocol == "sse"

    @property
    def text(self) -> str:
        """The reply so far; the whole reply when the job is completed."""
        return self._value.text

    @property
    def thinking(self) -> str:
        """The thoughts so far, which are no part of the text."""
        return self._value.thinking

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state is JobState.COMPLETED or self.state is JobState.FAILED

    def receive(self, message: Message, event: ServerSentEvent | None = None) -> Sequence[JobEvent]:
        """Take the stream's next message and return what it means for the caller.

        Args:
            message: The message.
            event: What it was read from, so that others that are like it are known.

        Raises:
            JobError: The app failed.
            QuotaError: The app says that a quota is used up.
            QueueFullError: The queue takes no more jobs.
            StreamInterruptedError: The server gives up the stream.
            ProtocolError: The message does not fit what came before.
        """
        if self.done or self._is_of_another(message):
            return []
        self._event = event
        try:
            return self._not_too_deep(message)
        except QwenSpaceError as exc:
            self.state, self._growing = JobState.FAILED, None
            exc.text = self.text
            raise
        finally:
            self._event = None

    @property
    def shortcut(self) -> Shortcut | None:
        """How a message looks that only adds text, as the last one did; None if it did not.

        As nearly all of them do, they need not be parsed. The parts are for `add`.
        """
        if self._growing is None or self._likeness is None:
            return None
        return self._likeness.shortcut

    def add(self, parts: Sequence[str]) -> Iterator[TextDelta | ThinkingDelta]:
        """Take the parts of messages that look as the shortcut says; yield what each means."""
        assert self._growing is not None  # noqa: S101 - else there is no shortcut
        return self._growing.extend([piece_text(part) if "\\" in part else part for part in parts])

    def end(self) -> None:
        """Take the end of the stream.

        Raises:
            StreamInterruptedError: The reply is not complete.
        """
        if not self.done:
            self.state = JobState.FAILED
            raise StreamInterruptedError(self.text, "the server closed it")

    def _is_of_another(self, message: Message) -> bool:
        event_id = getattr(message, "event_id", None)
        return event_id is not None and self.event_id is not None and event_id != self.event_id

    def _not_too_deep(self, message: Message) -> Sequence[JobEvent]:
        try:
            return self._receive(message)
        except RecursionError:  # its traceback is as long as the value is deep
            raise ProtocolError("The chat's value is nested too deeply to be one.") from None

    def _receive(self, message: Message) -> Sequence[JobEvent]:
        match message:
            case ProcessGenerating():
                self.state = JobState.RUNNING
                return self._generating(message)
            case Estimation():
                self.state = JobState.QUEUED
                return [Queued(message.rank, message.queue_size, message.rank_eta)]
            case ProcessStarts():
                self.state = JobState.RUNNING
                return [Started(message.eta)]
            case Log():
                return [Notice(message.log, message.level, message.title)]
            case ProcessCompleted():
                return self._completed(message)
            case QueueFull():
                raise QueueFullError("The queue is full")
            case UnexpectedError():
                raise StreamInterruptedError(self.text, message.message or "an unexpected error")
            case CloseStream():
                self.end()
        return []

    def _generating(self, message: ProcessGenerating) -> list[ValueEvent]:
        if self._output is None:
            return []
        item = self._item(message.data, self._output)
        self._growing = None
        if not (self._value.known and self._is_update(item)):
            return self._value.become(item)
        if (growing := self._value.growing(item)) is not None:
            self._growing = growing
            self._remember(item[0])
        events = self._value.edit(item)
        self._check_size()
        return events

    def _check_size(self) -> None:
        """Measure the value now and then, as edits may make it grow without adding to the text."""
        self._edited += len(self._event.data) if self._event is not None else 0
        if self._edited <= self._max_size:
            return
        self._edited = 0
        if self._value.size() > self._max_size:
            raise ProtocolError(
                f"The chat's value has grown to more than {self._max_size} characters; "
                "raise max_size if that is to be expected."
            )

    def _remember(self, edit: list[Any]) -> None:
        """Learn how the message looks that is received, as it only appends."""
        event = self._event
        if event is None or event.event != "message" or not self._lessons:
            return
        if self._likeness is None or self._likeness.piece(event.data) != edit[2]:
            self._lessons -= 1
            self._likeness = Likeness.of(event.data, edit)

    def _item(self, data: list[Any], output: int) -> Any:
        """Return what the message says of the chat component."""
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
        if self._protocol in _FULL_VALUES:
            return False
        if not isinstance(item, list):
            raise ProtocolError(f"Expected edits, got {item!r:.200}")
        return True

    def _completed(self, message: ProcessCompleted) -> list[ValueEvent]:
        if not message.success:
            raise _failure(message)
        self._growing = None
        if message.data is None:
            raise JobError("The job was cancelled on the server.")
        self.data = message.data
        value = None if self._output is None else self._item(message.data, self._output)
        # An app that yields nothing ends with null; one that yields a no-op update, without a
        # value: both leave the reply as it was.
        events = [] if value is None else self._value.become(value)
        self.state = JobState.COMPLETED
        return events


def _failure(message: ProcessCompleted) -> JobError | QuotaError:
    # Gradio 4.0 to 4.16 send the word "None", and up to 5.0 a gr.Error's text in quotes.
    reason = None if message.error in {None, "None"} else _unquoted(str(message.error))
    if _QUOTA.search(f"{message.title} {reason}"):
        return QuotaError(reason or str(message.title))
    return JobError(reason, message.title)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return text
    return text
