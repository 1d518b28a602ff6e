from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from qwen_space import (
    ContextOverflowError,
    NoSpaceAnsweredError,
    PromptTooLongError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    ReplyFile,
    Rewritten,
    Space,
    SpaceConfig,
    SpaceFailure,
    SpaceUnavailableError,
    SpaceUnreachableError,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.api import ApiOptions, app, create_app
from qwen_space.api.errors import to_api_error
from qwen_space.errors import AuthenticationError, JobError, SpaceTimeoutError
from qwen_space.events import Completed
from tests.api_server import aserving
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events
from tests.scripted_server import (
    CONFIG,
    Answer,
    Exchange,
    ScriptedServer,
    failed,
    generating,
    starts,
    status,
    streaming,
)

TOKEN = "sk-very-secret"
HI = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "qwen-2.5", "messages": HI}
PATH = "/v1/chat/completions"


class Client:
    """Speaks to a server.

    Args:
        session: Sends the requests.
        url: The server's address.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(self, path: str = PATH, **options: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        method = "POST" if options.keys() & {"json", "data"} else "GET"
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, json.loads(await response.read())

    async def chunks(self, **options: Any) -> list[Any]:
        """Return the events of a stream; comments are left out."""
        body = {**CHAT, "stream": True, **options}
        async with self.session.post(self.url + PATH, json=body) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            text = await response.text()
        lines = [line for line in text.split("\n\n") if line.startswith("data: ")]
        assert lines.pop() == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines]


class Served:
    """Serves a Space, for one request."""

    def __init__(self, space: Any, **options: Any) -> None:
        self._server = aserving(space, ApiOptions(**options))
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Client:
        return Client(self._session, await self._server.__aenter__())

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()
        await self._server.__aexit__(None, None, None)


def scripted(*replies: str, **facts: Any) -> ScriptedSession:
    return ScriptedSession([reply_events(reply, size=4, **facts) for reply in replies])


def make_space(server: ScriptedServer) -> Space:
    return Space(server.url, max_retries=0)


# Requests that are refused


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


# Access


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer \udcff"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN} "}, 200),
    ],
)
async def test_each_request_needs_the_key(headers: dict[str, str], expected: int) -> None:
    async with Served(scripted("Hello."), token=TOKEN) as client:
        raw = {name: value.encode("utf-8", "surrogateescape") for name, value in headers.items()}
        status_code, body = await _raw(client, raw)
        health, _ = await client.ask("/health")

    assert (status_code, health) == (expected, 200)
    if expected == 401:
        assert body["error"]["code"] == "invalid_api_key"
        assert TOKEN not in str(body)


async def _raw(client: Client, headers: dict[str, bytes]) -> tuple[int, Any]:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(CHAT).encode()
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *(b"%b: %b" % (name.encode(), value) for name, value in headers.items()),
    ]
    writer.write(b"\r\n".join([*lines, b"", body]))
    head, _, text = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(text)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "Chat.Example"}, 200),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Origin": "https://chat.example"}, 200),
    ],
)
async def test_a_server_on_loopback_answers_its_own_names_and_no_other_website(
    headers: dict[str, str], expected: int
) -> None:
    async with Served(scripted("Hello."), allowed_hosts=["chat.example"]) as client:
        status_code, _ = await client.ask(json=CHAT, headers=headers)

    assert status_code == expected


# Errors of the Space


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


# Replies


async def test_a_reply_has_openais_form() -> None:
    async with Served(scripted("Hello there.", event_id="e")) as client:
        _, body = await client.ask(json=CHAT)

    assert body.keys() == {"id", "object", "created", "model", "choices", "usage"}
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_stream_is_made_of_the_pieces_as_they_come() -> None:
    async with Served(scripted("Hello there.")) as client:
        chunks = await client.chunks()
        with_usage = await client.chunks(stream_options={"include_usage": True})

    deltas = [each["choices"][0]["delta"] for each in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [each["content"] for each in deltas[1:-1]] == ["Hell", "o th", "ere."]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({each["id"] for each in chunks}) == 1
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["total_tokens"] > 0
    assert "usage" not in chunks[-1]


async def test_thoughts_are_apart_from_the_text_and_a_change_of_text_is_told() -> None:
    events = [ThinkingDelta("Hm."), TextDelta("Helo"), Rewritten("Hello", "lo")]
    events.append(Completed("Hello", 1.0, thinking="Hm."))
    session = ScriptedSession([events])
    async with Served(session) as client:
        chunks = await client.chunks()
        _, body = await client.ask(json=CHAT)

    deltas = [each["choices"][0]["delta"] for each in chunks]
    assert deltas[1] == {"reasoning_content": "Hm."}
    assert chunks[-1]["qwen_space"] == {"final_text": "Hello"}
    message = body["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Hello", "Hm.")


async def test_json_that_does_not_come_is_a_refusal() -> None:
    wanted = {"response_format": {"type": "json_object"}}
    async with Served(scripted("No.")) as client:
        _, body = await client.ask(json={**CHAT, **wanted})
        chunks = await client.chunks(**wanted)

    assert "not the JSON that was asked for" in body["choices"][0]["message"]["refusal"]
    refused = [each["choices"][0]["delta"].get("refusal") for each in chunks]
    assert "not the JSON that was asked for" in "".join(filter(None, refused))


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


async def test_the_space_that_answered_is_named_where_there_are_several() -> None:
    failures = (SpaceFailure("a/b", "The queue is full."),)
    async with Served(scripted("Hello.", space="c/d", failures=failures)) as client:
        _, body = await client.ask(json=CHAT)

    fallbacks = [{"space": "a/b", "reason": "The queue is full."}]
    assert body["qwen_space"] == {"space": "c/d", "fallbacks": fallbacks}


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


# Models


def choosing(*models: str) -> Answer:
    config = json.loads(json.dumps(CONFIG))
    props = {"label": "Model", "choices": [[each, each] for each in models], "value": models[0]}
    config["components"].append({"id": 3, "type": "dropdown", "props": props})
    config["dependencies"][0]["inputs"].append(3)
    return status(200, config)


async def test_the_models_of_all_spaces_are_listed_the_default_first() -> None:
    async with (
        ScriptedServer(config=choosing("72B", "7B")) as one,
        ScriptedServer(config=choosing("7B", "3B")) as other,
        Served(
            Space([one.url, other.url, "http://127.0.0.1:1"], max_retries=0), aliases=["gpt-4o"]
        ) as client,
    ):
        _, body = await client.ask("/v1/models")
        known, model = await client.ask("/v1/models/3B")

    assert [each["id"] for each in body["data"]] == ["qwen-2.5", "gpt-4o", "72B", "7B", "3B"]
    assert (known, model["id"], model["object"]) == (200, "3B", "model")


async def test_an_alias_and_the_full_name_stand_for_the_default_model() -> None:
    session = scripted("Hello.")
    async with Served(session, aliases=["gpt-4o"]) as client:
        for name in ("gpt-4o", "Qwen2.5-72B-Instruct", "qwen-2.5"):
            _, body = await client.ask(json={**CHAT, "model": name})
            assert body["model"] == name

    assert [each["model"] for each in session.options] == [None] * 3


async def test_a_chat_that_is_longer_than_the_model_takes_is_not_sent() -> None:
    config = SpaceConfig(space="http://127.0.0.1:1", model="Qwen2.5-0.5B-Instruct")
    session = ScriptedSession([reply_events("Hello.")], config)
    long = [{"role": "user", "content": "word " * 40_000}]
    async with Served(session) as client:
        status_code, body = await client.ask(json={**CHAT, "messages": long})

    assert (status_code, body["error"]["code"]) == (400, "context_length_exceeded")
    assert session.chats == []


# Time


async def _hang(exchange: Exchange) -> None:
    await streaming(starts(), then="hang")(exchange)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_job(stream: bool) -> None:
    async with (
        ScriptedServer(config=status(200, CONFIG), data=_hang) as server,
        Served(make_space(server)) as client,
    ):
        body = {**CHAT, "stream": stream}
        asking = asyncio.create_task(client.ask(json=body))
        await server.until(lambda s: len(s.streams) == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(server.streams[0].dropped.wait(), 10)

    assert asking.cancelled()


async def test_a_client_that_leaves_in_the_middle_of_a_stream_stops_the_job() -> None:
    data = streaming(starts(), generating("Hel"), then="hang")
    async with (
        ScriptedServer(config=status(200, CONFIG), data=data) as server,
        Served(make_space(server)) as client,
    ):
        body = {**CHAT, "stream": True}
        async with client.session.post(client.url + PATH, json=body) as response:
            await response.content.readuntil(b"Hel")
        await asyncio.wait_for(server.streams[0].dropped.wait(), 10)


async def test_a_stream_that_waits_long_begins_and_sends_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_BEGIN", 0.01)
    monkeypatch.setattr(app, "_HEARTBEAT", 0.02)
    let = asyncio.Event()

    async def data(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await let.wait()
        await streaming(starts(), failed("no"))(exchange)

    async with (
        ScriptedServer(config=status(200, CONFIG), data=data) as server,
        Served(make_space(server)) as client,
        client.session.post(client.url + PATH, json={**CHAT, "stream": True}) as response,
    ):
        assert response.status == 200
        for _ in range(3):
            assert await response.content.readuntil(b"\n\n") == b": waiting\n\n"


async def test_connections_to_the_space_are_kept_from_call_to_call() -> None:
    async with ScriptedServer(config=status(200, CONFIG)) as server:
        async with Served(make_space(server)) as client:
            for _ in range(3):
                assert (await client.ask(json=CHAT))[0] == 200
            ports = {each.writer.get_extra_info("peername")[1] for each in server.joins}
        await server.until(lambda s: s.connections == 0)

    assert len(ports) == 1


@pytest.fixture
async def _idle() -> AsyncIterator[None]:
    before = len(asyncio.all_tasks())
    yield
    assert len(asyncio.all_tasks()) == before


@pytest.mark.usefixtures("_idle")
async def test_nothing_is_left_running_after_a_reply() -> None:
    async with Served(scripted("Hello.")) as client:
        await client.chunks()
        await client.ask(json=CHAT)


def test_an_app_is_made_without_a_loop() -> None:
    assert create_app(Space("http://127.0.0.1:1")).router is not None
