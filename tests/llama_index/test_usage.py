"""A call's tokens: counted by the core, told where LlamaIndex looks."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import PromptHelper
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from llama_index_qwen_space import QwenSpace
from qwen_space import tokens
from qwen_space.chat.messages import Turn
from tests.llama_index.conformance.calls import ENDPOINTS, ask
from tests.thinking_app import asked


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_usage_is_that_of_the_core(llm: QwenSpace, endpoint: str) -> None:
    last = (await ask(llm, endpoint))[-1]

    expected = tokens.count_usage([Turn("user", "Hi")], "Hello there.")
    assert last.raw["usage"] == {
        "prompt_tokens": expected.input_tokens,
        "completion_tokens": expected.output_tokens,
        "total_tokens": expected.total_tokens,
        "source": expected.source,
    }
    assert expected.input_tokens > expected.output_tokens > 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("given", ["llm", "call", "other-name"])
async def test_a_reply_ends_after_max_tokens_where_the_app_has_no_input_for_it(
    space: Any, endpoint: str, given: str
) -> None:
    llm = QwenSpace(space=space.url, **({"max_tokens": 2} if given == "llm" else {}))
    options = {"call": {"max_tokens": 2}, "other-name": {"max_new_tokens": 2}}.get(given, {})

    last = (await ask(llm, endpoint, "Hi", **options))[-1]

    text = last.text if "complete" in endpoint else last.message.content
    assert (text, last.raw["finish_reason"]) == ("Hello there", "length")
    assert last.raw["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("endpoint", ["achat", "stream_complete"])
async def test_usage_says_where_it_is_an_estimate(
    llm: QwenSpace, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = tokens.Usage(7, 3, "estimate")

    monkeypatch.setattr(tokens, "count_usage", lambda *args, **kwargs: estimate)

    last = (await ask(llm, endpoint))[-1]

    assert last.raw["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "source": "estimate",
    }


@pytest.mark.parametrize("history", ["split", "native"])
async def test_the_system_prompt_and_the_history_are_counted(space: Any, history: Any) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief. " * 50, history=history)
    chat = [ChatMessage("Hi"), ChatMessage("Yes?", role="assistant"), ChatMessage("5+5?")]

    [response] = await ask(llm, "achat", chat)

    expected = tokens.count_chat(
        [Turn("user", "Hi"), Turn("assistant", "Yes?"), Turn("user", "5+5?")],
        history=history,
        system="Be brief. " * 50,
    )
    assert response.raw["usage"]["prompt_tokens"] == expected


@pytest.mark.parametrize("endpoint", ["achat", "stream_chat"])
async def test_thoughts_are_counted(thinking_space: str, endpoint: str) -> None:
    llm = QwenSpace(space=thinking_space, endpoint="tags")
    prompt = asked(("think", "hm so and so"), ("title", "Thought"), ("say", "The answer"))

    last = (await ask(llm, endpoint, prompt))[-1]

    written = tokens.count("The answer") + tokens.count("hm so and so")
    assert last.raw["usage"]["completion_tokens"] == written


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_token_counting_handler_has_the_same_figures(
    llm: QwenSpace, endpoint: str
) -> None:
    handler = TokenCountingHandler(tokenizer=str.split)
    llm.callback_manager = CallbackManager([handler])

    usage = (await ask(llm, endpoint))[-1].raw["usage"]

    assert handler.prompt_llm_token_count == usage["prompt_tokens"]
    assert handler.completion_llm_token_count == usage["completion_tokens"]


def test_a_prompt_helper_has_the_sizes_of_the_model() -> None:
    helper = PromptHelper.from_llm_metadata(QwenSpace(model="3B").metadata)

    assert (helper.context_window, helper.num_output) == (32_768, 8_192)
