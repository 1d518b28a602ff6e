from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
from qwen_space.events import Rewritten, TextDelta
from qwen_space.gradio.job import Job
from qwen_space.gradio.likeness import Likeness
from qwen_space.gradio.messages import ProcessGenerating, parse_event, parse_message
from qwen_space.gradio.sse import ServerSentEvent, SSEDecoder
from tests.shortcut import more

DATA = Path(__file__).parents[2] / "data"
PATH = [1, "content", 0, "text"]


def message(piece: str = "new", *, ascii_only: bool = False, **changed: Any) -> str:
    """A message as Gradio 6.31 writes it."""
    output = {
        "data": [[], [["append", PATH, piece]], []],
        "is_generating": True,
        "duration": 0.010317087173461914,
        "average_duration": 1.05e-05,
        "changed_state_ids": [],
    }
    fields = {"msg": "process_generating", "event_id": "e1", "output": output, "success": True}
    return json.dumps({**fields, **changed}, ensure_ascii=ascii_only, separators=(",", ":"))


def likeness(text: str | None = None) -> Likeness:
    learnt = Likeness.of(text or message(), ["append", PATH, "new"])
    assert learnt is not None
    return learnt


PIECES = [
    pytest.param(" word", id="word"),
    pytest.param("中文 über 😀", id="not-ascii"),
    pytest.param('a "quoted"\n\tline\\', id="escapes"),
    pytest.param('"]],[]],"msg":"heartbeat', id="json"),
    pytest.param("\u2028\u0085", id="other-line-ends"),
    pytest.param("append", id="the-action's-name"),
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("piece", PIECES)
def test_a_message_like_one_before_gives_its_piece(piece: str, ascii_only: bool) -> None:
    text = message(piece, ascii_only=ascii_only)

    found = likeness(message(ascii_only=ascii_only)).piece(text)

    assert found == piece or (found is None and "\\ud" in text)  # pairs are for the parser


@pytest.mark.parametrize("number", ["0", "-1", "0.5", "1e3", "1.5E-07", "12345678901234567890"])
def test_other_numbers_make_no_difference(number: str) -> None:
    assert likeness().piece(message("a").replace("1.05e-05", number)) == "a"


DIFFERENT = [
    pytest.param(message("a", event_id="e2"), id="another-job"),
    pytest.param(message("a", msg="process_completed"), id="another-kind"),
    pytest.param(message("a", success=False), id="another-value"),
    pytest.param(message("a", more=1), id="one-field-more"),
    pytest.param(message("a").replace('[1,"content"', '[3,"content"'), id="another-path"),
    pytest.param(message("a").replace('"append"', '"replace"'), id="another-action"),
    pytest.param(message("a").replace('"a"]]', '"a"],["append",[],"b"]]'), id="two-edits"),
    pytest.param(message("a").replace('"a"', '"a","b"'), id="no-edit"),
    pytest.param(message(""), id="nothing-new"),
    pytest.param(message("a").replace('"a"', "null"), id="no-string"),
    pytest.param(message("a").replace('"a"', '"a\nb"'), id="raw-control-character"),
    pytest.param(message("a").replace('"a"', r'"a\x"'), id="bad-escape"),
    pytest.param(message("a").replace('"a"', r'"\u12"'), id="short-escape"),
    pytest.param(message("a").replace('"a"', r'"\ud83d"'), id="half-a-pair"),
    pytest.param(message("a").replace("1.05e-05", "01"), id="leading-zero"),
    pytest.param(message("a").replace("1.05e-05", "1."), id="no-fraction"),
    pytest.param(message("a").replace("1.05e-05", "--1"), id="two-signs"),
    pytest.param(message("a").replace("1.05e-05", "\u0661"), id="a-digit-of-another-script"),
    pytest.param(message("a").replace("1.05e-05", "1" * 5000), id="more-digits-than-are-read"),
    pytest.param(message("a").replace("1.05e-05", '"1"'), id="no-number"),
    pytest.param(message("a") + " ", id="longer"),
    pytest.param(message("a") + message("a"), id="two-messages"),
    pytest.param(message("a")[:-1], id="cut"),
    pytest.param("", id="empty"),
]


@pytest.mark.parametrize("text", DIFFERENT)
def test_whatever_is_not_exactly_so_is_for_the_parser(text: str) -> None:
    assert likeness().piece(text) is None


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A message with a few characters changed, left out or put in."""
    text = message(draw(st.sampled_from(["new", " a", "\n", '"', "\\", "ü"])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text) - 1))
        new = draw(st.text(st.sampled_from('"\\[]{},:0159.eE+-anu \n\x00ü') | st.characters()))
        text = text[:at] + new[:3] + text[at + draw(st.integers(0, 3)) :]
    return text


@given(mutants())
@example(message('\\"'))
def test_a_piece_is_found_only_where_the_parser_finds_the_same(text: str) -> None:
    piece = likeness().piece(text)

    if piece is not None:
        parsed = parse_message(text)
        assert isinstance(parsed, ProcessGenerating)
        assert (parsed.event_id, parsed.data[1]) == ("e1", [["append", PATH, piece]])


UNCLEAR = [
    pytest.param(message("new", note="append"), id="append-twice"),
    pytest.param(message().replace('"append"', r'"\u0061ppend"'), id="append-in-disguise"),
]


@pytest.mark.parametrize("text", UNCLEAR)
def test_nothing_is_learnt_where_the_piece_cannot_be_told(text: str) -> None:
    assert Likeness.of(text, ["append", PATH, "new"]) is None


def test_nothing_is_learnt_where_the_path_has_a_key_of_another_kind() -> None:
    text = message().replace('[1,"content"', '[true,"content"')

    assert Likeness.of(text, ["append", [True, *PATH[1:]], "new"]) is None


@pytest.mark.timeout(20)
def test_a_long_piece_without_an_end_takes_no_longer_than_its_length() -> None:
    start = message("a").partition('"a"')[0]

    assert likeness().piece(start + '"' + 'a\\"' * 200_000 + message("a")[-60:]) is None


# In a job


def read(body: bytes, output: int, *, remembering: bool, size: int) -> tuple[list[Any], int]:
    """Return what the first job in a stream brings, and how many messages were not parsed."""
    decoder = SSEDecoder()
    first = next(decoder.feed(body[: body.index(b"\n\n") + 2]))
    decoder = SSEDecoder()
    job, events, known = Job(json.loads(first.data)["event_id"], output, "sse_v3"), [], 0
    for at in range(0, len(body), size):
        for each in decoder.feed(body[at : at + size], job if remembering else None):
            if isinstance(each, list):
                events.extend(job.add(each))
                known += len(each)
            elif (parsed := parse_event(each)) is not None:
                events.extend(job.receive(parsed, each if remembering else None))
    return events, known


def recordings() -> Iterator[Any]:
    for index in sorted(DATA.glob("*/index.json")):
        for entry in json.loads(index.read_text()):
            path = index.with_name(entry["file"])
            if entry["error"] is None:
                yield pytest.param(path, entry["output"], id=f"{index.parent.name}/{path.stem}")


@pytest.mark.parametrize(("path", "output"), [*recordings()])
@pytest.mark.parametrize("size", [7, 1000, 1_000_000])
def test_recorded_streams_come_out_the_same(path: Path, output: int, size: int) -> None:
    body = path.read_bytes()

    events, known = read(body, output, remembering=True, size=size)

    assert events == read(body, output, remembering=False, size=1_000_000)[0]
    # The first value, the message that is learnt, and the end are not known.
    assert known > 5 or path.name != "words.sse"


def event(text: str) -> ServerSentEvent:
    return ServerSentEvent(text)


def begun() -> Job:
    """A job that has given "" and then "new"."""
    job = Job("e1", 1, "sse_v3")
    rows = [
        {"role": role, "content": [{"type": "text", "text": ""}]} for role in ("user", "assistant")
    ]
    job.receive(ProcessGenerating("e1", ["", rows, ""]))
    first = event(message())
    parsed = parse_event(first)
    assert parsed is not None
    assert job.receive(parsed, first) == [TextDelta("new")]
    return job


def test_a_message_of_another_kind_in_between_makes_no_difference() -> None:
    job = begun()
    heartbeat = event('{"msg":"heartbeat","event_id":null}')
    assert more(job, heartbeat) is None
    parsed = parse_event(heartbeat)
    assert parsed is not None
    job.receive(parsed, heartbeat)

    known = more(job, event(message(" a")))

    assert isinstance(known, TextDelta)
    assert (known.delta, known.text, job.text) == (" a", "new a", "new a")


def test_after_another_value_the_next_message_is_parsed() -> None:
    job = begun()
    rows = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "other"}]
    assert job.receive(ProcessGenerating("e1", ["", [["replace", [], rows]], ""])) == [
        Rewritten("other")
    ]

    assert more(job, event(message(" a"))) is None
    with pytest.raises(ProtocolError):  # the path is not there any more
        job.receive(ProcessGenerating("e1", [[], [["append", PATH, " a"]], []]))


def test_events_with_a_name_are_not_the_queue_s() -> None:
    assert more(begun(), ServerSentEvent(message(" a"), "generating")) is None


def test_another_job_s_messages_are_passed_over() -> None:
    job = begun()
    others = event(message(" a", event_id="e2"))
    assert more(job, others) is None
    parsed = parse_event(others)
    assert parsed is not None

    assert job.receive(parsed, others) == []
    assert more(job, event(message(" b"))) == TextDelta(" b", ["new", " b"])


def test_a_job_does_not_learn_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    lessons = []
    monkeypatch.setattr(Likeness, "of", lambda text, edit: lessons.append(text))
    job = begun()

    for count in range(100):
        each = event(message(" a", count=count))
        parsed = parse_event(each)
        assert parsed is not None
        assert job.receive(parsed, each) == [TextDelta(" a", ["new", *([" a"] * (count + 1))])]

    assert len(lessons) < 10
