"""Thoughts that an app marks are reasoning in LangChain, and no part of the text."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_qwen_space import ChatQwenSpace
from qwen_space.events import Completed, ThinkingDelta
from tests.langchain.events import model_of
from tests.langchain.ways import every_way
from tests.thinking_app import WAYS, asked

PROMPT = asked(
    ("think", "hm"), ("think", " so"), ("title", "Thought"), ("say", "The"), ("say", " answer")
)
BLOCKS = [{"type": "reasoning", "reasoning": "hm so"}, {"type": "text", "text": "The answer"}]


def without_indices(blocks: list[Any]) -> list[Any]:
    return [{key: each[key] for key in each if key != "index"} for each in blocks]


@pytest.fixture(params=WAYS)
def model(request: pytest.FixtureRequest, thinking_space: str) -> ChatQwenSpace:
    return ChatQwenSpace(space=thinking_space, endpoint=request.param)


async def test_invoke_and_the_folded_streams_agree(model: ChatQwenSpace) -> None:
    for message in await every_way(model, PROMPT):
        assert message.content == message.text == "The answer"
        assert message.additional_kwargs == {"reasoning_content": "hm so"}
        assert message.content_blocks == BLOCKS
        assert "final_reasoning" not in message.response_metadata


async def test_version_one_s_content_is_reasoning_and_text(model: ChatQwenSpace) -> None:
    model = model.model_copy(update={"output_version": "v1"})

    for message in await every_way(model, PROMPT):
        assert isinstance(message.content, list)
        assert without_indices(message.content) == BLOCKS
        assert message.text == "The answer"


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_version_three_s_events_are_of_a_reasoning_block_and_a_text_block(
    model: ChatQwenSpace,
) -> None:
    stream = await model.astream_events(PROMPT, version="v3")

    events = [event async for event in stream]

    deltas = [event["delta"] for event in events if event["event"] == "content-block-delta"]
    assert deltas == [
        {"type": "reasoning-delta", "reasoning": "hm"},
        {"type": "reasoning-delta", "reasoning": " so"},
        {"type": "text-delta", "text": "The"},
        {"type": "text-delta", "text": " answer"},
    ]
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert without_indices(finished) == BLOCKS


async def test_each_piece_of_a_thought_is_a_chunk(model: ChatQwenSpace) -> None:
    chunks = [chunk async for chunk in model.astream(PROMPT)]

    thoughts = [chunk.additional_kwargs.get("reasoning_content") for chunk in chunks]
    assert thoughts == ["hm", " so", None, None, None]
    assert [chunk.content for chunk in chunks] == ["", "", "The", " answer", ""]


async def test_thoughts_count_towards_max_tokens(model: ChatQwenSpace) -> None:
    for most, thought, text in ((1, "hm", ""), (3, "hm so", "The")):
        for message in await every_way(model.model_copy(update={"max_tokens": most}), PROMPT):
            assert message.additional_kwargs == {"reasoning_content": thought}
            assert message.text == text
            assert message.response_metadata["finish_reason"] == "length"


def test_without_thoughts_nothing_is_said_of_them(model: ChatQwenSpace) -> None:
    prompt = asked(("say", "The"), ("say", " answer"))

    for message in [model.invoke(prompt), *model.stream(prompt)]:
        assert message.additional_kwargs == {}
        assert "final_reasoning" not in message.response_metadata


def test_thoughts_are_not_sent_back(thinking_space: str, space: Any) -> None:
    thinker = ChatQwenSpace(space=thinking_space, endpoint="titles", output_version="v1")
    answer = thinker.invoke(PROMPT)

    ChatQwenSpace(space=space.url).invoke([HumanMessage("Hi"), answer, HumanMessage("And?")])

    assert space.transcript(0) == "User: Hi\nAssistant: The answer\nUser: And?\nAssistant:"


def test_thoughts_that_the_app_changed_are_whole_in_the_metadata() -> None:
    events = [ThinkingDelta("hm"), Completed("", 1.0, thinking="so")]

    *_, last = model_of(events).stream("Hi")

    assert last.response_metadata["final_reasoning"] == "so"
