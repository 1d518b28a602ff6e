"""The client against a real Gradio app."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import threading
from typing import Any

import aiohttp
import pytest

from qwen_space import (
    Completed,
    Event,
    JobError,
    Queued,
    Rewritten,
    SpaceClient,
    Started,
    TextDelta,
)
from tests.core.client.events import collect_events, deltas

MEGABYTES = "0123456789abcdef" * (3 * 2**16)


# The pieces that the app yields, and the deltas where they are not just those: Gradio holds back
# the line ends at the end of a text until the next line has something in it.
REPLIES = [
    pytest.param(["Hello", " ", "there", "."], None, id="words"),
    pytest.param(["a"] * 20, None, id="repeated"),
    pytest.param(["ha", "ha", "ha ", "ha ", "ha"], None, id="repeated-words"),
    pytest.param(["[0, 1]", "[0, 1]", "[1]"], None, id="like-paths"),
    pytest.param(
        ['["append", [0], "x"]', '["append", [0, 1, "text"], "y"]', "[[]]"], None, id="like-edits"
    ),
    pytest.param(['{"msg":"close_stream"}', "data: x\n\ndata: y"], None, id="like-messages"),
    pytest.param(["🙂", "🙂", "a🙂"], None, id="emoji"),
    pytest.param(["👩", "\u200d", "👩", "\u200d👧", "🏽", "e", "\u0301"], None, id="combined"),
    pytest.param(["你", "好", "。世", "界"], None, id="chinese"),
    pytest.param(["a\u2028b", "\u2029", "c\x85d", "\x0b", "e\x7f"], None, id="line-separators"),
    pytest.param(["a", "", "", "b", ""], ["a", "b"], id="empty-pieces"),
    pytest.param(["a", "\n", "\n", "b", "\n\n\n", "c"], ["a", "\n\nb", "\n\n\nc"], id="newlines"),
    pytest.param(["a", " ", "  ", "b", " c"], None, id="spaces"),
    pytest.param(["<b>", "&amp;", "</b>", "\\", '"', "'", "\x00"], None, id="escapes"),
    pytest.param(["```\n", "x = 1\n", "```"], ["```", "\nx = 1", "\n```"], id="code"),
    pytest.param(["the only one"], None, id="one"),
    pytest.param([], [], id="none"),
]


@pytest.mark.parametrize(("pieces", "expected"), REPLIES)
async def test_each_piece_is_one_delta_to_the_letter(
    space: Any, pieces: list[str], expected: list[str] | None
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert deltas(events) == (pieces if expected is None else expected)
    assert not any(isinstance(event, Rewritten) for event in events)
    assert isinstance(events[-1], Completed)
    assert events[-1].text == "".join(pieces)


async def test_a_piece_is_there_before_the_next_is_made(space: Any) -> None:
    pieces = space.engine.reply = ["one ", "two ", "two ", "[1]"]
    space.engine.gate = threading.Semaphore(0)
    got: list[str] = []

    async with SpaceClient(space.url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, Started):
                space.engine.gate.release()
            elif isinstance(event, TextDelta):
                got.append(event.delta)
                assert event.text == "".join(pieces[: len(got)])
                space.engine.gate.release()

    assert got == pieces


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1. **A**:\n   - a1\n   - a2\n2. **B**:\n   - b1\n", id="nested-list"),
        pytest.param("a\n\tb\n\tc\nd\te", id="tabs"),
        pytest.param("\n\n  a\n    b\n", id="blank-start"),
        pytest.param("def f():\n    return 1\n\n\nf()\n", id="code"),
    ],
)
async def test_only_white_space_may_change_that_gradio_cleans(space: Any, text: str) -> None:
    space.engine.reply = re.findall(r"\S+|\s", text)

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert not any(isinstance(event, Rewritten) for event in events)
    assert "".join("".join(deltas(events)).split()) == "".join(text.split())
    assert isinstance(events[-1], Completed)
    assert events[-1].text.split() == text.split()


async def test_events_come_in_their_order(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    kinds = [type(event) for event in events]
    assert kinds == [Queued, Started, TextDelta, TextDelta, TextDelta, TextDelta, Completed]
    done = events[-1]
    assert isinstance(done, Completed)
    assert done.finish_reason == "stop"
    assert done.model == "72B"
    assert done.duration > 0
    assert re.fullmatch(r"[0-9a-f]{32}", done.event_id or "")


async def test_a_long_reply_is_to_the_letter(space: Any) -> None:
    pieces = space.engine.reply = [f"{number:06} words, " for number in range(300)] + [
        "x" * 300_000
    ]

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert deltas(events) == pieces


@pytest.mark.parametrize("long", ["prompt", "system"])
async def test_lines_of_megabytes_are_read(space: Any, long: str) -> None:
    texts = {"prompt": "Hi", "system": "Be brief.", long: MEGABYTES}

    async with SpaceClient(space.url) as client:
        done = await client.complete(texts["prompt"], system=texts["system"])

    assert done.text == "Hello there."
    assert [each["content"] for each in space.engine.requests[0]] == [
        texts["system"],
        texts["prompt"],
    ]


# Failures of the app


@pytest.mark.parametrize("pieces", [[], ["one "], ["one ", "two "]])
async def test_a_failure_of_the_app_is_an_error_with_the_text_so_far(
    space: Any, pieces: list[str]
) -> None:
    space.engine.reply = [*pieces, ValueError("planned")]
    got: list[Event] = []

    async def read(client: SpaceClient) -> None:
        async with client.stream("Hi") as events:
            async for event in events:
                got.append(event)  # noqa: PERF401 - a comprehension would lose them

    async with SpaceClient(space.url) as client:
        with pytest.raises(JobError, match="planned") as caught:
            await read(client)

    assert deltas(got) == pieces
    assert caught.value.text == "".join(pieces)
    assert caught.value.reason == "ValueError: planned"


async def test_a_client_goes_on_after_a_failure(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        space.engine.reply = [ValueError("planned")]
        with pytest.raises(JobError):
            await client.complete("Hi")
        space.engine.reply = ["better"]
        done = await client.complete("Hi")

    assert done.text == "better"


# Many at once, and sessions


async def test_twenty_streams_at_once_each_get_their_own_reply(space: Any) -> None:
    space.engine.reply = lambda messages: [f"{messages[-1]['content']}:{i} " for i in range(20)]

    async with SpaceClient(space.url) as client:
        replies = await asyncio.gather(*(client.complete(f"p{number}") for number in range(20)))

    assert [reply.text for reply in replies] == [
        "".join(f"p{number}:{i} " for i in range(20)) for number in range(20)
    ]
    assert len({join["session_hash"] for join in space.joins}) == 20


async def test_a_session_of_the_caller_s_is_used_and_left_open(space: Any) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        async with SpaceClient(space.url, session=session) as client:
            await client.complete("Hi")

        assert not session.closed
        assert [headers["x-mine"] for headers in space.headers] == ["yes"] * 3


async def test_a_client_s_own_session_is_closed(
    space: Any, recwarn: pytest.WarningsRecorder
) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")
        session = client._transport._session
        assert session is not None

    del client
    gc.collect()
    assert session.closed
    assert not [each for each in recwarn if each.category is ResourceWarning]


async def test_a_closed_client_opens_again(space: Any) -> None:
    client = SpaceClient(space.url)
    await client.complete("Hi")
    await client.close()

    done = await client.complete("Hi")
    await client.close()
    await client.close()

    assert done.text == "Hello there."


async def test_nothing_connects_before_the_first_call(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        client.stream("Hi")
        assert client._transport._session is None

    assert space.paths == []


async def test_no_secret_is_logged(space: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "qwen_space")

    async with SpaceClient(space.url, hf_token="hf_secret") as client:
        await client.complete("Hi")

    assert [record.name for record in caplog.records if record.name.startswith("qwen_space")]
    assert "hf_secret" not in caplog.text
