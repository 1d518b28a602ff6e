"""The client against a server that fails as Gradio would not on request."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from qwen_space import (
    AuthenticationError,
    Completed,
    EndpointError,
    Event,
    ProtocolError,
    Queued,
    QwenSpaceError,
    Rewritten,
    SpaceClient,
    SpaceStatusError,
    Started,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from tests.forward_proxy import ForwardProxy
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    Exchange,
    ScriptedServer,
    append,
    completed,
    estimation,
    generating,
    replying,
    starts,
    status,
    streaming,
)

GRADIO = status(200, CONFIG)
HTML = "<!DOCTYPE html><html><title>Sorry</title></html>"
DEEP = "[" * 100_000


async def ask(server: ScriptedServer, seconds: Timeouts | None = None, **options: Any) -> Any:
    """Ask, and return the events, with an error that was raised as the last of them."""
    got: list[Any] = []
    async with SpaceClient(server.url, timeouts=seconds, max_retries=0, **options) as client:
        try:
            async with client.stream("Hi", system="S") as events:
                async for event in events:
                    got.append(event)  # noqa: PERF401 - a comprehension would lose them
        except QwenSpaceError as exc:
            got.append(exc)
    return got


def said(got: list[Event]) -> str:
    return "".join(event.delta for event in got if isinstance(event, TextDelta))


# A Space without /config


async def test_without_config_the_known_endpoint_of_the_public_space_is_used() -> None:
    async with ScriptedServer() as server:
        got = await ask(server)

    (join,) = server.joins
    (stream,) = server.streams
    body = json.loads(join.body)
    assert (join.method, join.target) == ("POST", "/queue/join")
    assert body == {
        "data": ["Hi", [], "S", "72B"],
        "event_data": None,
        "fn_index": 3,
        "trigger_id": 25,
        "session_hash": body["session_hash"],
    }
    assert join.headers["content-length"] == str(len(join.body))
    assert stream.method == "GET"
    assert stream.target == f"/queue/data?session_hash={body['session_hash']}"
    assert said(got) == "Hello there."
    assert isinstance(got[-1], Completed)
    assert got[-1].event_id == EVENT_ID
    assert len(server.exchanges) == 3


async def test_a_named_endpoint_cannot_be_guessed() -> None:
    async with ScriptedServer() as server:
        got = await ask(server, endpoint="chat")

    assert isinstance(got[-1], EndpointError)
    assert "cannot be looked up" in str(got[-1])
    assert server.joins == []


@pytest.mark.parametrize("code", [200, 404])
async def test_an_address_without_a_gradio_app_is_an_error_that_names_it(code: int) -> None:
    html = status(code, HTML)

    async with ScriptedServer(config=html, join=html, data=html) as server:
        (error,) = await ask(server)

    assert isinstance(error, ProtocolError)
    assert str(error).startswith(f"{server.url} does not look like a Gradio app")
    assert "/config" in str(error)
    assert "/queue/join" in str(error)
    assert str(error).count("Check that") == 1


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"config": status(200, DEEP), "join": status(200, DEEP)}, id="config"),
        pytest.param({"join": status(200, DEEP)}, id="join"),
        pytest.param({"join": status(503, DEEP)}, id="refusal"),
    ],
)
async def test_an_answer_that_is_nested_without_end_is_an_error_of_ours(
    answers: dict[str, Any],
) -> None:
    async with ScriptedServer(**answers) as server:
        (error,) = await ask(server)

    assert isinstance(error, QwenSpaceError)


@pytest.mark.parametrize("prefix", ["@{host}", ".{host}", "{host}", "0/gradio_api", "//{host}"])
async def test_an_app_cannot_send_the_prompt_or_the_token_elsewhere(prefix: str) -> None:
    async with ScriptedServer() as elsewhere:
        host = elsewhere.url.removeprefix("http://")
        app = {**CONFIG, "api_prefix": prefix.format(host=host)}
        async with ScriptedServer(config=status(200, app)) as server:
            (error,) = await ask(server, hf_token="hf_secret")

    assert isinstance(error, QwenSpaceError)
    assert elsewhere.exchanges == []


@pytest.mark.parametrize("of", ["config", "join", "data"])
async def test_a_refusal_names_the_address_and_not_the_session(of: str) -> None:
    answers: Any = {"config": GRADIO, of: status(403, {"detail": "No"})}

    async with ScriptedServer(**answers) as server:
        (error,) = await ask(server)

    path = {"config": "/config", "join": "/queue/join", "data": "/queue/data"}[of]
    assert isinstance(error, AuthenticationError)
    assert error.url == f"{server.url}{path}"


def log(line: str, level: str) -> dict[str, Any]:
    return {"msg": "log", "event_id": EVENT_ID, "log": line, "level": level}


async def test_events_beside_text_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "qwen_space")
    data = streaming(
        estimation(2),
        starts(),
        log("a line", "info"),
        log("a warning", "warning"),
        generating("one"),
        completed("other"),
    )

    async with ScriptedServer(config=GRADIO, data=data) as server:
        got = await ask(server)

    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("INFO", "Queued: 2 in front"),
        ("INFO", "Started"),
        ("INFO", "The app says: a line"),
        ("WARNING", "The app says: a warning"),
        ("WARNING", "The app changed text that was streamed already"),
    ]
    assert [vars(each).get("space_event") for each in caplog.records[:4]] == got[:4]


# Stop sequences where the app rewrites


def replace(text: str) -> dict[str, Any]:
    message = append("")
    message["output"]["data"][1] = [["replace", [0, 1, "text"], text]]
    return message


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [generating("one"), replace("two, ST"), append("OP three")],
            [TextDelta("one"), Rewritten("two, "), "two, "],
            id="rewritten",
        ),
        pytest.param(
            [generating("one"), replace("two STOP three")],
            [TextDelta("one"), Rewritten("two "), "two "],
            id="rewritten-with-the-stop",
        ),
        pytest.param(
            [generating("aST\nOP"), completed("aSTOP b")],
            [TextDelta("aST\nOP"), TextDelta(" b", ["aST\nOP", " b"]), "a"],
            id="only-in-the-final-text",
        ),
    ],
)
async def test_a_stop_sequence_ends_a_text_that_is_rewritten(
    messages: list[Any], expected: list[Any]
) -> None:
    server = ScriptedServer(data=streaming(*messages, then="hang"))

    async with (
        server,
        SpaceClient(server.url) as client,
        client.stream("Hi", stop=["STOP"]) as events,
    ):
        *got, done = [event async for event in events]

    assert [*got, done.text] == expected
    assert done.finish_reason == "stop_sequence"


# A job whose name is lost


async def test_a_lost_answer_to_a_join_is_an_error_and_its_job_is_stopped() -> None:
    async def lost(exchange: Exchange) -> None:
        exchange.cut()

    async with ScriptedServer(join=lost, data=streaming(then="hang")) as server:
        async with SpaceClient(server.url, max_retries=3) as client:
            with pytest.raises(StreamInterruptedError):
                await client.complete("Hi")
        await server.until(lambda s: bool(s.streams) and s.streams[0].dropped.is_set())

    assert len(server.joins) == 1
    assert [each.session_hash for each in server.streams] == [server.joins[0].session_hash]


async def test_a_task_that_is_cancelled_while_it_joins_stops_its_job() -> None:
    async def never(exchange: Exchange) -> None:
        await exchange.dropped.wait()

    async with ScriptedServer(join=never, data=streaming(then="hang")) as server:
        task = asyncio.create_task(ask(server))
        await server.until(lambda s: bool(s.joins))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda s: bool(s.streams) and s.streams[0].dropped.is_set())

    assert [each.session_hash for each in server.streams] == [server.joins[0].session_hash]


# Elsewhere


@pytest.mark.parametrize("of", ["config", "join", "data"])
async def test_a_redirect_gets_neither_the_prompt_nor_the_token(of: str) -> None:
    async with ScriptedServer() as elsewhere:
        moved = status(307, "", {"Location": f"{elsewhere.url}/queue/join"})
        answers: Any = {"config": GRADIO, of: moved}
        if of == "config":
            answers["join"] = moved
        async with ScriptedServer(**answers) as server:
            (error,) = await ask(server, hf_token="hf_secret")

    assert isinstance(error, (SpaceStatusError, ProtocolError))
    assert f"moved to {elsewhere.url}" in str(error)
    assert "hf_secret" not in str(error)
    assert elsewhere.exchanges == []


async def test_cookies_are_kept_for_one_replica() -> None:
    cookie = "AWSALB=1690|a,b/c+d=="  # a load balancer knows it only to the letter
    config = status(200, CONFIG, {"Set-Cookie": f"{cookie}; Path=/"})

    async with ScriptedServer(config=config, data=replying("a")) as server:
        await ask(server)

    assert "cookie" not in server.exchanges[0].headers
    assert [each.headers["cookie"] for each in server.exchanges[1:]] == [cookie] * 2


async def test_a_proxy_is_used_for_every_request() -> None:
    async with ScriptedServer() as server, ForwardProxy(server.url) as proxy:
        got = await ask(server, proxy=proxy.url)

    assert said(got) == "Hello there."
    assert [line.split()[:2] for line in proxy.lines] == [
        [each.method, f"{server.url}{each.target}"] for each in server.exchanges
    ]
    assert len(proxy.lines) == 3


# Messages of the app beside its reply


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        pytest.param("info", logging.INFO, id="info"),
        pytest.param("warning", logging.WARNING, id="warning"),
        pytest.param("error", logging.WARNING, id="error"),
    ],
)
async def test_notices_of_the_app_are_logged(
    caplog: pytest.LogCaptureFixture, level: str, logged: int
) -> None:
    said = {"msg": "log", "event_id": EVENT_ID, "log": "GPU is cold", "level": level}
    caplog.set_level(logging.INFO, "qwen_space")

    async with ScriptedServer(data=streaming(starts(), said, completed("x"))) as server:
        await ask(server)

    records = [each for each in caplog.records if "GPU is cold" in each.getMessage()]
    assert [(each.name, each.levelno) for each in records] == [("qwen_space.client", logged)]


async def test_the_queue_is_logged_with_its_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "qwen_space")

    async with ScriptedServer(data=replying("x")) as server:
        await ask(server)

    events = [vars(each)["space_event"] for each in caplog.records if hasattr(each, "space_event")]
    assert events == [Queued(0, 1, None), Started(None)]


async def test_text_that_is_rewritten_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    messages = starts(), generating("one"), generating("two"), completed("two")

    async with ScriptedServer(data=streaming(*messages)) as server:
        await ask(server)

    assert "changed text that was streamed already" in caplog.text


# Secrets that errors must not hold


def everything(error: BaseException) -> str:
    """Return all that an error and those behind it say or hold."""
    seen = []
    while error is not None:
        seen.append(f"{error!s} {error!r} {vars(error)}")
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "\n".join(seen)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"no HTTP at all\r\n\r\n", id="garbage"),
        pytest.param(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", id="login"),
        pytest.param(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", id="bad-gateway"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_error_holds_the_token_or_the_proxys_password(
    caplog: pytest.LogCaptureFixture, answer: bytes, scheme: str
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    caplog.set_level(logging.DEBUG)
    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        SpaceClient(
            f"{scheme}://a.example",
            hf_token="hf_secret",
            proxy=f"http://user:pass_secret@127.0.0.1:{port}",
            max_retries=0,
        ) as client,
    ):
        with pytest.raises(QwenSpaceError) as caught:
            await client.complete("Hi")

    assert "secret" not in everything(caught.value)
    assert "secret" not in caplog.text
