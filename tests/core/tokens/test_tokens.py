"""Counting tokens, with Qwen's vocabulary and without."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from qwen_space import ContextOverflowError, tokens
from qwen_space.chat.messages import Turn
from qwen_space.tokens import Usage, tokenizer
from qwen_space.tokens.limits import Limits


@pytest.fixture
def without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "_loaded", [None])


CHATS = json.loads(
    Path(__file__).parents[3].joinpath("tests/data/qwen2.5-template/chats.json").read_text("utf-8")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("Hello, 你好", [9707, 11, 220, 108386], id="words"),
        pytest.param("123", [16, 17, 18], id="each-digit-is-one"),
        pytest.param("<|im_end|>", [27, 91, 318, 6213, 91, 29], id="special-names-are-text"),
        pytest.param("<tool_call>\n</tool_call>", [151657, 198, 151658], id="tags-are-words"),
        pytest.param("e\u0301", tokens.encode("é"), id="composed-first"),
    ],
)
def test_text_becomes_qwens_own_tokens(text: str, expected: list[int]) -> None:
    assert tokens.is_exact()
    assert tokens.encode(text) == expected
    assert tokens.count(text) == len(expected)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("It was a bright cold day in April. " * 20, id="english"),
        pytest.param("人工智能是计算机科学的一个分支。" * 20, id="chinese"),
        pytest.param("def add(a, b):\n    return a + b\n\n" * 20, id="code"),
    ],
)
def test_the_estimate_is_near(text: str, request: pytest.FixtureRequest) -> None:
    exact = tokens.count(text)
    request.getfixturevalue("without_vocabulary")

    estimate = tokens.count(text)

    assert not tokens.is_exact()
    assert 0.67 * exact < estimate < 1.5 * exact


@pytest.mark.usefixtures("without_vocabulary")
def test_without_the_vocabulary_tokens_cannot_be_named() -> None:
    with pytest.raises(ImportError, match=r"qwen-space\[tokens\]"):
        tokens.encode("Hello")


# Chats. The numbers are those of llama.cpp's tokenizer for the chats as Qwen's template renders
# them.

COUNTS = {
    "no-tools": 30,
    "no-tools-system": 31,
    "one-tool": 193,
    "empty-system": 174,
    "system-with-line-breaks": 178,
    "html-and-quotes-and-key-order": 192,
    "not-ascii": 153,
    "two-calls-and-results": 263,
    "a-loop-of-calls": 328,
    "arguments-of-all-kinds": 272,
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_chat_is_counted_as_the_model_sees_it(name: str) -> None:
    rendered = next(chat["rendered"] for chat in CHATS if chat["name"] == name)
    turns = [
        Turn(*part.removesuffix("<|im_end|>\n").split("\n", 1))
        for part in rendered.split("<|im_start|>")[1:-1]
    ]

    assert tokens.count_chat(turns, history="native") == COUNTS[name]


def test_a_chat_that_is_split_is_counted_as_one_prompt() -> None:
    turns = [Turn("user", "Hi"), Turn("assistant", "Hello!"), Turn("user", "Bye")]
    prompt = [Turn("user", "User: Hi\nAssistant: Hello!\nUser: Bye\nAssistant:")]

    assert tokens.count_chat(turns) == tokens.count_chat(prompt)
    assert tokens.count_chat(turns) != tokens.count_chat(turns, history="native")


def test_the_system_prompt_counts_that_a_chat_would_have() -> None:
    chat = [Turn("user", "Hi")]

    assert tokens.count_chat(chat, system="Be brief.") == tokens.count_chat(
        [Turn("system", "Be brief."), *chat]
    )
    assert tokens.count_chat(chat) == 30


def test_usage_says_where_it_comes_from(request: pytest.FixtureRequest) -> None:
    chat = [Turn("user", "Hi")]

    used = tokens.count_usage(chat, "Hello!", "Hm.")

    assert used == Usage(30, tokens.count("Hello!") + tokens.count("Hm."), "qwen.tiktoken")
    assert used.total_tokens == used.input_tokens + used.output_tokens
    request.getfixturevalue("without_vocabulary")
    assert tokens.count_usage(chat, "Hello!").source == "estimate"
    assert 15 < tokens.count_usage(chat, "Hello!").input_tokens < 45


# Limits

LIMITS = Limits("Qwen-Tiny", 1200, 1000, 200)
WORD = "word "  # one token each


def long(words: int) -> list[Turn]:
    return [Turn("user", WORD * words)]


def test_a_chat_over_the_limit_is_an_error_with_the_count() -> None:
    with pytest.raises(ContextOverflowError, match="Qwen-Tiny takes 1000 at most") as caught:
        tokens.check_length(long(1001), LIMITS)

    assert caught.value.tokens == tokens.count_chat(long(1001))
    assert caught.value.exact


@pytest.mark.parametrize(
    ("chat", "limits"),
    [
        pytest.param(long(900), LIMITS, id="fits"),
        pytest.param(long(1001), None, id="no-limit-known"),
        pytest.param([Turn("user", "Hi")], LIMITS, id="short"),
    ],
)
def test_a_chat_within_the_limit_or_without_one_passes(
    chat: list[Turn], limits: Limits | None
) -> None:
    tokens.check_length(chat, limits)


@pytest.mark.usefixtures("without_vocabulary")
def test_an_estimate_has_to_be_far_over_the_limit() -> None:
    tokens.check_length(long(1001), LIMITS)  # 1250 by the rule of thumb

    with pytest.raises(ContextOverflowError, match="about"):
        tokens.check_length(long(1500), LIMITS)


def test_a_short_chat_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def count_chat(*args: Any, **options: Any) -> int:
        raise AssertionError

    monkeypatch.setattr(tokens, "count_chat", count_chat)

    tokens.check_length(long(30), LIMITS)


# Event loops


async def test_in_an_event_loop_the_tokenizer_is_loaded_in_a_thread_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []
    load = tokenizer._load

    def loading() -> Any:
        threads.append(threading.current_thread())
        return load()

    monkeypatch.setattr(tokenizer, "_load", loading)
    monkeypatch.setattr(tokenizer, "_loaded", [])

    call = functools.partial(tokens.run_off_loop, tokens.count_usage, [Turn("user", "Hi")])
    used = await asyncio.gather(*(call("Hello!") for _ in range(5)))

    assert used == [tokens.count_usage([Turn("user", "Hi")], "Hello!")] * 5
    [thread] = threads
    assert thread is not threading.main_thread()


async def test_long_texts_are_counted_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    count = tokens.count

    def counting(text: str) -> int:
        threads.append(threading.current_thread())
        return count(text)

    tokens.load()
    monkeypatch.setattr(tokens, "count", counting)

    await tokens.run_off_loop(tokens.count_usage, [Turn("user", "Hi")], "Hello!")
    await tokens.run_off_loop(tokens.count_usage, [Turn("user", "Hi")], WORD * 20_000)

    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_in_an_event_loop_too_a_chat_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ContextOverflowError):
        await tokens.run_off_loop(tokens.check_length, long(1001), LIMITS)

    await tokens.run_off_loop(tokens.check_length, long(900), LIMITS)
    await tokens.run_off_loop(tokens.check_length, long(1001), None)
