"""The eight endpoints: responses, events, options of a call, requests to the Space."""

from __future__ import annotations

import inspect
import logging
import warnings
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock

from llama_index_qwen_space import QwenSpace
from qwen_space import JobError
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from tests.llama_index.conformance.calls import CHATS, ENDPOINTS, STREAMS, ask, question

WHOLE = [name for name in ENDPOINTS if "stream" not in name]
COMPLETIONS = [name for name in ENDPOINTS if "complete" in name]


def text_of(response: Any) -> Any:
    """Return a response's text, where None is no empty one, as it is for any LLM."""
    return response.message.content if isinstance(response, ChatResponse) else response.text


@pytest.mark.parametrize("endpoint", STREAMS)
async def test_every_chunk_has_the_text_so_far_and_its_own_delta(
    llm: QwenSpace, endpoint: str
) -> None:
    chunks = await ask(llm, endpoint)

    deltas = ["Hello", " ", "there", ".", ""]
    assert [chunk.delta for chunk in chunks] == deltas
    assert [text_of(chunk) for chunk in chunks] == [
        "".join(deltas[: count + 1]) for count in range(len(deltas))
    ]


@pytest.mark.parametrize("endpoint", CHATS)
async def test_a_message_of_the_assistant_is_one_text_block(llm: QwenSpace, endpoint: str) -> None:
    responses = await ask(llm, endpoint)

    for response in responses:
        assert response.message.role == "assistant"
        assert [type(block) for block in response.message.blocks] == [TextBlock]
        assert response.message.additional_kwargs == {}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_raw_is_there_with_the_last_response(llm: QwenSpace, endpoint: str) -> None:
    *earlier, last = await ask(llm, endpoint)

    assert all(response.raw is None for response in earlier)
    assert last.raw["model"] == "Qwen2.5-72B-Instruct"
    assert last.raw["finish_reason"] == "stop"
    assert isinstance(last.raw["event_id"], str)
    assert last.raw["duration"] > 0
    assert '"duration"' in last.model_dump_json()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_call_is_one_event_one_slot_and_one_count_of_tokens(
    llm: QwenSpace, books: Any, endpoint: str
) -> None:
    responses = await ask(books.keep(llm), endpoint)

    assert len(books.named("StartEvent")) == 1
    assert len(books.named("EndEvent")) == 1
    assert len(books.named("InProgressEvent")) == (len(responses) if "stream" in endpoint else 0)
    assert books.limiter.count == 1
    assert len(books.tokens.llm_token_counts) == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_call_is_one_request_to_the_space(
    space: Any, llm: QwenSpace, endpoint: str
) -> None:
    await ask(llm, endpoint)

    assert [join["data"] for join in space.joins] == [["Hi", [], DEFAULT_SYSTEM_PROMPT, "72B"]]


@pytest.mark.parametrize("endpoint", STREAMS)
async def test_an_empty_reply_is_one_empty_chunk(space: Any, llm: QwenSpace, endpoint: str) -> None:
    space.engine.reply = []

    chunks = await ask(llm, endpoint)

    assert [(text_of(chunk), chunk.delta) for chunk in chunks] == [("", "")]


@pytest.mark.parametrize("endpoint", WHOLE)
async def test_an_empty_reply_is_an_empty_text(space: Any, llm: QwenSpace, endpoint: str) -> None:
    space.engine.reply = []

    [response] = await ask(llm, endpoint)

    assert text_of(response) == ""
    assert response.delta is None


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        pytest.param(None, ["Obs:"], "Think. ", id="kwarg"),
        pytest.param(None, "Obs:", "Think. ", id="kwarg-as-a-string"),
        pytest.param(["Obs:"], None, "Think. ", id="field"),
        pytest.param(["Think"], ["Obs:"], "Think. ", id="kwarg-wins"),
        pytest.param(["Obs:"], [], "Think. Obs: 5", id="kwarg-without-any-wins"),
    ],
)
async def test_a_reply_ends_before_a_stop_sequence(
    space: Any, endpoint: str, own: Any, given: Any, expected: str
) -> None:
    space.engine.reply = ["Think. ", "O", "bs", ": 5"]
    llm = QwenSpace(space=space.url, stop=own)

    responses = await ask(llm, endpoint, stop=given)

    assert text_of(responses[-1]) == expected
    stopped = expected == "Think. "
    assert responses[-1].raw["finish_reason"] == ("stop_sequence" if stopped else "stop")
    if "stream" in endpoint:
        assert "".join(chunk.delta for chunk in responses) == expected


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_model_of_a_call_wins(space: Any, llm: QwenSpace, endpoint: str) -> None:
    responses = await ask(llm, endpoint, model="7B")

    assert space.joins[0]["data"][3] == "7B"
    assert responses[-1].raw["model"] == "Qwen2.5-7B-Instruct"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_foreign_keyword_argument_is_ignored_and_named(
    llm: QwenSpace, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    await ask(llm, endpoint, seed="hidden", user="me")

    assert "seed, user" in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("endpoint", CHATS)
@pytest.mark.parametrize("role", ["system", "developer"])
async def test_a_system_message_stands_in_place_of_the_system_prompt(
    space: Any, endpoint: str, role: str
) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief.")

    await ask(llm, endpoint, [ChatMessage("Rhyme.", role=role), ChatMessage("Hi")])

    assert space.joins[0]["data"] == ["Hi", [], "Rhyme.", "72B"]


@pytest.mark.parametrize("endpoint", COMPLETIONS)
@pytest.mark.parametrize(("formatted", "expected"), [(False, "Q: Hi"), (True, "Hi")])
async def test_a_prompt_is_formatted_unless_it_is_already(
    space: Any, endpoint: str, formatted: bool, expected: str
) -> None:
    llm = QwenSpace(space=space.url, completion_to_prompt=lambda prompt: f"Q: {prompt}")

    await ask(llm, endpoint, formatted=formatted)

    assert space.joins[0]["data"][0] == expected


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_error_passes_unchanged(
    space: Any, llm: QwenSpace, books: Any, endpoint: str
) -> None:
    space.engine.reply = ["Hel", ValueError("no luck")]

    with pytest.raises(JobError, match="no luck") as caught:
        await ask(books.keep(llm), endpoint)

    assert caught.value.text == "Hel"
    assert books.limiter.count == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_sampling_parameter_the_app_cannot_take_is_warned_of(
    space: Any, endpoint: str
) -> None:
    llm = QwenSpace(space=space.url, endpoint="model_chat_1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await ask(llm, endpoint, temperature=0.1)

    assert ["temperature" in str(each.message) for each in caught] == [True]


@pytest.mark.parametrize("endpoint", ["chat", "achat", "stream_chat", "astream_chat"])
def test_a_chat_keeps_its_signature_for_spans(endpoint: str) -> None:
    parameters = inspect.signature(getattr(QwenSpace, endpoint)).parameters

    assert list(parameters)[:2] in (["self", "messages"], ["_self", "messages"])


@pytest.mark.parametrize("endpoint", ["astream_chat", "astream_complete"])
async def test_a_stream_has_the_attributes_of_an_async_generator(
    llm: QwenSpace, endpoint: str
) -> None:
    stream = await getattr(llm, endpoint)(question(endpoint))

    assert stream.ag_frame is not None
    assert stream.ag_code is not None
    assert (stream.ag_running, stream.ag_await) == (False, None)
    async for _ in stream:
        pass
    assert stream.ag_frame is None
