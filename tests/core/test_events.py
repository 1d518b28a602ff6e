from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import fastapi
import pydantic
import pytest
from fastapi.testclient import TestClient

from qwen_space.events import (
    Completed,
    Event,
    EventStream,
    Exits,
    FileReceived,
    Notice,
    Queued,
    ReplyComponent,
    ReplyFile,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)

EVENTS = [
    Queued(1, 2, 3.5),
    Queued(None, None, None),
    Started(None),
    TextDelta("b", ["a", "b"]),
    ThinkingDelta("b", ["a", "b"]),
    Rewritten("x"),
    Notice("line"),
    Notice("line", "warning", "Warning"),
    FileReceived(ReplyFile("https://x.example/a.png", "image")),
    ReplyComponent("json", "Figures", {"a": [1]}),
    ReplyComponent("json", "Figures", {"a": [2]}),
    Completed("x", 1.5, "e1", "stop_sequence", "72B"),
    Completed("x", 1.5, "e1", "stop_sequence", "72B", "hm"),
]


@pytest.mark.parametrize("event", EVENTS, ids=repr)
@pytest.mark.parametrize(
    "copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_an_event_is_equal_to_its_copy(event: Any, copied: Any) -> None:
    twin = copied(event)

    assert twin == event
    assert hash(twin) == hash(event)
    assert repr(twin) == repr(event)


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_is_equal_to_no_other(event: Any) -> None:
    assert [each for each in EVENTS if each == event] == [event]
    assert event != "x"


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_has_no_room_for_more(event: Any) -> None:
    with pytest.raises((AttributeError, TypeError)):
        event.more = 1


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta])
def test_a_delta_s_text_is_all_text_so_far_however_much_follows(kind: Any) -> None:
    pieces: list[str] = []
    deltas = []

    for piece in ["a", "b", "", "c"]:
        pieces.append(piece)
        deltas.append(kind(piece, pieces, len(pieces)))

    assert [delta.delta for delta in deltas] == ["a", "b", "", "c"]
    assert [delta.text for delta in deltas] == ["a", "ab", "ab", "abc"]


def test_a_delta_alone_is_its_text() -> None:
    assert TextDelta("a").text == "a"


def test_deltas_are_equal_by_their_text_whatever_its_pieces() -> None:
    assert TextDelta("b", ["a", "b"]) != TextDelta("b")
    assert TextDelta("c", ["a", "b", "c"]) == TextDelta("c", ["ab", "c"])


def test_a_pickled_delta_holds_no_later_text() -> None:
    pieces = ["a"]
    delta = TextDelta("a", pieces, 1)
    pieces.append("secret")

    assert b"secret" not in pickle.dumps(delta)


class Closing:
    """Notes in which order its parts are closed, and with which error."""

    def __init__(self) -> None:
        self.closed: list[tuple[str, BaseException | None]] = []

    def part(self, name: str, failure: Exception | None = None) -> Callable[..., Awaitable[None]]:
        async def close(_: Any, error: BaseException | None, __: Any) -> None:
            self.closed.append((name, error))
            if failure is not None:
                raise failure

        return close


async def test_a_connection_opened_while_reading_is_closed_on_leaving() -> None:
    parts = Closing()

    async def enter(exits: Exits) -> AsyncIterator[int]:
        async def events() -> AsyncGenerator[int, None]:
            exits.push(parts.part("reading"))
            yield 1

        exits.push(parts.part("entering"))
        return events()

    async with EventStream(enter) as events:
        assert await anext(events) == 1

    assert parts.closed == [("reading", None), ("entering", None)]


async def test_a_stream_that_cannot_be_entered_closes_its_connections() -> None:
    parts, error = Closing(), ValueError("no")

    async def enter(exits: Exits) -> AsyncIterator[int]:
        exits.push(parts.part("entering"))
        raise error

    with pytest.raises(ValueError, match="no"):
        async with EventStream(enter):
            pass

    assert parts.closed == [("entering", error)]


async def test_all_exits_are_taken_where_one_of_them_fails() -> None:
    parts, error, later = Closing(), ValueError("of the block"), OSError("of an exit")

    async def fail() -> None:
        async with Exits() as exits:
            exits.push(parts.part("first"))
            exits.push(parts.part("second", later))
            exits.push(parts.part("third"))
            raise error

    with pytest.raises(OSError, match="of an exit") as caught:
        await fail()

    assert parts.closed == [("third", error), ("second", error), ("first", later)]
    assert caught.value.__context__ is error


async def test_an_exit_that_was_taken_is_not_taken_again() -> None:
    parts = Closing()

    async with Exits() as exits:
        exits.push(parts.part("first"))
        await exits.leave()
        exits.push(parts.part("second"))

    assert parts.closed == [("first", None), ("second", None)]


FILE = ReplyFile("http://127.0.0.1:1/red.png", "image", "image/png", "red.png")
WHOLE = Completed("Hi", 1.5, "e1", thinking="hm", files=(FILE,))


class Kept(pydantic.BaseModel):
    completed: Completed
    event: Event


@pytest.mark.parametrize(
    "event",
    [
        *(WHOLE, TextDelta("Hi"), ThinkingDelta("Hi"), Rewritten("Hi", "i")),
        *(Queued(1, 2, None), FileReceived(FILE)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_a_field_of_a_pydantic_model(event: Event) -> None:
    kept = Kept(completed=WHOLE, event=event)

    assert kept.event is event
    assert Kept.model_validate_json(kept.model_dump_json()) == kept
    with pytest.raises(pydantic.ValidationError, match="Expected `str`, got `int`"):
        Kept(completed={"text": 1}, event=event)


def test_a_reply_is_an_answer_of_fastapi() -> None:
    app = fastapi.FastAPI()

    @app.get("/")
    async def answer() -> Completed:
        return WHOLE

    with TestClient(app) as client:
        reply = client.get("/").json()
        described = client.get("/openapi.json")

    assert reply["text"] == "Hi"
    assert reply["files"][0]["name"] == "red.png"
    assert described.status_code == 200
