"""Tokens: counted offline and told once; a chat with too many of them is not sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core import exceptions as langchain
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)

from langchain_qwen_space import ChatQwenSpace
from qwen_space import ContextOverflowError, tokens
from qwen_space.tokens.tokenizer import load_tokenizer
from tests.langchain.ways import fold

if TYPE_CHECKING:
    from conftest import ScriptedSpace


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_texts_are_counted_with_qwens_vocabulary() -> None:
    model = ChatQwenSpace()

    assert model.get_num_tokens("Hello, 你好") == 4
    assert model.get_token_ids("Hello") == [9707]


def test_messages_are_counted_as_qwens_template_renders_them() -> None:
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("Hi"),
        AIMessage("Yo"),
        HumanMessage("So?"),
    ]
    rendered = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nYo<|im_end|>\n<|im_start|>user\nSo?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    tokenizer = load_tokenizer()
    assert tokenizer is not None

    counted = ChatQwenSpace(history="native").get_num_tokens_from_messages(messages)

    assert counted == len(tokenizer.encode(rendered, controls=True))


def test_tools_count() -> None:
    model = ChatQwenSpace()
    messages = [HumanMessage("What is 2 + 3?")]

    with_tools = model.get_num_tokens_from_messages(messages, tools=[add])

    assert with_tools - model.get_num_tokens_from_messages(messages) > 100


def test_calls_and_results_count() -> None:
    call = {"name": "add", "args": {"a": 2, "b": 3}, "id": "1"}
    model = ChatQwenSpace()
    chat = [HumanMessage("What is 2 + 3?")]

    counts = [
        model.get_num_tokens_from_messages([*chat, *more])
        for more in (
            [],
            [AIMessage("", tool_calls=[call])],
            [AIMessage("", tool_calls=[call]), ToolMessage("5", tool_call_id="1")],
        )
    ]

    assert counts == sorted(set(counts))


def test_a_counter_of_ones_own_is_used() -> None:
    model = ChatQwenSpace(custom_get_token_ids=lambda text: list(range(len(text))))

    assert model.get_num_tokens("abc") == 3
    assert model.get_num_tokens_from_messages([SystemMessage("ab"), HumanMessage("cde")]) == 5


def test_messages_are_trimmed_offline() -> None:
    model = ChatQwenSpace()
    messages = [
        SystemMessage("Be brief."),
        *(
            message
            for number in range(20)
            for message in (HumanMessage(f"Question {number}"), AIMessage(f"Answer {number}"))
        ),
    ]
    most = model.get_num_tokens_from_messages(messages) // 2

    kept = trim_messages(
        messages, max_tokens=most, token_counter=model, include_system=True, start_on="human"
    )

    assert kept[0] == messages[0]
    assert 4 < len(kept) < len(messages)
    assert kept[1:] == messages[-len(kept) + 1 :]
    assert model.get_num_tokens_from_messages(kept) <= most


@pytest.mark.parametrize("strategy", ["first", "last"])
@pytest.mark.parametrize("allow_partial", [False, True])
def test_trimming_keeps_no_message_where_none_fits(strategy: Any, allow_partial: bool) -> None:
    model = ChatQwenSpace()
    messages = [HumanMessage("one two three"), AIMessage("four"), HumanMessage("five")]

    kept = trim_messages(
        messages, max_tokens=1, token_counter=model, strategy=strategy, allow_partial=allow_partial
    )

    assert kept == []
    assert model.get_num_tokens_from_messages(kept) == 0


# Usage


async def test_usage_is_told_once_and_its_source_named(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url)
    messages = [HumanMessage("Hi")]
    read = model.get_num_tokens_from_messages(messages)

    chunks = [chunk async for chunk in model.astream(messages)]
    others = [
        await model.ainvoke(messages),
        await asyncio.to_thread(model.invoke, messages),
        await asyncio.to_thread(lambda: fold(list(model.stream(messages)))),
    ]

    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * 4 + [True]
    for message in [fold(chunks), *others]:
        assert message.usage_metadata == {
            "input_tokens": read,
            "output_tokens": tokens.count("Hello there."),
            "total_tokens": read + tokens.count("Hello there."),
        }
        assert message.response_metadata["usage_source"] == "qwen.tiktoken"


def test_a_reply_that_was_asked_for_again_counts_too(space: ScriptedSpace) -> None:
    space.engine.reply = ["No."]
    model = ChatQwenSpace(space=space.url)

    once = model.bind_tools([add], tool_choice="any", reask=False).invoke("What is 2 + 3?")
    twice = model.bind_tools([add], tool_choice="any").invoke("What is 2 + 3?")

    assert once.usage_metadata is not None
    assert twice.usage_metadata is not None
    assert twice.usage_metadata["output_tokens"] == 2 * once.usage_metadata["output_tokens"]
    assert twice.usage_metadata["input_tokens"] > 2 * once.usage_metadata["input_tokens"]
    assert (once.response_metadata.get("asked_again"), twice.response_metadata["asked_again"]) == (
        None,
        True,
    )


# Too long


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"model": "0.5B"}, id="known-model"),
        pytest.param({"profile": {"max_input_tokens": 30_000}}, id="profile"),
    ],
)
async def test_a_chat_that_is_too_long_is_refused_before_it_is_sent(
    space: ScriptedSpace, way: str, arguments: dict[str, Any]
) -> None:
    model = ChatQwenSpace(space=space.url, **arguments)
    text = "one two three " * 15_000

    async def call() -> Any:
        match way:
            case "invoke":
                return await asyncio.to_thread(model.invoke, text)
            case "ainvoke":
                return await model.ainvoke(text)
            case "stream":
                return await asyncio.to_thread(lambda: list(model.stream(text)))
            case _:
                return [chunk async for chunk in model.astream(text)]

    with pytest.raises(langchain.ContextOverflowError, match="tokens") as caught:
        await call()

    assert isinstance(caught.value, ContextOverflowError)
    assert space.joins == []


def test_where_no_limit_is_known_all_is_sent(space: ScriptedSpace) -> None:
    ChatQwenSpace(space=space.url).invoke("one two three " * 15_000)

    assert len(space.joins) == 1


def test_the_model_of_a_call_has_its_own_limit(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, model="0.5B")

    model.invoke("one two three " * 15_000, model="7B")

    assert len(space.joins) == 1


# The profile


def test_the_profile_holds_the_models_limits_and_abilities() -> None:
    profile = ChatQwenSpace().profile

    assert profile is not None
    assert profile["name"] == "Qwen2.5-72B-Instruct"
    assert profile["max_input_tokens"] == 129_024
    assert profile["max_output_tokens"] == 8_192
    assert profile["tool_calling"] is True
    assert profile["structured_output"] is False
    assert profile["image_inputs"] is False


def test_the_profile_of_an_unknown_model_has_no_limits() -> None:
    profile = ChatQwenSpace(space="http://127.0.0.1:7860").profile

    assert profile is not None
    assert "max_input_tokens" not in profile
