"""Retried steps, the pauses between them, and the error's record of them."""

from __future__ import annotations

import asyncio
import email.utils
import threading
import time
from typing import Any

import pytest

from qwen_space import (
    ProtocolError,
    QueueFullError,
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
from qwen_space.client import retry as retrying
from qwen_space.client.deadline import Deadline
from tests.end_to_end.faults.acts import ALL, BEGUN, GRADIO, HTML, JOINED, ONE, REPLY, app
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import (
    CUT,
    END,
    HANG,
    RESET,
    STOP_LISTENING,
    Script,
    http,
    playing,
    sse,
)
from tests.end_to_end.faults.ways import PROMPT, WAYS, InWays
from tests.scripted_server import CONFIG, ScriptedServer

URL = "http://a.example"

# One step


class Step:
    """Fails as it is told, and then succeeds."""

    def __init__(self, *errors: QwenSpaceError) -> None:
        self.errors = list(errors)
        self.taken = 0

    async def __call__(self) -> str:
        self.taken += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; none is waited for."""
    made: list[float] = []
    here, really_sleep = threading.get_ident(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        if threading.get_ident() == here:
            made.append(seconds)
        else:  # servers of other tests live in threads of their own
            await really_sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


async def take(step: Step, retries: int, limits: Timeouts | None = None) -> Any:
    return await retrying.retrying(step, lambda exc: True, retries, Deadline(limits or Timeouts()))


def busy(seconds: float | None = None) -> SpaceUnavailableError:
    return SpaceUnavailableError(URL, "HTTP 503: busy", status=503, retry_after=seconds)


async def test_the_pauses_double_and_differ(pauses: list[float]) -> None:
    for _ in range(20):
        assert await take(Step(*(busy() for _ in range(8))), 8) == "done"

    for tries in range(8):
        longest = min(0.25 * 2**tries, 10.0)
        of_this_try = pauses[tries::8]
        assert all(longest / 2 <= each <= longest for each in of_this_try)
        assert len(set(of_this_try)) > 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(QuotaError("Slow down", 7.0), id="429"),
        pytest.param(busy(7.0), id="503"),
        pytest.param(QueueFullError("Full", 7.0), id="full"),
        pytest.param(QuotaError("Try again in 0:00:07"), id="in-words"),
    ],
)
async def test_a_server_says_how_long_the_pause_is(
    error: QwenSpaceError, pauses: list[float]
) -> None:
    assert await take(Step(error), 1) == "done"

    assert pauses == [7.0]


async def test_a_retry_after_of_zero_is_still_a_pause(pauses: list[float]) -> None:
    await take(Step(busy(0.0)), 1)

    assert pauses[0] >= 0.125


@pytest.mark.parametrize("error", [QuotaError("Slow down", 11.0), busy(3600.0)])
async def test_a_pause_that_is_too_long_is_an_error_at_once(
    error: QwenSpaceError, pauses: list[float]
) -> None:
    step = Step(error)

    with pytest.raises(type(error), match="tried again in"):
        await take(step, 5)

    assert (step.taken, pauses) == (1, [])


@pytest.mark.parametrize(("seconds", "left"), [(5.0, 3.0), (None, 0.1)])
async def test_no_pause_goes_beyond_the_total_limit(
    seconds: float | None, left: float, pauses: list[float]
) -> None:
    step = Step(busy(seconds))

    with pytest.raises(SpaceUnavailableError):
        await take(step, 5, Timeouts(total=left))

    assert (step.taken, pauses) == (1, [])


async def test_an_error_that_is_not_retryable_is_tried_once(pauses: list[float]) -> None:
    step = Step(SpaceUnreachableError(URL, "its certificate is not valid", retryable=False))

    with pytest.raises(SpaceUnreachableError):
        await take(step, 5)

    assert (step.taken, pauses) == (1, [])


@pytest.mark.usefixtures("pauses")
async def test_the_last_error_has_all_tries() -> None:
    step = Step(
        SpaceUnreachableError(URL, "connection refused"),
        busy(),
        SpaceUnavailableError(URL, "Queue is stopped."),
        StreamInterruptedError("", "the server closed it"),
        SpaceTimeoutError("connect", 10.0),
        QuotaError("Slow down", 1.0),
        SpaceStatusError(500, URL),
        ProtocolError("No JSON."),
    )

    with pytest.raises(ProtocolError) as caught:
        await take(step, 7)

    reasons = (
        "connection refused",
        "HTTP 503",
        "Queue is stopped",
        "the server closed it",
        "connect limit of 10 seconds",
        "HTTP 429",
        "HTTP 500",
        "ProtocolError",
    )
    assert caught.value.tries == reasons
    assert str(caught.value) == f"No JSON. It was tried 8 times: {'; '.join(reasons)}."


@pytest.mark.usefixtures("pauses")
async def test_an_error_after_one_try_names_no_tries() -> None:
    with pytest.raises(SpaceUnavailableError) as caught:
        await take(Step(busy()), 0)

    assert caught.value.tries == ()
    assert "tried" not in str(caught.value)


# Pauses that a server asks for

NOW = 1_700_000_000.0


def at(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


@pytest.mark.parametrize("of", ["config", "join", "data"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(429, {"detail": "Slow down"}, id="429"),
        pytest.param(503, HTML, id="503"),
        pytest.param(503, {"detail": "Queue is full."}, id="full"),
        pytest.param(503, {"detail": "Queue is stopped."}, id="stopped"),
    ],
)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Retry_After": "7200"}, 7200.0, id="seconds"),
        # The server's clock is years behind.
        pytest.param({"Retry_After": at(NOW + 90), "Date": at(NOW)}, 90.0, id="date"),
        pytest.param({"Retry_After": at(NOW - 90), "Date": at(NOW)}, 0.0, id="past-date"),
        pytest.param({"Retry_After": "soon"}, None, id="nonsense"),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_retry_after_is_read(
    of: str, status: int, body: Any, headers: dict[str, Any], expected: float | None
) -> None:
    answers: Any = {"config": playing([GRADIO]), of: playing([http(status, body, **headers)])}
    async with (
        ScriptedServer(**answers) as server,
        SpaceClient(server.url, max_retries=0) as client,
    ):
        with pytest.raises((QuotaError, SpaceUnavailableError, QueueFullError)) as caught:
            await client.complete(PROMPT)

    assert caught.value.retry_after == expected
    assert ("may be tried again in" in str(caught.value)) is (expected is not None)


async def test_a_date_without_the_servers_own_counts_from_ours() -> None:
    answer = http(503, HTML, Retry_After=at(time.time() + 3600))

    server = ScriptedServer(config=playing([answer]))
    async with server, SpaceClient(server.url) as client:
        with pytest.raises(SpaceUnavailableError) as caught:
            await client.complete(PROMPT)

    assert caught.value.retry_after == pytest.approx(3600, abs=60)
    assert len(server.exchanges) == 1


# Which steps


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.002)


BUSY = http(503, HTML)
LIMITED = http(429, HTML, Retry_After="0")
STREAM = sse(*REPLY, END)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("of", "scripts"),
    [
        pytest.param("config", [[BUSY], [http(502, HTML)], [GRADIO]], id="config-is-busy"),
        pytest.param("config", [[LIMITED], [LIMITED], [GRADIO]], id="config-is-limited"),
        pytest.param("config", [[CUT], [GRADIO[:-9], CUT], [GRADIO]], id="config-is-cut"),
        pytest.param("config", [[RESET], [RESET], [GRADIO]], id="config-is-reset"),
        pytest.param("data", [[BUSY], [BUSY], STREAM], id="stream-is-busy"),
        pytest.param("data", [[LIMITED], [LIMITED], STREAM], id="stream-is-limited"),
    ],
)
def test_a_step_that_runs_nothing_is_tried_again(
    of: str, scripts: list[Script], serve: Serve, in_ways: InWays
) -> None:
    def ask(way: str) -> None:
        answers: Any = {"config": playing([GRADIO]), "data": playing(STREAM)}
        answers[of] = playing(*scripts)
        with serve(ScriptedServer(join=playing([JOINED]), **answers)) as server:
            got = WAYS[way](server.url, max_retries=2)
        assert (got.error, got.text) == (None, ALL)
        assert len(server.joins) == 1
        assert len(server.of("/config" if of == "config" else "/queue/data")) == 3

    in_ways(ask)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    "join",
    [
        pytest.param([http(429, HTML, Retry_After="0")], id="429"),
        *(pytest.param([http(status, HTML)], id=str(status)) for status in (500, 502, 503, 504)),
        pytest.param([http(503, {"detail": "Queue is full."}, Retry_After="0")], id="full"),
        pytest.param([CUT], id="cut"),
        pytest.param([RESET], id="reset"),
        pytest.param([http(200, {})], id="no-event-id"),
        pytest.param([HANG], id="silent"),
    ],
)
def test_a_join_that_has_arrived_is_not_sent_again(
    join: Script, serve: Serve, in_ways: InWays
) -> None:
    def ask(way: str) -> None:
        with serve(app(sse(HANG), join=join)) as server:
            got = WAYS[way](server.url, max_retries=3, timeouts=Timeouts(silence=1.0))
        assert got.error is not None
        assert got.error.tries == ()
        assert len(server.joins) == 1
        assert {each.session_hash for each in server.streams} <= {server.joins[0].session_hash}

    in_ways(ask)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param([http(500, HTML)], id="failed"),
        pytest.param(sse(*BEGUN, CUT), id="cut-before-a-token"),
        pytest.param(sse(*BEGUN, ONE, RESET), id="reset-after-a-token"),
    ],
)
def test_a_stream_that_was_begun_is_not_asked_for_again(
    data: Script, serve: Serve, in_ways: InWays
) -> None:
    def ask(way: str) -> None:
        with serve(app(data, sse(HANG))) as server:
            got = WAYS[way](server.url, max_retries=3)
        assert got.error is not None
        assert got.error.tries == ()
        assert len(server.joins) == 1
        assert len(server.streams) == (2 if data[0][9:12] == b"500" else 1)  # to give it up

    in_ways(ask)


# The error's record


@pytest.mark.usefixtures("_quick")
def test_the_error_of_every_caller_has_the_tries(serve: Serve, in_ways: InWays) -> None:
    def ask(way: str) -> None:
        config = playing([BUSY], [http(502, HTML)], [http(503, {"detail": "Queue is stopped."})])
        with serve(ScriptedServer(config=config)) as server:
            got = WAYS[way](server.url, max_retries=2)
        assert isinstance(got.error, SpaceUnavailableError)
        assert got.error.tries == ("HTTP 503", "HTTP 502", "Queue is stopped")
        said = "It was tried 3 times: HTTP 503; HTTP 502; Queue is stopped."
        assert str(got.error).endswith(said)

    in_ways(ask)


@pytest.mark.usefixtures("_quick")
def test_an_address_where_nobody_listens_is_tried_again(
    unused_tcp_port: int, in_ways: InWays
) -> None:
    def ask(way: str) -> None:
        url = f"http://127.0.0.1:{unused_tcp_port}"
        got = WAYS[way](url, max_retries=2)
        assert isinstance(got.error, SpaceUnreachableError)
        assert str(got.error).startswith(f"Cannot reach {url}/config: connection refused.")
        assert got.error.tries == ("connection refused",) * 3

    in_ways(ask)


@pytest.mark.usefixtures("_quick")
def test_a_join_that_cannot_have_arrived_is_tried_again(serve: Serve, in_ways: InWays) -> None:
    config = [STOP_LISTENING, http(200, CONFIG, Connection="close"), CUT]

    def ask(way: str) -> None:
        with serve(ScriptedServer(config=playing(config))) as server:
            got = WAYS[way](server.url, max_retries=2)
        assert isinstance(got.error, SpaceUnreachableError)
        assert got.error.tries == ("connection refused",) * 3
        assert server.joins == []

    in_ways(ask)


def test_an_address_that_cannot_be_is_tried_once(in_ways: InWays) -> None:
    def ask(way: str) -> None:
        got = WAYS[way]("http://a..b", max_retries=5)
        assert isinstance(got.error, SpaceUnreachableError)
        assert got.error.tries == ()

    in_ways(ask)
