"""Thoughts that an app marks are thinking in LlamaIndex, and no part of the text."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock
from llama_index.core.chat_engine import SimpleChatEngine

from llama_index_qwen_space import QwenSpace
from llama_index_qwen_space.responses import Piece, chat_response, completion_response
from tests.llama_index.conformance.agents import memory, quiet
from tests.llama_index.conformance.calls import ask
from tests.thinking_app import WAYS, asked

PROMPT = asked(
    ("think", "hm"), ("think", " so"), ("title", "Thought"), ("say", "The"), ("say", " answer")
)
PLAIN = asked(("say", "The"), ("say", " answer"))
BLOCKS = [ThinkingBlock(content="hm so"), TextBlock(text="The answer")]
DELTAS = [("", "hm"), ("", " so"), ("The", None), (" answer", None), ("", None)]


@pytest.fixture(params=WAYS)
def thinker(request: pytest.FixtureRequest, thinking_space: str) -> QwenSpace:
    return QwenSpace(space=thinking_space, endpoint=request.param)


def deltas(chunks: list[Any]) -> list[tuple[str | None, str | None]]:
    return [(chunk.delta, chunk.additional_kwargs.get("thinking_delta")) for chunk in chunks]


@pytest.mark.parametrize("endpoint", ["chat", "achat", "stream_chat", "astream_chat"])
async def test_a_chat_s_message_has_the_thoughts_before_the_text(
    thinker: QwenSpace, endpoint: str
) -> None:
    *chunks, last = await ask(thinker, endpoint, PROMPT)

    assert last.message.blocks == BLOCKS
    assert last.message.content == "The answer"
    if "stream" in endpoint:
        assert deltas([*chunks, last]) == DELTAS


@pytest.mark.parametrize(
    "endpoint", ["complete", "acomplete", "stream_complete", "astream_complete"]
)
async def test_a_completion_has_the_thoughts_beside_its_text(
    thinker: QwenSpace, endpoint: str
) -> None:
    *chunks, last = await ask(thinker, endpoint, PROMPT)

    assert last.text == "The answer"
    assert last.additional_kwargs == {"thinking": "hm so"}
    if "stream" in endpoint:
        assert deltas([*chunks, last]) == DELTAS


@pytest.mark.parametrize("endpoint", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_without_thoughts_nothing_is_said_of_them(thinker: QwenSpace, endpoint: str) -> None:
    for response in await ask(thinker, endpoint, PLAIN):
        assert response.additional_kwargs == {}
        if "chat" in endpoint:
            assert [type(block) for block in response.message.blocks] == [TextBlock]


def test_a_thought_alone_has_an_empty_text() -> None:
    piece = Piece("", "", None, "hm", "hm")

    assert chat_response(piece).message.content == ""
    assert completion_response(piece).text == ""


@quiet
async def test_an_agent_s_stream_has_the_thinking_deltas(thinking_space: str) -> None:
    llm = QwenSpace(space=thinking_space, endpoint="titles")
    prompt = asked(("think", "hm"), ("say", "Thought: done\nAnswer: 4"))
    handler = ReActAgent(llm=llm, tools=[]).run(prompt, memory=memory())

    events = [event async for event in handler.stream_events()]

    assert "4" in str(await handler)
    streamed = [each for each in events if isinstance(each, AgentStream)]
    assert [each.thinking_delta for each in streamed if each.thinking_delta] == ["hm"]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_chat_engine_remembers_the_answer_and_sends_no_thoughts(
    thinking_space: str, space: Any, streaming: bool
) -> None:
    thinker = QwenSpace(space=thinking_space, endpoint="tags")
    engine = SimpleChatEngine.from_defaults(llm=thinker, memory=memory())

    answer = engine.stream_chat(PROMPT) if streaming else engine.chat(PROMPT)
    said = "".join(answer.response_gen) if streaming else str(answer)
    QwenSpace(space=space.url).chat([*engine.chat_history, ChatMessage("And?")])

    assert said == "The answer"
    assert engine.chat_history[-1].content == "The answer"
    assert space.transcript(0).endswith("Assistant: The answer\nUser: And?\nAssistant:")
