"""However a model is called, the message is the same, for any reply and any cuts of it.

The Space here answers in this process, so that there can be many replies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from msgspec.structs import replace

from qwen_space.events import (
    Completed,
    Event,
    Queued,
    ReplyFile,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.tools import ToolCall, call_text
from tests.langchain.events import model_of

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

TYPES = {"x": {"type": "integer"}, "y": {"type": "array"}, "z": {"type": ["object", "null"]}}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"properties": types}}}
    for name, types in (("add", {}), ("look_up", TYPES))
]


def fold(chunks: list[AIMessageChunk]) -> AIMessage:
    message = message_chunk_to_message(chunks[0] + chunks[1:])
    assert isinstance(message, AIMessage)
    return message


async def every_way(events: Sequence[Event], **arguments: Any) -> dict[str, AIMessage]:
    """Return the messages of all ways to call a model, by their names."""
    model = model_of(events, **arguments).bind_tools(TOOLS)
    streaming = model_of(events, streaming=True, **arguments).bind_tools(TOOLS)
    third_sync = model_of(events, **arguments).stream_events("Hi", version="v3", tools=TOOLS)
    third = await model_of(events, **arguments).astream_events("Hi", version="v3", tools=TOOLS)
    return {
        "invoke": await asyncio.to_thread(model.invoke, "Hi"),
        "ainvoke": await model.ainvoke("Hi"),
        "stream": fold(await asyncio.to_thread(lambda: list(model.stream("Hi")))),
        "astream": fold([chunk async for chunk in model.astream("Hi")]),
        "streaming": await streaming.ainvoke("Hi"),
        "v3": await asyncio.to_thread(lambda: third_sync.output),
        "async-v3": await third.output,
    }


def seen(message: AIMessage) -> dict[str, Any]:
    """Return the parts that have to be the same: all but ids, and those that langchain-core drops.

    A folded stream has no room for an invalid call's fault. It is in the metadata.
    """
    metadata = {
        key: value
        for key, value in message.response_metadata.items()
        if key not in {"output_version", "queue"}
    }
    return {
        "text": message.text,
        "tool_calls": [(call["name"], call["args"]) for call in message.tool_calls],
        "invalid": [(call["name"], call["args"]) for call in message.invalid_tool_calls],
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "usage": message.usage_metadata,
        "metadata": metadata,
    }


def blocks(message: AIMessage) -> list[dict[str, Any]]:
    """Return content as blocks, without the marks of one call of the model."""
    return [
        {key: block[key] for key in block if key not in {"index", "id", "error"}}
        for block in message.content_blocks
    ]


# Replies


words = st.text(st.characters(codec="utf-8", exclude_characters="<`{["), max_size=12)
near_tags = st.sampled_from(["<", "</", "<tool", "<tool_call", "</tool_call", "\n", "{", "[1]"])
texts = st.lists(words | near_tags, max_size=4).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
arguments = st.dictionaries(st.text("xyz_", min_size=1, max_size=4), values, max_size=3)
calls = st.fixed_dictionaries(
    {"name": st.sampled_from(["add", "look_up", "unknown"]), "arguments": arguments}
)
valid = calls.map(lambda call: call_text(ToolCall(**call)))
several = st.lists(calls, min_size=1, max_size=3).map(
    lambda listed: f"<tool_call>\n{json.dumps(listed)}\n</tool_call>"
)
invalid = st.sampled_from(
    [
        '<tool_call>\n{"name": "add"}\n</tool_call>',
        '<tool_call>\n{"arguments": {"a": 1}}\n</tool_call>',
        '<tool_call>\n[{"name": "add", "arguments": {}}, 1]\n</tool_call>',
        "<tool_call>\nadd(1, 2)\n</tool_call>",
        '<tool_call>\n{"name": "add", "arguments": {"a": 1\n</tool_call>',
        '<tool_call>\n{"name": "add", "arguments": {"a": "/tmp',
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}',
        "<tool_call>",
    ]
)
bare = arguments.map(lambda held: json.dumps({"name": "add", "arguments": held}))


@st.composite
def replies(draw: Any) -> str:
    """Texts with zero to three calls between them; or calls without tags."""
    if draw(st.integers(0, 5)) == 0:
        return str(draw(bare))
    parts = [draw(texts)]
    for _ in range(draw(st.integers(0, 3))):
        parts += [draw(valid | several | invalid), draw(texts)]
    return "".join(parts)


@st.composite
def streams(draw: Any) -> list[Event]:
    """The events of a reply that is cut anywhere."""
    reply, thinking = draw(replies()), draw(st.sampled_from(["", "hm"]))
    files = draw(st.sampled_from([(), (), (), (PICTURE,), (PICTURE, PICTURE)]))
    places = draw(st.lists(st.integers(0, len(reply)), max_size=8, unique=True))
    cuts = [0, *sorted(places), len(reply)]
    if draw(st.booleans()):
        cuts = list(range(len(reply) + 1))
    pieces = [reply[a:b] for a, b in pairwise(cuts) if a < b]
    events = events_of(pieces, thinking, files)
    for place in draw(st.sampled_from([(), (), (2,), (-1,), (3, 4)])):
        events = with_thought(events, place)
    return events


def events_of(
    pieces: Sequence[str], thinking: str = "", files: tuple[ReplyFile, ...] = ()
) -> list[Event]:
    thought: list[Event] = [ThinkingDelta(thinking)] if thinking else []
    return [
        Queued(0, 1, None),
        Started(None),
        *thought,
        *map(TextDelta, pieces),
        Completed("".join(pieces), 1.5, "e1", model="72B", thinking=thinking, files=files),
    ]


def with_thought(events: list[Event], place: int) -> list[Event]:
    """Return the events of a reply with a further thought, as of an agent between its steps."""
    events = [*events[:place], ThinkingDelta("so"), *events[place:]]
    *others, completed = sorted(events, key=lambda event: isinstance(event, Completed))
    thoughts = [event.delta for event in others if isinstance(event, ThinkingDelta)]
    return [*others, replace(completed, thinking="".join(thoughts))]


PICTURE = ReplyFile("http://127.0.0.1:1/red.png", "image", "image/png", "red.png")
CALL = call_text(ToolCall("add", {"a": 1}))
ADD = '{"name": "add", "arguments": {"a": 1}}'
LIST = f"<tool_call>\n[{ADD}, {ADD}]\n</tool_call>"
LINES = '<tool_call>\n{"name": "add", "arguments": {"a": "one\ntwo\tthree"}}\n</tool_call>'

TYPED = '<tool_call>\n{"name": "look_up", "arguments": {"x": null, "y": "[1]"}}\n</tool_call>'


@settings(max_examples=settings.default.max_examples // 3)
@given(streams())
@example(events_of(["one ", CALL, "\ntwo ", CALL, "\nthree"]))
@example(events_of(["one ", '<tool_call>\n{"name": "add", "arguments": {"a": "/tmp']))
@example(events_of([LINES]))
@example(events_of(list(TYPED)))
@example(events_of(["one ", *LIST, "\ntwo"]))
@example(events_of([], "", (PICTURE,)))
@example(events_of([], "hm", (PICTURE,)))
@example(events_of([CALL], "", (PICTURE,)))
def test_each_way_of_calling_gives_the_same_message(events: list[Event]) -> None:
    messages = asyncio.run(every_way(events))

    expected = seen(messages["invoke"])
    for way, message in messages.items():
        assert seen(message) == expected, way
    for way in ("ainvoke", "stream", "astream", "streaming"):
        assert messages[way].content == messages["invoke"].content, way


@settings(max_examples=settings.default.max_examples // 4)
@given(streams())
@example(events_of(["one ", CALL, "\ntwo ", CALL, "\nthree"]))
@example(events_of(["one ", '<tool_call>\n{"name": "add", "arguments": {"a": "/tmp']))
@example(events_of([CALL, "\none"], "hm"))
@example(events_of(["one ", "<tool_call>\nadd(1)\n</tool_call>"], "hm"))
@example(events_of([], "hm", (PICTURE,)))
@example(events_of(["\r"], "hm"))
@example(with_thought(events_of(["one ", "two"], "hm"), 4))
@example(with_thought(events_of(["one"]), -1))
def test_version_one_gives_the_same_blocks_each_way(events: list[Event]) -> None:
    messages = asyncio.run(every_way(events, output_version="v1"))

    expected = seen(messages["invoke"]), blocks(messages["invoke"])
    for way in ("ainvoke", "stream", "astream", "streaming"):
        assert (seen(messages[way]), blocks(messages[way])) == expected, way
    for way in ("v3", "async-v3"):
        assert seen(messages[way]) == expected[0], way


def test_blocks_keep_the_order_of_the_reply() -> None:
    events = events_of(["one ", CALL, "\ntwo ", "<tool_call>\nadd(1)\n</tool_call>", "three"])

    message = model_of(events, output_version="v1").bind_tools(TOOLS).invoke("Hi")

    assert [block["type"] for block in message.content] == [
        "text",
        "tool_call",
        "text",
        "invalid_tool_call",
        "text",
    ]
    assert message.text == "one two three"


# Where the app takes back a text that it had shown


def rewritten(shown: str, reply: str) -> list[Event]:
    """The events of an app that shows something first, and then the reply in its place."""
    half = len(reply) // 2
    return [
        TextDelta(shown),
        Rewritten(reply[:half], reply[:half]),
        TextDelta(reply[half:]),
        Completed(reply, 1.5, "e1", model="72B"),
    ]


def test_a_picture_alone_is_a_block_alone() -> None:
    answer = model_of(events_of([], "", (PICTURE,))).invoke("Draw.")

    assert [block["type"] for block in answer.content] == ["image"]


async def test_a_picture_in_place_of_a_placeholder_and_of_thoughts_is_alone() -> None:
    events = [
        ThinkingDelta("hm"),
        TextDelta("Drawing..."),
        Rewritten("", ""),
        Completed("", 1.5, "e1", model="72B", files=(PICTURE,)),
    ]

    messages = await every_way(events)

    for way in ("invoke", "streaming"):
        assert [block["type"] for block in messages[way].content_blocks] == ["image"], way


REWRITTEN = [
    pytest.param("Thinking...", "The answer.", id="text"),
    pytest.param("Thinking...", f"I ask. {CALL}", id="call"),
    pytest.param("Thinking...", json.dumps({"name": "add", "arguments": {"a": 1}}), id="bare"),
    pytest.param("I ask you, ", f"I ask. {CALL}", id="same-beginning"),
    pytest.param(f"I ask. {CALL}", f"I ask. {CALL} Now.", id="all-but-the-end"),
    pytest.param(CALL, "No call after all.", id="call-taken-back"),
    pytest.param(CALL, CALL.replace("1", "2"), id="another-call"),
]


@pytest.mark.parametrize(("shown", "reply"), REWRITTEN)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_invoke_gives_the_final_message_of_an_app_that_rewrites(
    shown: str, reply: str, version: str
) -> None:
    messages = await every_way(rewritten(shown, reply), output_version=version)

    assert seen(messages["streaming"]) == seen(messages["invoke"])
    assert blocks(messages["streaming"]) == blocks(messages["invoke"])


@pytest.mark.parametrize(("shown", "reply"), REWRITTEN)
async def test_a_streams_metadata_hold_the_final_text_and_calls(shown: str, reply: str) -> None:
    messages = await every_way(rewritten(shown, reply))

    for way in ("stream", "astream", "v3", "async-v3"):
        message = messages[way]
        metadata = message.response_metadata
        assert metadata.get("final_text", message.text) == messages["invoke"].text, way
        calls = metadata.get("final_tool_calls", message.tool_calls)
        assert [(call["name"], call["args"]) for call in calls] == [
            (call["name"], call["args"]) for call in messages["invoke"].tool_calls
        ], way
        assert len(message.tool_calls) <= 1


async def test_half_streamed_arguments_that_the_app_takes_back_are_put_right() -> None:
    half = CALL[:-20]
    events = [TextDelta(half), *rewritten("", CALL.replace("1", "2"))[1:]]
    model = model_of(events).bind_tools(TOOLS, stream_arguments=True)
    streaming = model_of(events, streaming=True).bind_tools(TOOLS, stream_arguments=True)

    streamed = fold([chunk async for chunk in model.astream("Hi")])
    invoked = await streaming.ainvoke("Hi")

    final = streamed.response_metadata["final_tool_calls"]
    assert [call["args"] for call in final] == [{"a": 2}]
    assert [call["args"] for call in invoked.tool_calls] == [{"a": 2}]


async def test_streamed_arguments_that_are_read_by_the_schema_are_put_right() -> None:
    model = model_of(events_of(list(TYPED))).bind_tools(TOOLS, stream_arguments=True)

    streamed = fold([chunk async for chunk in model.astream("Hi")])
    invoked = await model.ainvoke("Hi")

    assert [call["args"] for call in streamed.tool_calls] == [{"x": None, "y": "[1]"}]
    final = streamed.response_metadata["final_tool_calls"]
    assert [call["args"] for call in (*final, *invoked.tool_calls)] == [{"y": [1]}] * 2


def test_a_text_that_keeps_its_beginning_is_not_sent_twice() -> None:
    events = rewritten("I ask you, ", f"I ask. {CALL}")

    chunks = list(model_of(events).bind_tools(TOOLS).stream("Hi"))

    assert "".join(chunk.text for chunk in chunks) == "I ask you, . "
