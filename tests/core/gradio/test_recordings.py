"""Streams of real servers, replayed: bytes in, the reply out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from qwen_space.errors import QwenSpaceError
from qwen_space.events import Notice, Queued, Rewritten, Started, TextDelta
from qwen_space.gradio.job import Job, JobEvent
from tests.fuzz.stream import decoded
from tests.pieces import cut
from tests.queue_stream import read_text

DATA = Path(__file__).parents[2] / "data"
SERVERS = ["4.44.1-ms", "5.50.0-msg", "6.31.0-msg"]

# Where the server itself changed white space that it had sent already.
WHITE_SPACE = {"code.sse", "dedent.sse", "tabs.sse"}
# Where the app changed more than that.
REWRITTEN = {"fn_ops.sse", "fn_ops2.sse", "rewrite.sse"}


@dataclass(frozen=True)
class Recording:
    server: str
    file: str
    output: int
    text: str
    error: str | None

    @property
    def body(self) -> bytes:
        return _read(self.server, self.file)

    @property
    def event_ids(self) -> list[str]:
        """The jobs in the stream, in order."""
        ids = [json.loads(line[5:]).get("event_id") for line in self.body.splitlines() if line]
        return list(dict.fromkeys(each for each in ids if each is not None))


@cache
def _read(server: str, file: str) -> bytes:
    return (DATA / server / file).read_bytes()


def recordings() -> Iterator[Recording]:
    for server in SERVERS:
        for entry in json.loads((DATA / server / "index.json").read_text()):
            yield Recording(server, **entry)


def those(is_wanted: Callable[[str], bool]) -> list[Any]:
    """Return the recordings of some files, as parameters."""
    return [
        pytest.param(each, id=f"{each.server}/{each.file}")
        for each in recordings()
        if is_wanted(each.file)
    ]


RECORDINGS = those(lambda file: True)


@dataclass
class Outcome:
    events: list[JobEvent]
    text: str
    error: QwenSpaceError | None

    @property
    def deltas(self) -> str:
        return "".join(each.delta for each in self.events if isinstance(each, TextDelta))

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]


def replay(
    recording: Recording,
    size: int | None = None,
    *,
    protocol: str | None = "sse_v3",
    event_id: str | None = None,
) -> Outcome:
    body = recording.body
    size = size or len(body)
    job = Job(event_id or next(iter(recording.event_ids), None), recording.output, protocol)
    events: list[JobEvent] = []
    error = None
    try:
        for piece in cut(body, size):
            for event in job.receive(piece):
                if event is not None:
                    events.append(event)  # noqa: PERF401 - those before an error count
        job.receive_eof()
    except QwenSpaceError as exc:
        error = exc
    return Outcome(events, job.text, error)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_reply_is_the_server_s_whatever_the_chunks(recording: Recording) -> None:
    for size in (1, 2, 3, 7, 1024, None):
        outcome = replay(recording, size)

        assert outcome.text == recording.text, size
        error = outcome.error and (type(outcome.error).__name__, outcome.error.text)
        assert error == (recording.error and (recording.error, recording.text))


@pytest.mark.parametrize("recording", RECORDINGS)
def test_no_cut_in_two_changes_an_event(recording: Recording) -> None:
    body = recording.body[:1024]
    whole = decoded([body])

    for place in range(1, len(body)):
        assert decoded([body[:place], body[place:]]) == whole


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_protocol_without_a_name_is_told_by_its_looks(recording: Recording) -> None:
    unnamed = replay(recording, protocol=None)

    named = replay(recording)
    assert unnamed.text == named.text
    assert unnamed.events == named.events


@pytest.mark.parametrize("recording", those(lambda file: file not in WHITE_SPACE | REWRITTEN))
def test_the_deltas_are_the_reply(recording: Recording) -> None:
    outcome = replay(recording)

    assert not outcome.of(Rewritten)
    assert outcome.deltas == outcome.text


@pytest.mark.parametrize("recording", those(WHITE_SPACE.__contains__))
def test_the_deltas_are_the_reply_but_for_white_space(recording: Recording) -> None:
    outcome = replay(recording)

    assert not outcome.of(Rewritten)
    assert outcome.deltas != outcome.text
    assert outcome.deltas.split() == outcome.text.split()


@pytest.mark.parametrize("recording", those(REWRITTEN.__contains__))
def test_a_change_of_text_that_was_sent_is_a_rewriting(recording: Recording) -> None:
    assert replay(recording).of(Rewritten)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_text_goes_on_from_the_last_rewriting(recording: Recording) -> None:
    shown = read_text(replay(recording).events)

    assert shown.split() == recording.text.split()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("file", "pieces"), [("words.sse", 12), ("one.sse", 1), ("same.sse", 1)])
def test_each_piece_of_the_server_is_one_delta(server: str, file: str, pieces: int) -> None:
    outcome = replay(_named(server, file))

    assert len(outcome.of(TextDelta)) == pieces


@pytest.mark.parametrize("server", SERVERS)
def test_two_jobs_in_one_stream_each_get_their_own_reply(server: str) -> None:
    recording = _named(server, "two.sse")

    replies = [replay(recording, event_id=each).text for each in recording.event_ids]

    words = "".join(f"w{number:04} " for number in range(10))
    assert replies == [words, "héllo 你好🙂👩\u200d👩\u200d👧 \u2028"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_notice_of_the_app_is_an_event(server: str) -> None:
    notices = replay(_named(server, "logprog.sse")).of(Notice)

    assert [each.message for each in notices] == ["an info line", "a warning line"]
    assert [each.level for each in notices] == ["info", "warning"]


@pytest.mark.parametrize("server", SERVERS)
def test_the_wait_in_the_queue_makes_events(server: str) -> None:
    outcome = replay(_named(server, "conc.3.sse"))

    assert len(outcome.of(Queued)) >= 2
    assert isinstance(outcome.events[0], Queued)
    assert [type(each) for each in outcome.events].index(Started) == len(outcome.of(Queued))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("error_value_mid.sse", None),
        ("error_value_first.sse", None),
        ("error_gr_mid.sse", "planned gr.Error"),
        ("error_gr_first.sse", "planned gr.Error"),
        ("showerror_value.sse", "planned failure at token 2"),
        ("cancel.sse", "The job was cancelled on the server."),
        ("surrogate.sse", "str is not valid UTF-8: surrogates not allowed"),
        ("server_stop_kill.sse", "the server closed it"),
    ],
)
def test_the_reason_is_the_server_s_own(server: str, file: str, reason: str | None) -> None:
    error = replay(_named(server, file)).error

    assert error is not None
    assert getattr(error, "reason", "no reason") == reason


def _named(server: str, file: str) -> Recording:
    return next(each for each in recordings() if (each.server, each.file) == (server, file))
