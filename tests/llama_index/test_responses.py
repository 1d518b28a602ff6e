from __future__ import annotations

import pickle

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock

from llama_index_qwen_space.responses import Piece, PieceBuilder, chat_response
from qwen_space.chat_model.reply import CallEvent, ChatReply
from qwen_space.events import Queued, Rewritten, Started, TextDelta, ThinkingDelta
from qwen_space.tokens import Usage
from qwen_space.tools import InvalidCall, ToolCall


@pytest.mark.parametrize("delta", ["there", None])
def test_a_text_response_equals_llama_index_s_own(delta: str | None) -> None:
    made = chat_response(Piece("Hello there", delta))

    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Hello there")])
    checked = ChatResponse(message=message, delta=delta, raw=None, additional_kwargs={})
    assert made == checked
    assert repr(made) == repr(checked)
    assert made.model_dump() == checked.model_dump()
    assert made.model_fields_set == checked.model_fields_set
    assert made.message.model_fields_set == checked.message.model_fields_set
    assert made.message.blocks[0].model_fields_set == {"text"}
    assert pickle.loads(pickle.dumps(made)) == checked


def test_no_response_shares_anything_with_another() -> None:
    one, other = chat_response(Piece("one", "one")), chat_response(Piece("other", "other"))

    one.additional_kwargs["x"] = one.message.additional_kwargs["x"] = 1
    one.message.content = "changed"
    one.message.blocks.append(TextBlock(text="more"))
    one.raw = {}

    assert other == chat_response(Piece("other", "other"))
    assert other.message.content == "other"


# Events to pieces

CALL = ToolCall("add", {"a": 2}, "id", 0, '{"a": 2}')
USAGE = Usage(3, 2, "estimate")
RAW = {
    "model": "72B",
    "event_id": "e1",
    "finish_reason": "stop",
    "duration": 1.0,
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "source": "estimate",
    },
}


def whole(text: str, *calls: ToolCall, thinking: str = "", problem: str = "") -> ChatReply:
    parts = (text, *calls) if text else calls
    return ChatReply(
        text, thinking, parts, "stop", 1.0, USAGE, event_id="e1", model="72B", problem=problem
    )


EVENTS = [
    pytest.param(
        [Queued(1, 2, 3.0), Started(None), TextDelta("a"), TextDelta("b"), whole("ab")],
        [Piece("a", "a"), Piece("ab", "b"), Piece("ab", "", RAW)],
        id="deltas",
    ),
    pytest.param([whole("")], [Piece("", "", RAW)], id="empty"),
    pytest.param(
        [TextDelta("ab"), Rewritten("Ax"), TextDelta("c"), whole("Axc")],
        [Piece("ab", "ab"), Piece("Ax", ""), Piece("Axc", "c"), Piece("Axc", "", RAW)],
        id="rewritten",
    ),
    pytest.param(
        [TextDelta("a\nb"), whole("a\n  b")],
        [Piece("a\nb", "a\nb"), Piece("a\n  b", "", RAW)],
        id="white-space-put-back",
    ),
    pytest.param(
        [ThinkingDelta("hm"), ThinkingDelta("!"), TextDelta("a"), whole("a", thinking="hm!")],
        [
            Piece("", "", None, "hm", "hm"),
            Piece("", "", None, "hm!", "!"),
            Piece("a", "a", None, "hm!"),
            Piece("a", "", RAW, "hm!"),
        ],
        id="thoughts-first",
    ),
    pytest.param(
        [ThinkingDelta("hm"), TextDelta("a"), whole("a", thinking="so")],
        [
            Piece("", "", None, "hm", "hm"),
            Piece("a", "a", None, "hm"),
            Piece("a", "", RAW, "so"),
        ],
        id="thoughts-changed",
    ),
    pytest.param(
        [TextDelta("I add."), CALL, whole("I add.", CALL)],
        [
            Piece("I add.", "I add."),
            Piece("I add.", "", calls=(CALL,)),
            Piece("I add.", "", RAW, calls=(CALL,)),
        ],
        id="text-and-a-call",
    ),
    pytest.param(
        [TextDelta("I add."), InvalidCall("{", "it is cut off"), whole("I add.", problem="No.")],
        [Piece("I add.", "I add."), Piece("I add.\nNo.", "\nNo.", RAW)],
        id="a-problem-is-told",
    ),
]


@pytest.mark.parametrize(("events", "pieces"), EVENTS)
def test_events_become_pieces(events: list[CallEvent], pieces: list[Piece]) -> None:
    builder = PieceBuilder()

    assert [piece for event in events if (piece := builder.add(event))] == pieces
