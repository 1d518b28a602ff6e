"""Requests in OpenAI's form: those that are refused, and those that reach the Space."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_space import ReplyFile, Space
from qwen_space.api.requests import ChatRequest, read_request
from qwen_space.chat_model.call_arguments import CallArguments
from qwen_space.tools import ToolCall
from tests.core.api.served import CHAT, HI, PATH, Served, scripted


async def answer_request(request: dict[str, Any]) -> Any:
    async with Served(scripted("Hello.")) as client:
        status_code, body = await client.ask(json={**CHAT, **request})
    assert status_code == 400
    assert body["error"]["type"] == "invalid_request_error"
    return body["error"]


@pytest.mark.parametrize(
    ("request_", "param", "said"),
    [
        ({"messages": []}, "messages", "is empty"),
        ({"messages": "Hi"}, "messages", "Expected `array`"),
        ({"messages": [{"role": "x"}]}, "messages[0].role", "Invalid enum value 'x'"),
        ({"model": None}, "model", "Expected `str`"),
        ({"n": 2}, "n", "one reply to a request"),
        ({"logprobs": True}, "logprobs", "no logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities", "text only"),
        ({"functions": []}, "functions", "give tools"),
        ({"temperature": "hot"}, "temperature", "Expected `float | null`"),
        ({"stop": [1]}, "stop[0]", "Expected `str`"),
        ({"tool_choice": "required"}, None, "no tool is bound"),
        ({"tools": [{"type": "function"}]}, None, "A tool has no name"),
        ({"response_format": {"type": "xml"}}, None, "is unknown"),
        (
            {"messages": [*HI, {"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[1].content",
            "give base64, a data URL",
        ),
    ],
)
async def test_a_request_that_cannot_be_right_is_400_and_names_the_field(
    request_: dict[str, Any], param: str | None, said: str
) -> None:
    error = await answer_request(request_)

    assert error["param"] == param
    assert said in error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": "\xff"}', b"[" * 100_000])
async def test_a_body_that_is_no_request_is_400(body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with Served(scripted("Hello.")) as client:
        status_code, answer = await client.ask(data=body, headers=headers)

    assert status_code == 400
    assert answer["error"]["type"] == "invalid_request_error"


async def test_a_form_of_another_website_is_no_request() -> None:
    async with Served(scripted("Hello.")) as client:
        headers = {"Content-Type": "text/plain"}
        status_code, body = await client.ask(data=json.dumps(CHAT), headers=headers)

    assert (status_code, "application/json" in body["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/v1/completions", {"json": CHAT}, 404),
        ("/v1/chat/completions", {}, 405),
        ("/v1/models/nope", {}, 404),
        (PATH, {"json": {**CHAT, "user": "x" * 2_000}}, 413),
    ],
)
async def test_http_errors_have_openais_form(
    path: str, options: dict[str, Any], expected: int
) -> None:
    async with Served(Space("http://127.0.0.1:1", max_retries=0), max_size=1_000) as client:
        status_code, body = await client.ask(path, **options)

    assert status_code == expected
    assert body["error"].keys() == {"message", "type", "param", "code"}


async def test_a_picture_reaches_the_space_and_those_of_a_reply_the_client() -> None:
    session = scripted("A cat.", files=(ReplyFile("http://127.0.0.1/cat.png", "image"),))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    path = {"type": "image", "path": "/etc/passwd"}
    async with Served(session) as client:
        content = [{"type": "text", "text": "What?"}, picture]
        _, body = await client.ask(json={**CHAT, "messages": [{**HI[0], "content": content}]})
        refused, _ = await client.ask(json={**CHAT, "messages": [{**HI[0], "content": [path]}]})

    media = session.chats[0][0].media
    assert [(each.kind, each.mime_type, each.data) for each in media] == [
        ("image", "image/png", b"\x89PNG")
    ]
    assert body["qwen_space"]["files"][0]["url"] == "http://127.0.0.1/cat.png"
    assert refused == 400


async def test_options_reach_the_space_and_unknown_fields_are_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = scripted("Hello.")
    given = {"temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 7, "stop": "END", "seed": 1}
    async with Served(session) as client:
        await client.ask(json={**CHAT, **given, "model": "72B"})

    options = session.options[0]
    assert options["sampling"] == {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7}
    assert (options["stop"], options["model"]) == ("END", "72B")
    assert caplog.text == ""


def test_of_two_limits_the_newer_counts_and_zero_is_one() -> None:
    body = {**CHAT, "max_completion_tokens": 0, "max_tokens": 9}

    assert read_request(json.dumps(body).encode()).arguments["max_tokens"] == 0


def test_null_is_as_good_as_nothing_wherever_a_value_may_be_missing() -> None:
    call = {"id": None, "function": {"name": "add", "arguments": None}}
    optional = set(ChatRequest.__struct_fields__) - {"model", "messages"}
    body = {
        **dict.fromkeys(optional),
        "model": "m",
        "messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "user"}],
        "stream_options": {"include_usage": None},
    }

    request = read_request(json.dumps(body).encode())

    assert request.to_core()[0].calls == [ToolCall("add", "{}", "")]
    assert not request.wants_usage
    assert CallArguments.take("qwen-space api", request.arguments).reask


def test_arguments_may_be_an_object_as_in_ollama_s_interface() -> None:
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    body = {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}

    assert read_request(json.dumps(body).encode()).to_core()[0].calls == [ToolCall("add", {"a": 1})]


async def test_a_chat_of_every_role_reaches_the_model() -> None:
    session = scripted("Hello.")
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "1"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Two"},
    ]
    async with Served(session) as client:
        await client.ask(json={**CHAT, "messages": messages})

    said = [(turn.role, turn.text) for turn in session.chats[0]]
    assert said == [
        ("developer", "Be brief."),
        ("user", "One"),
        ("assistant", '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'),
        ("user", "<tool_response>\n2\n</tool_response>"),
        ("assistant", "No."),
        ("user", "Two"),
    ]
