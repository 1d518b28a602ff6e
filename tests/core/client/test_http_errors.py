"""The errors of answers that servers on the way give in the app's place."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import inspect
import json
import ssl
import weakref
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from qwen_space import (
    AuthenticationError,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceClient,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
    Timeouts,
)
from qwen_space.client.http_errors import map_aiohttp_errors, parse_retry_after
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    Answer,
    Exchange,
    ScriptedServer,
    starts,
    status,
    streaming,
)

CONFIG_BYTES = json.dumps(CONFIG).encode()
PAGE = "<html><body>A page</body></html>"


def sending(*lines: str, body: bytes = b"") -> Answer:
    """Answer with a head in latin-1, as old servers write it."""

    async def answer(exchange: Exchange) -> None:
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        await exchange.send_raw(head.encode("latin-1") + body)

    return answer


async def failing(**answers: Any) -> QwenSpaceError:
    answers = {"config": status(200, CONFIG), **answers}
    async with (
        ScriptedServer(**answers) as server,
        SpaceClient(server.url, max_retries=0) as client,
    ):
        with pytest.raises(QwenSpaceError) as caught:
            await client.complete("Hi")
    return caught.value


# Heads


@pytest.mark.parametrize(
    "head",
    [
        ["HTTP/1.1 200 OK", f"Content-Security-Policy: {'x' * 60_000}"],
        ["HTTP/1.1 200 OK", *(f"Set-Cookie: c{number}=1" for number in range(180))],
        ["HTTP/1.1 203 Non-Authoritative Information"],
        ["HTTP/1.1 201 Created"],
    ],
    ids=["long", "many", "203", "201"],
)
async def test_an_answer_is_taken_whatever_a_front_puts_in_its_head(head: list[str]) -> None:
    joined = json.dumps({"event_id": EVENT_ID}).encode()
    answers = {
        "config": sending(*head, body=CONFIG_BYTES),
        "join": sending(*head, body=joined),
    }

    async with ScriptedServer(**answers) as server, SpaceClient(server.url) as client:
        assert (await client.complete("Hi")).text == "Hello there."
        assert client.found is not None


async def test_a_byte_order_mark_is_no_part_of_an_answer() -> None:
    config = sending("HTTP/1.1 200 OK", body=b"\xef\xbb\xbf" + CONFIG_BYTES)

    async with ScriptedServer(config=config) as server, SpaceClient(server.url) as client:
        assert (await client.endpoint()).fn_index == 7


@pytest.mark.parametrize(
    "head",
    [
        ["HTTP/1.1 401 No", 'WWW-Authenticate: Basic realm="B\xfcro"'],
        ["HTTP/1.1 302 Found", "Location: http://other.example/B\xfcro"],
    ],
)
async def test_headers_that_are_no_utf_8_are_told_in_text_that_can_be_printed(
    head: list[str],
) -> None:
    error = await failing(config=sending(*head))

    assert "B\xfcro" in str(error)


async def test_an_encoding_that_is_none_is_told() -> None:
    plain = sending("HTTP/1.1 200 OK", "Content-Encoding: gzip", body=CONFIG_BYTES)
    packed = sending("HTTP/1.1 200 OK", "Content-Encoding: gzip", body=gzip.compress(CONFIG_BYTES))

    error = await failing(config=packed, join=plain)

    assert isinstance(error, ProtocolError)
    assert "Can not decode content-encoding: gzip" in str(error)


# Statuses


@pytest.mark.parametrize("code", [408, 425, 520, 521, 522, 523, 524, 530])
async def test_a_front_whose_app_is_not_there_is_tried_again(code: int) -> None:
    answers = [status(code, PAGE, {"Retry-After": "0"}), status(200, CONFIG)]

    async def config(exchange: Exchange) -> None:
        await answers.pop(0)(exchange)

    async with ScriptedServer(config=config) as server, SpaceClient(server.url) as client:
        assert (await client.endpoint()).fn_index == 7


@pytest.mark.parametrize(
    ("code", "may_have_run"),
    [
        (408, False),
        (425, False),
        (521, False),
        (523, False),
        (530, False),
        (520, True),
        (524, True),
    ],
)
async def test_a_front_tells_whether_the_app_has_got_the_prompt(
    code: int, may_have_run: bool
) -> None:
    error = await failing(join=status(code, PAGE))

    assert isinstance(error, SpaceUnavailableError)
    assert (error.status, error.may_have_run) == (code, may_have_run)


async def test_a_challenge_for_browsers_is_told_as_that() -> None:
    body = (
        "<!DOCTYPE html><html><title>Just a moment...</title><body>Enable JavaScript</body></html>"
    )
    error = await failing(config=status(403, body, {"cf-mitigated": "challenge"}))

    assert isinstance(error, AuthenticationError)
    assert "browser" in str(error)
    assert "hf_token" not in str(error)


async def test_a_redirect_to_a_login_names_both_ways_on() -> None:
    error = await failing(config=status(302, "", {"Location": "https://login.example/oauth2"}))

    assert isinstance(error, SpaceStatusError)
    assert "https://login.example/oauth2" in str(error)
    assert "headers=" in str(error)


async def test_a_network_that_wants_a_login_is_told() -> None:
    error = await failing(config=status(511, PAGE))

    assert "open any page in a browser" in str(error)


@pytest.mark.parametrize("at", ["config", "join"])
@pytest.mark.parametrize("code", [400, 404, 418, 500, 501, 505])
async def test_a_page_of_any_status_is_told_by_its_words(at: str, code: int) -> None:
    page = "<!DOCTYPE html><title>Oops</title><body><h1>Server  Error</h1><p>See &amp; ask</p>"
    answer = status(code, page)

    error = await failing(**{at: answer, "join": answer})

    assert "Server Error See & ask" in str(error)
    assert "<" not in str(error)


async def test_the_words_of_a_page_are_told_and_not_its_markup() -> None:
    page = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1">'
        "<html><head><title>502 Oops</title></head><body><h1>Unable to connect</h1></body></html>"
    )

    error = await failing(config=status(502, page))

    assert "HTTP 502: Unable to connect" in str(error)


async def test_the_words_of_nginx_are_told_of_an_app_that_is_none() -> None:
    words = "The plain HTTP request was sent to HTTPS port"
    page = f"<html><head><title>400</title></head><body><h1>400</h1>{words}<hr>nginx</body></html>"

    error = await failing(config=status(400, page), join=status(400, page))

    assert f"/config: HTTP 400 (400 {words} nginx)" in str(error)


# Rate limits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "1.5"}, 1.5),
        ({"RateLimit": '"api";r=0;t=119'}, 119.0),
        ({"RateLimit": '"pages"; r=0; t=7', "Retry-After": "9"}, 9.0),
        ({"RateLimit": '"pages";r=3;t=119'}, None),
        ({"RateLimit": "nonsense"}, None),
    ],
)
async def test_a_rate_limit_says_when_it_ends(
    headers: dict[str, str], seconds: float | None
) -> None:
    error = await failing(join=status(429, "", headers))

    assert isinstance(error, QuotaError)
    assert error.retry_after == seconds


# The header Retry-After

NOW = 1445412480.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:30 GMT", 0.0),
        ("-1", None),
        ("1.5", 1.5),
        ("1.5.2", None),
        ("", None),
        ("99999999999999999999", None),
        ("Wed, 21 Oct 99999 07:28:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


# Every error of aiohttp's

KEY = ConnectionKey("a.example", 80, False, True, None, None, None)
REQUEST = aiohttp.RequestInfo(URL("http://a.example"), "GET", {}, URL("http://a.example"))  # type: ignore[arg-type]
REFUSED = ConnectionRefusedError(111, "refused")
RESPONSE = (REQUEST, ())

# By name, as not every version of aiohttp has them all.
MAPPED: dict[type[QwenSpaceError], dict[str, tuple[Any, ...]]] = {
    SpaceUnreachableError: {
        "ClientConnectorError": (KEY, REFUSED),
        "ClientConnectorDNSError": (KEY, REFUSED),
        "ClientProxyConnectionError": (KEY, REFUSED),
        "ClientHttpProxyError": RESPONSE,
        "ClientSSLError": (KEY, REFUSED),
        "ClientConnectorSSLError": (KEY, ssl.SSLError(1, "bad")),
        "ClientConnectorCertificateError": (KEY, ssl.CertificateError("bad")),
        "InvalidURL": ("http://",),
        "InvalidUrlClientError": ("http://",),
        "InvalidUrlRedirectClientError": ("http://",),
    },
    StreamInterruptedError: {
        "ClientConnectionError": (),
        "ClientConnectionResetError": (104, "reset"),
        "ClientOSError": (104, "reset"),
        "ClientPayloadError": ("cut",),
        "ServerConnectionError": (),
        "ServerDisconnectedError": (),
        "ServerFingerprintMismatch": (b"a", b"b", "a.example", 443),
    },
    SpaceTimeoutError: {
        "ConnectionTimeoutError": (),
        "ServerTimeoutError": (),
        "SocketTimeoutError": (),
    },
    ProtocolError: {
        "ClientError": (),
        "ClientResponseError": RESPONSE,
        "ContentTypeError": RESPONSE,
        "NonHttpUrlClientError": ("ftp://",),
        "NonHttpUrlRedirectClientError": ("ftp://",),
        "RedirectClientError": (),
        "TooManyRedirects": RESPONSE,
        "UploadAbortedError": (),
        "WSServerHandshakeError": RESPONSE,
    },
}


def here() -> contextlib.AbstractContextManager[None]:
    return map_aiohttp_errors("http://a.example", Timeouts())


def test_every_error_of_aiohttp_s_is_in_the_table() -> None:
    theirs = {
        name
        for name, each in vars(aiohttp).items()
        if inspect.isclass(each) and issubclass(each, aiohttp.ClientError)
    }

    assert theirs <= {name for errors in MAPPED.values() for name in errors}


@pytest.mark.parametrize(
    ("expected", "theirs", "args"),
    [
        pytest.param(ours, getattr(aiohttp, name), args, id=name)
        for ours, errors in MAPPED.items()
        for name, args in errors.items()
        if hasattr(aiohttp, name)
    ],
)
def test_every_error_of_aiohttp_s_becomes_the_right_one_of_ours(
    expected: type[QwenSpaceError], theirs: type[Exception], args: tuple[Any, ...]
) -> None:
    error = theirs(*args)

    with pytest.raises(QwenSpaceError) as caught, here():
        raise error

    assert type(caught.value) is expected
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("theirs", "limit"),
    [
        (aiohttp.ConnectionTimeoutError(), "connect"),
        (aiohttp.SocketTimeoutError(), "silence"),
        (aiohttp.ServerTimeoutError(), "silence"),
        (asyncio.TimeoutError(), "total"),
    ],
)
def test_every_timeout_names_its_limit(theirs: Exception, limit: str) -> None:
    with pytest.raises(SpaceTimeoutError) as caught, here():
        raise theirs

    assert caught.value.limit == limit


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), ValueError()])
def test_errors_that_are_not_aiohttp_s_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, here():
        raise error

    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(aiohttp.ServerTimeoutError(), id="timeout"),
        pytest.param(aiohttp.ClientPayloadError(), id="payload"),
        pytest.param(aiohttp.InvalidURL("a..b"), id="address"),
    ],
)
def test_an_error_goes_without_the_garbage_collector(error: Exception) -> None:
    gc.disable()
    try:
        try:
            with map_aiohttp_errors("http://127.0.0.1", Timeouts()):
                raise error
        except QwenSpaceError as exc:
            mapped = weakref.ref(exc)
        assert mapped() is None
    finally:
        gc.enable()


async def _end_in_the_head(exchange: Exchange) -> None:
    await exchange.send_raw(b"HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\nX")
    exchange.cut()


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"join": _end_in_the_head}, "Server disconnected"),
        ({"data": streaming(starts(), then="cut")}, "Response payload is not completed"),
    ],
)
async def test_an_answer_that_ends_early_is_told_without_the_objects_of_aiohttp(
    answers: dict[str, Answer], reason: str
) -> None:
    async with ScriptedServer(**answers) as server, SpaceClient(server.url) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.complete("Hi")

    assert caught.value.reason == reason
