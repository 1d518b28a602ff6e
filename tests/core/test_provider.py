from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import Any

import pytest

from qwen_space import JobError
from qwen_space.gradio.page.known_spaces import QWEN_2_5
from qwen_space.provider import Qwen_Qwen_2_5

MESSAGES = [{"role": "user", "content": "Hi"}]


def provider(at: str) -> type[Qwen_Qwen_2_5]:
    class Local(Qwen_Qwen_2_5):
        url = at

    return Local


def test_the_face_is_the_provider_s() -> None:
    assert Qwen_Qwen_2_5.label == "Qwen Qwen-2.5"
    assert Qwen_Qwen_2_5.url == "https://qwen-qwen2-5.hf.space"
    assert Qwen_Qwen_2_5.api_endpoint == "https://qwen-qwen2-5.hf.space/queue/join"
    assert Qwen_Qwen_2_5.default_model == "qwen-qwen2-5"
    assert Qwen_Qwen_2_5.model_aliases == {"qwen-2.5": "qwen-qwen2-5"}
    assert Qwen_Qwen_2_5.models[0] == Qwen_Qwen_2_5.default_model
    assert Qwen_Qwen_2_5.working
    assert Qwen_Qwen_2_5.supports_stream
    assert Qwen_Qwen_2_5.supports_system_message
    assert not Qwen_Qwen_2_5.supports_message_history


@pytest.mark.parametrize("model", [*Qwen_Qwen_2_5.models, *Qwen_Qwen_2_5.model_aliases])
def test_every_model_is_one_that_the_space_offers(model: str) -> None:
    choice = QWEN_2_5.choose_model(model)

    assert choice == ("72B" if model in {"qwen-qwen2-5", "qwen-2.5"} else model)


def test_a_subclass_with_another_url_has_its_endpoint() -> None:
    assert provider("http://127.0.0.1:7860").api_endpoint == "http://127.0.0.1:7860/queue/join"


async def test_the_reply_comes_in_its_pieces(space: Any) -> None:
    local = provider(space.url)

    pieces = [piece async for piece in local.create_async_generator("qwen-2.5", MESSAGES)]

    assert pieces == ["Hello", " ", "there", "."]
    assert space.joins[0]["data"][:2] == ["Hi", []]


@pytest.mark.parametrize(
    ("model", "choice"), [(None, "72B"), ("", "72B"), ("qwen-qwen2-5", "72B"), ("7B", "7B")]
)
async def test_the_model_is_the_one_that_is_asked_for(
    space: Any, model: str | None, choice: str
) -> None:
    async for _ in provider(space.url).create_async_generator(model, MESSAGES):
        pass

    assert space.joins[0]["data"][3] == choice


async def test_unknown_arguments_are_ignored(space: Any) -> None:
    local = provider(space.url)

    pieces = [
        piece
        async for piece in local.create_async_generator("7B", MESSAGES, None, top_p=1, stream=True)
    ]

    assert "".join(pieces) == "Hello there."


async def test_earlier_turns_and_the_system_prompt_are_sent(space: Any) -> None:
    chat = [
        {"role": "system", "content": "S"},
        *MESSAGES,
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Bye"},
    ]

    async for _ in provider(space.url).create_async_generator("72B", chat):
        pass

    assert space.transcript(0) == "User: Hi\nAssistant: Yes?\nUser: Bye\nAssistant:"
    assert space.joins[0]["data"][2] == "S"


async def test_a_failure_is_an_error_and_not_an_end(space: Any) -> None:
    space.engine.reply = ["a", ValueError("planned")]
    pieces = provider(space.url).create_async_generator(None, MESSAGES)

    assert await anext(pieces) == "a"
    with pytest.raises(JobError, match="planned"):
        await anext(pieces)


async def test_closing_the_generator_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    async with aclosing(provider(space.url).create_async_generator(None, MESSAGES)) as pieces:
        assert await anext(pieces) == "Hello"

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)
