"""An app's thoughts, as the client streams them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from qwen_space import (
    Completed,
    Rewritten,
    SpaceClient,
    StreamInterruptedError,
    TextDelta,
    ThinkingDelta,
    Timeouts,
)
from tests.scripted_server import Exchange, ScriptedServer, append, starts, streaming
from tests.thinking_app import WAYS, asked

USER = {"role": "user", "content": "u"}
THOUGHT, ANSWER = [1, "content"], [2, "content"]


def row(content: str, title: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": {"title": title}}


def generating(*edits: Any) -> dict[str, Any]:
    """Return a message with edits of the scripted server's chat."""
    message = append("")
    message["output"]["data"][1] = list(edits)
    return message


def thinks_first() -> dict[str, Any]:
    """Return a first message in which the app thinks, and says nothing yet."""
    message = append("")
    message["output"]["data"] = ["", [USER, row("STOP? ", title="T")], ""]
    return message


def finished(chat: list[Any]) -> dict[str, Any]:
    message = append("")
    message["output"]["data"] = ["", chat, ""]
    return {**message, "msg": "process_completed"}


async def test_stop_sequences_look_at_the_answer_only() -> None:
    server = ScriptedServer(
        data=streaming(
            starts(),
            thinks_first(),
            generating(["append", THOUGHT, "STOP!"]),
            generating(["add", [2], row("a ST")]),
            generating(["append", ANSWER, "OP b"]),
            then="hang",
        )
    )

    async with (
        server,
        SpaceClient(server.url) as client,
        client.stream("Hi", stop=["STOP"]) as events,
    ):
        *got, done = [event async for event in events]

    assert got[1:] == [
        ThinkingDelta("STOP? "),
        ThinkingDelta("STOP!", ["STOP? ", "STOP!"]),
        TextDelta("a "),
    ]
    assert isinstance(done, Completed)
    assert (done.text, done.thinking) == ("a ", "STOP? STOP!")
    assert done.finish_reason == "stop_sequence"


async def test_the_first_thought_ends_the_first_token_s_limit() -> None:
    async def slow_answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.send(starts())
        await exchange.send(thinks_first())
        for _ in range(15):
            await exchange.send({"msg": "heartbeat", "event_id": None})
            await asyncio.sleep(0.02)
        await exchange.send(finished([USER, row("STOP? ", title="T"), row("a")]))

    async with (
        ScriptedServer(data=slow_answer) as server,
        SpaceClient(server.url, timeouts=Timeouts(first_token=0.15)) as client,
    ):
        done = await client.complete("Hi")

    assert (done.text, done.thinking) == ("a", "STOP? ")


async def test_a_stream_that_breaks_off_in_a_thought_has_no_text() -> None:
    async with (
        ScriptedServer(data=streaming(starts(), thinks_first())) as server,
        SpaceClient(server.url) as client,
    ):
        with pytest.raises(StreamInterruptedError) as caught:
            await client.complete("Hi")

    assert caught.value.text == ""


# A real app

STEPS_OF_AN_APP = [
    ("think", "hm"),
    ("think", " so"),
    ("title", "Thought for 1 s"),
    ("say", "The"),
    ("say", " answer"),
]


@pytest.mark.parametrize("way", WAYS)
async def test_an_app_s_thoughts_are_streamed_as_they_grow(thinking_space: str, way: str) -> None:
    async with (
        SpaceClient(thinking_space, endpoint=way) as client,
        client.stream(asked(*STEPS_OF_AN_APP)) as events,
    ):
        got = [event async for event in events]

    done = got[-1]
    assert [each for each in got if isinstance(each, ThinkingDelta | TextDelta)] == [
        ThinkingDelta("hm"),
        ThinkingDelta(" so", ["hm", " so"]),
        TextDelta("The"),
        TextDelta(" answer", ["The", " answer"]),
    ]
    assert isinstance(done, Completed)
    assert (done.text, done.thinking) == ("The answer", "hm so")


async def test_an_app_may_think_again_and_retitle_an_old_thought(thinking_space: str) -> None:
    steps = [*STEPS_OF_AN_APP[:3], ("think", "well"), ("say", "a"), ("think", "!"), ("say", "b")]

    async with (
        SpaceClient(thinking_space, endpoint="titles") as client,
        client.stream(asked(*steps)) as events,
    ):
        got = [event async for event in events]

    done = got[-1]
    assert isinstance(done, Completed)
    assert (done.thinking, done.text) == ("hm so\n\nwell\n\n!", "a\n\nb")
    assert not [each for each in got if isinstance(each, Rewritten)]
    for kind, whole in ((ThinkingDelta, done.thinking), (TextDelta, done.text)):
        assert "".join(each.delta for each in got if isinstance(each, kind)) == whole


async def test_tags_that_the_app_leaves_in_its_text_are_thoughts(thinking_space: str) -> None:
    async with (
        SpaceClient(thinking_space, endpoint="plain") as client,
        client.stream(asked(*STEPS_OF_AN_APP)) as events,
    ):
        got = [event async for event in events]

    assert (got[-1].thinking, got[-1].text) == ("hm so", "The answer")
    assert "".join(each.delta for each in got if isinstance(each, ThinkingDelta)) == "hm so"
    assert "".join(each.delta for each in got if isinstance(each, TextDelta)) == "The answer"


async def test_tags_are_text_where_no_thoughts_are_looked_for(thinking_space: str) -> None:
    async with SpaceClient(thinking_space, endpoint="plain", reasoning_tags=None) as client:
        done = await client.complete(asked(*STEPS_OF_AN_APP))

    assert done.thinking == ""
    assert done.text == "<think>hm so</think>The answer"


async def test_an_app_that_only_thinks_has_an_empty_answer(thinking_space: str) -> None:
    async with SpaceClient(thinking_space, endpoint="titles") as client:
        done = await client.complete(asked(("think", "hm")))

    assert (done.text, done.thinking) == ("", "hm")
