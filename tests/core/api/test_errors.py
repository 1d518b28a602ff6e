"""Errors of a Space, in OpenAI's form."""

from __future__ import annotations

import logging

import pytest

from qwen_space import (
    ContextOverflowError,
    NoSpaceAnsweredError,
    PromptTooLongError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)
from qwen_space.api import app
from qwen_space.api.errors import to_api_error
from qwen_space.errors import AuthenticationError, JobError, SpaceTimeoutError
from tests.core.api.served import CHAT, PATH, Served, make_space, scripted
from tests.scripted_server import (
    CONFIG,
    ScriptedServer,
    failed,
    generating,
    starts,
    status,
    streaming,
)


@pytest.mark.parametrize(
    ("error", "status_code", "code"),
    [
        (QueueFullError("Full"), 429, "rate_limit_exceeded"),
        (QuotaError("Used up", 37.2), 429, "rate_limit_exceeded"),
        (SpaceTimeoutError("first_token", 1.0), 504, "space_timeout"),
        (SpaceUnreachableError("http://x", "refused"), 503, "space_unavailable"),
        (SpaceUnavailableError("http://x", "paused"), 503, "space_unavailable"),
        (AuthenticationError("http://x", "private"), 502, "space_failed"),
        (JobError("no"), 502, "space_failed"),
        (ContextOverflowError(9, 8, "M"), 400, "context_length_exceeded"),
        (PromptTooLongError("no"), 400, "context_length_exceeded"),
        (NoSpaceAnsweredError([("a", PromptTooLongError("x"))]), 400, None),
        (NoSpaceAnsweredError([("a", QuotaError("x")), ("b", QueueFullError("y"))]), 429, None),
        (NoSpaceAnsweredError([("a", QuotaError("x")), ("b", JobError("y"))]), 503, None),
    ],
)
def test_each_error_has_the_status_that_clients_act_on(
    error: QwenSpaceError, status_code: int, code: str | None
) -> None:
    answer = to_api_error(error)

    assert answer.status == status_code
    assert code in {None, answer.code}
    assert answer.message == str(error)


def test_a_client_is_told_when_to_ask_again_and_when_not() -> None:
    late, sent = QuotaError("x", 37.2), JobError("x")
    sent.may_have_run = True

    assert to_api_error(late).headers == {"Retry-After": "38"}
    assert to_api_error(sent).headers == {"x-should-retry": "false"}


async def test_an_unknown_model_is_404_as_openai_has_it() -> None:
    async with (
        ScriptedServer(config=status(200, CONFIG)) as server,
        Served(make_space(server)) as client,
    ):
        status_code, body = await client.ask(json={**CHAT, "model": "gpt-4o"})

    assert (status_code, body["error"]["code"]) == (404, "model_not_found")


async def test_an_error_before_the_first_text_has_a_status_in_a_stream_too() -> None:
    full = status(429, {"detail": "Slow down"}, {"Retry-After": "7"})
    async with (
        ScriptedServer(config=status(200, CONFIG), join=full) as server,
        Served(make_space(server)) as client,
        client.session.post(client.url + PATH, json={**CHAT, "stream": True}) as response,
    ):
        assert response.status == 429
        assert response.headers["Retry-After"] == "7"
        assert (await response.json())["error"]["type"] == "rate_limit_error"


async def test_an_error_after_text_is_the_last_event_of_the_stream() -> None:
    data = streaming(starts(), generating("Hel"), failed("CUDA out of memory"))
    async with (
        ScriptedServer(config=status(200, CONFIG), data=data) as server,
        Served(make_space(server)) as client,
    ):
        *chunks, error = await client.chunks()

    assert "".join(each["choices"][0]["delta"]["content"] for each in chunks) == "Hel"
    assert "CUDA out of memory" in error["error"]["message"]


async def test_an_error_of_our_own_says_nothing_of_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CompletionBuilder", None)
    async with Served(scripted("Hello.")) as client:
        status_code, body = await client.ask(json=CHAT)

    assert (status_code, body["error"]["code"]) == (500, "internal_error")
    assert "NoneType" not in body["error"]["message"]
    assert [each.levelno for each in caplog.records] == [logging.ERROR]
