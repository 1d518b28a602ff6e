"""Invariants of any stream, whatever its bytes and however they were cut."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from typing import Any

from qwen_space.errors import QwenSpaceError
from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.job import Job, JobEvent, JobState
from qwen_space.gradio.reply.chatbot import find_reply
from qwen_space.gradio.wire.messages import (
    AnyMessage,
    Output,
    ProcessCompleted,
    ProcessGenerating,
    decode_event,
)
from qwen_space.gradio.wire.sse import SSEDecoder
from tests.fuzz.building import EVENT_ID, built
from tests.queue_stream import apply_edits

__all__ = ["check", "decoded"]

_PROTOCOLS = ("sse_v3", None, "sse_v1", "call")


def check(data: bytes) -> None:
    """Run one case.

    The first byte is the protocol, the event id, the output's position, whether thoughts and
    escapes are looked for, and whether the rest is the stream itself or the choices that one is
    built of; the second is the size of the chunks.

    Raises:
        AssertionError: Something that must hold does not.
        Exception: Anything that is not ours.
    """
    head, size, *rest = data if len(data) > 2 else bytes(3)
    body = built(bytes(rest)) if head & 1 else bytes(rest)
    events = decoded([body])
    cut = [body[at : at + (size or 256)] for at in range(0, len(body), size or 256)]
    assert decoded(cut) == events
    output = int(head & 4 > 0)
    asked = None if head & 2 else EVENT_ID, output, _PROTOCOLS[head >> 3 & 3]
    job = Job(*asked)
    _follow(job, _Server(job, output), events)
    reads: Any = {"reasoning_tags": (("<think>", "</think>"),), "prompt": "<"} if head & 32 else {}
    assert _told(Job(*asked, **reads), cut) == _told(Job(*asked, **reads), [body])


def _told(job: Job, chunks: Iterable[bytes]) -> list[JobEvent | type]:
    """Return the events that a job yields, and at last its error's type."""
    told: list[JobEvent | type] = []
    try:
        for chunk in chunks:
            for event in job.receive(chunk):
                if event is not None:
                    told.append(event)  # noqa: PERF401 - those before an error count
    except QwenSpaceError as exc:
        told.append(type(exc))
    return told


def decoded(chunks: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Return the types and the data of the events in bytes."""
    decoder = SSEDecoder()
    return [
        (event, data)
        for chunk in chunks
        for event, successive in decoder.feed(chunk)
        for data in successive
    ]


def _as_bytes(event: str, data: bytes) -> bytes:
    """Return an event as it is in a stream."""
    lines = [b"data: " + line for line in data.split(b"\n")]
    return b"\n".join([b"event: " + event.encode(), *lines, b"", b""])


def _follow(job: Job, server: _Server, events: Iterable[tuple[str, bytes]]) -> None:
    shown = ""
    try:
        for kind, data in events:
            server.take(kind, data)
            for event in job.receive(_as_bytes(kind, data)):
                repr(event)
                if isinstance(event, Rewritten):
                    assert event.text.endswith(event.delta)
                    shown = event.text
                elif isinstance(event, TextDelta):
                    assert event.delta
                    shown += event.delta
            assert not server.refuses
            assert _is_shown(job, server)
            assert _bare(shown) == _bare(job.text)
        job.receive_eof()
    except QwenSpaceError as exc:
        _is_whole(exc)
        assert _is_shown(job, server)


class _Server:
    """The value that the server holds, kept in the simplest way.

    Attributes:
        text: The reply's.
        is_object: Whether that is the JSON of an object.
        refuses: Whether the last message made no sense, so that the job must refuse it.
    """

    def __init__(self, job: Job, output: int) -> None:
        self.text = ""
        self.is_object = False
        self.refuses = False
        self._job = job
        self._output = output
        self._value: Any = None
        self._known = False

    def take(self, event: str, data: bytes) -> None:
        """Take the next event, before the job does."""
        if self._job.done:
            return
        try:
            message = decode_event(data, event)
            if message is None or self._job._is_of_another(message):
                return
            self._take(message)
        except (QwenSpaceError, IndexError):  # the latter where there is no such output
            self.refuses = True

    def _take(self, message: AnyMessage) -> None:
        match message:
            case ProcessGenerating():
                item = message.output.data[self._output]
                is_update = self._known and self._job._is_update(item)
                value = apply_edits(self._value, item) if is_update else copy.deepcopy(item)
                self._become(value)
            case ProcessCompleted(success=True, output=Output(data=list() as data)):
                if (item := data[self._output]) is not None:
                    self._become(item)

    def _become(self, value: Any) -> None:
        self._value, self._known = value, True
        if (reply := find_reply(value)) is not None:
            self.text, self.is_object = reply.text, reply.is_object


def _is_shown(job: Job, server: _Server) -> bool:
    """Whether a job has the server's text, but for an end that may be a cursor.

    Until the job is complete, it holds back an object in which an answer may come.
    """
    if job.text == server.text:
        return True
    most = len(server.text) if server.is_object else 128
    held = len(server.text) - len(job.text)
    is_part = server.text.startswith(job.text) and held <= most
    return job.state is not JobState.COMPLETED and is_part


def _bare(text: str) -> str:
    return "".join(text.split())


def _is_whole(exc: QwenSpaceError) -> None:
    """See that an error can be shown and sent to another process."""
    twin = pickle.loads(pickle.dumps(exc))
    assert (type(twin), str(twin), twin.text) == (type(exc), str(exc), exc.text)
