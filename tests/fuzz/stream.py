"""What must hold of any stream, whatever its bytes and however they were cut."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qwen_space.errors import QwenSpaceError
from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.chatbot import find_reply
from qwen_space.gradio.edits import apply_edits
from qwen_space.gradio.job import Job, JobEvent
from qwen_space.gradio.messages import (
    Message,
    ProcessCompleted,
    ProcessGenerating,
    parse_event,
)
from qwen_space.gradio.sse import ServerSentEvent, SSEDecoder
from tests.fuzz.building import EVENT_ID, built
from tests.shortcut import more

__all__ = ["check"]

_PROTOCOLS = ("sse_v3", None, "sse_v1", "call")


def check(data: bytes) -> None:
    """Run one case.

    The first byte is the protocol, the job's name, the output's position, and whether the rest is
    the stream itself or what one is built of; the second is the size of the chunks.

    Raises:
        AssertionError: Something that must hold does not.
        Exception: Anything that is not ours.
    """
    head, size, *rest = data if len(data) > 2 else bytes(3)
    body = built(bytes(rest)) if head & 1 else bytes(rest)
    events, failed = _decoded([body])
    cut = [body[at : at + (size or 256)] for at in range(0, len(body), size or 256)]
    assert _decoded(cut) == (events, failed)
    output = int(head & 4 > 0)
    asked = None if head & 2 else EVENT_ID, output, _PROTOCOLS[head >> 3 & 3]
    job = Job(*asked)
    _follow(job, _Server(job, output), events)
    skimming = Job(*asked)
    assert _told(skimming, cut, skimming) == _told(Job(*asked), [body], None)


def _told(job: Job, chunks: Iterable[bytes], reader: Job | None) -> list[JobEvent | type]:
    """Return what a job tells, and at last its error's type; unparsed where a reader knows how."""
    decoder = SSEDecoder()
    told: list[JobEvent | type] = []
    try:
        for chunk in chunks:
            for item in decoder.feed(chunk, reader):
                if isinstance(item, list):
                    told.extend(job.add(item))
                elif (message := parse_event(item)) is not None:
                    told.extend(job.receive(message, item))
    except QwenSpaceError as exc:
        told.append(type(exc))
    return told


def _decoded(chunks: Iterable[bytes]) -> tuple[list[ServerSentEvent], bool]:
    """Return the events, and whether the stream broke off in an error of ours."""
    decoder = SSEDecoder()
    events: list[ServerSentEvent] = []
    try:
        for chunk in chunks:
            events.extend(decoder.feed(chunk))
    except QwenSpaceError as exc:
        _is_whole(exc)
        return events, True
    return events, False


def _parsed(job: Job, events: Iterable[ServerSentEvent]) -> Iterator[tuple[Message, Any]]:
    """Yield each message, and what has the job hear it: unparsed where it can, as a client does."""
    for event in events:
        try:
            message = parse_event(event)
        except QwenSpaceError:
            assert more(job, event) is None
            raise
        if message is not None:
            yield message, lambda message=message, event=event: _heard(job, message, event)
        else:
            assert more(job, event) is None


def _heard(job: Job, message: Message, event: ServerSentEvent) -> Sequence[JobEvent]:
    known = more(job, event)
    return job.receive(message, event) if known is None else [known]


def _follow(job: Job, server: _Server, events: Iterable[ServerSentEvent]) -> None:
    shown = ""
    try:
        for message, hear in _parsed(job, events):
            server.take(message)
            for event in hear():
                repr(event)
                if isinstance(event, Rewritten):
                    assert event.text.endswith(event.delta)
                    shown = event.text
                elif isinstance(event, TextDelta):
                    assert event.delta
                    shown += event.delta
            assert not server.refuses
            assert job.text == server.text
            assert _bare(shown) == _bare(server.text)
        job.end()
    except QwenSpaceError as exc:
        _is_whole(exc)
        assert job.text == server.text


class _Server:
    """The value that the server holds, kept in the simplest way.

    Attributes:
        text: The reply's.
        refuses: Whether the last message made no sense, so that the job must refuse it.
    """

    def __init__(self, job: Job, output: int) -> None:
        self.text = ""
        self.refuses = False
        self._job = job
        self._output = output
        self._value: Any = None
        self._known = False

    def take(self, message: Message) -> None:
        """Take the next message, before the job does."""
        if self._job.done or self._job._is_of_another(message):
            return
        try:
            self._take(message)
        except (QwenSpaceError, IndexError):  # the latter where there is no such output
            self.refuses = True

    def _take(self, message: Message) -> None:
        match message:
            case ProcessGenerating():
                item = message.data[self._output]
                is_update = self._known and self._job._is_update(item)
                self._become(apply_edits(self._value, item) if is_update else item)
            case ProcessCompleted(success=True, data=list() as data):
                if (item := data[self._output]) is not None:
                    self._become(item)

    def _become(self, value: Any) -> None:
        self._value, self._known = value, True
        if (reply := find_reply(value)) is not None:
            self.text = reply.text


def _bare(text: str) -> str:
    return "".join(text.split())


def _is_whole(exc: QwenSpaceError) -> None:
    """See that an error can be shown and sent to another process."""
    twin = pickle.loads(pickle.dumps(exc))
    assert (type(twin), str(twin), twin.text) == (type(exc), str(exc), exc.text)
