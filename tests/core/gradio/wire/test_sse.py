from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.errors import ProtocolError
from qwen_space.gradio.wire.sse import SSEDecoder

Event = tuple[str, bytes]


def event(data: str, name: str = "message") -> Event:
    return name, data.encode()


def feed(decoder: SSEDecoder, chunk: bytes) -> Iterator[Event]:
    for event, successive in decoder.feed(chunk):
        for data in successive:
            yield event, data


def decode(body: bytes, size: int | None = None, limit: int = 2**20) -> list[Event]:
    decoder = SSEDecoder(max_event_size=limit)
    step = size or max(1, len(body))
    return [
        each
        for start in range(0, len(body), step)
        for each in feed(decoder, body[start : start + step])
    ]


CASES = [
    pytest.param(b"", [], id="nothing"),
    pytest.param(b"data: a\n\n", [event("a")], id="lf"),
    pytest.param(b"data: a\r\n\r\n", [event("a")], id="crlf"),
    pytest.param(b"data: a\r\r", [event("a")], id="cr"),
    pytest.param(
        b"data: a\r\n\r\ndata: b\r\rdata: c\n\n",
        [event("a"), event("b"), event("c")],
        id="mixed-events",
    ),
    pytest.param(b"data: a\rdata: b\ndata: c\r\n\n", [event("a\nb\nc")], id="mixed-lines"),
    pytest.param(b"data: a\n\r", [event("a")], id="lf-cr-is-two-ends"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", [event("a")], id="bom"),
    pytest.param(b"\xef\xbb\xbf\r\n\r\ndata: a\n\n", [event("a")], id="bom-alone-on-its-line"),
    pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [event("a")], id="bom-later-is-no-bom"),
    pytest.param(b": hello\ndata: a\n:\n\n", [event("a")], id="comments"),
    pytest.param(b":\n\n: only\n\n", [], id="only-comments"),
    pytest.param(b"data: a\ndata: b\n\n", [event("a\nb")], id="two-data-lines"),
    pytest.param(b"data:\ndata:\n\n", [event("\n")], id="two-empty-data-lines"),
    pytest.param(b"data: a\ndata\ndata: b\n\n", [event("a\n\nb")], id="data-without-colon"),
    pytest.param(b"data:\n\n", [event("")], id="empty-data"),
    pytest.param(b"data:a\n\n", [event("a")], id="no-space"),
    pytest.param(b"data:  a \n\n", [event(" a ")], id="one-space-is-taken"),
    pytest.param(b"data:\ta\n\n", [event("\ta")], id="a-tab-is-none"),
    pytest.param(b"data: a:b: c\n\n", [event("a:b: c")], id="colons-in-data"),
    pytest.param(b"event: complete\ndata: a\n\n", [event("a", "complete")], id="event"),
    pytest.param(b"data: a\nevent: x\nevent: y\n\n", [event("a", "y")], id="the-last-event-counts"),
    pytest.param(b"event: x\n\ndata: a\n\n", [event("a")], id="event-without-data"),
    pytest.param(
        b"event: x\ndata: a\n\ndata: b\n\n", [event("a", "x"), event("b")], id="event-once"
    ),
    pytest.param(b"event:\ndata: a\n\n", [event("a")], id="empty-event"),
    pytest.param(b"id: 1\nretry: 5\ndata: a\n\n", [event("a")], id="id-and-retry"),
    pytest.param(b"nonsense\ndata: a\n\n", [event("a")], id="unknown-field"),
    pytest.param(b" data: x\ndata: a\n\n", [event("a")], id="space-before-the-field"),
    pytest.param(b"DATA: x\ndata: a\n\n", [event("a")], id="case-counts"),
    pytest.param(b"\n\n\ndata: a\n\n\n\n", [event("a")], id="empty-lines"),
    pytest.param(b"data: a\n", [], id="unfinished"),
    pytest.param(b"data: a\n\ndata: b", [event("a")], id="unfinished-line"),
    pytest.param(b"<html>\n<p>no stream</p>\n\n</html>\n\n", [], id="html"),
    pytest.param(
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x7f\n\n".encode(),
        [event("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x7f")],
        id="no-line-end-but-these-three",
    ),
    pytest.param("data: 你好🙂\n\n".encode(), [event("你好🙂")], id="utf-8"),
    pytest.param(b"data: a\x00b\n\n", [event("a\x00b")], id="nul"),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 1024])
def test_the_cut_of_the_chunks_does_not_matter(
    body: bytes, expected: list[Event], size: int
) -> None:
    events = decode(body, size)

    assert events == expected


def test_an_event_is_there_with_its_last_byte() -> None:
    decoder = SSEDecoder()

    assert list(feed(decoder, b"data: a\n")) == []
    assert list(feed(decoder, b"\n")) == [event("a")]


def test_an_event_is_there_with_its_last_cr_whatever_comes_next() -> None:
    decoder = SSEDecoder()

    assert list(feed(decoder, b"data: a\r\n\r")) == [event("a")]
    assert list(feed(decoder, b"\ndata: b\n\n")) == [event("b")]


def test_a_chunk_of_nothing_between_cr_and_lf_changes_nothing() -> None:
    decoder = SSEDecoder()

    events = [
        event
        for chunk in (b"data: a\r", b"", b"\ndata: b\r\n\r\n")
        for event in feed(decoder, chunk)
    ]

    assert events == [event("a\nb")]


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 64 + b"\n\n", id="a-long-line"),
        pytest.param(b"data: " + b"x" * 64, id="a-line-without-end"),
        pytest.param(b"data: xxxxxxx\n" * 12, id="many-lines"),
        pytest.param(b":" + b"x" * 64, id="a-comment-without-end"),
    ],
)
def test_an_event_over_the_limit_is_an_error_before_it_ends(body: bytes, size: int) -> None:
    with pytest.raises(ProtocolError, match="larger than 48 bytes"):
        decode(body, size, limit=48)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_limit_is_for_one_event(size: int) -> None:
    body = b"data: 0123456789\n\n: comment\n\n" * 50

    events = decode(body, size, limit=48)

    assert events == [event("0123456789")] * 50


def test_events_before_an_error_in_the_same_bytes_are_there() -> None:
    decoder = SSEDecoder(max_event_size=48)
    events = []

    with pytest.raises(ProtocolError):
        events.extend(feed(decoder, b"data: a\n\ndata: " + b"x" * 99))

    assert events == [event("a")]


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"", b":", b"data", b"data:", b"data: ", b"event: x", b"id: 1", b"nonsense"]
        ),
        st.text("a: \x00\x85\u2028\ufeffé你🙂").map(lambda text: b"data: " + text.encode()),
    ),
    max_size=20,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return bom + b"".join(line + draw(ENDS) for line in draw(LINES))


@st.composite
def draw_chunks(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> list[bytes]:
    body = draw(bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@given(draw_chunks(streams()))
def test_any_split_of_any_stream_gives_the_same_events(chunks: list[bytes]) -> None:
    decoder = SSEDecoder()

    events = [event for chunk in chunks for event in feed(decoder, chunk)]

    assert events == decode(b"".join(chunks))


@given(streams())
def test_the_end_of_the_lines_does_not_matter(body: bytes) -> None:
    lf = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    assert decode(body) == decode(lf)
    assert decode(lf.replace(b"\n", b"\r\n")) == decode(lf)


@given(draw_chunks(st.binary(max_size=200)))
def test_random_bytes_give_nothing_worse_than_a_protocol_error(chunks: list[bytes]) -> None:
    decoder = SSEDecoder(max_event_size=100)

    try:
        events = [event for chunk in chunks for event in feed(decoder, chunk)]
    except ProtocolError:
        return

    assert all(type(data) is bytes for _, data in events)


def test_bytes_whose_events_were_taken_are_not_kept() -> None:
    decoder, chunk = SSEDecoder(), b"data: " + b"a" * 1000 + b"\n\n"
    others = sys.getrefcount(chunk)
    assert len(list(feed(decoder, chunk))) == 1
    assert sys.getrefcount(chunk) == others
