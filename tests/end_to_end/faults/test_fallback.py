"""Several Spaces as one: where one fails the next is asked, in each way to ask."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    JobError,
    NoSpaceAnsweredError,
    QuotaError,
    QwenSpaceError,
    Space,
    SpaceClient,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from qwen_space.client import wakeup
from tests.end_to_end.faults.conftest import Serve, ServeFront
from tests.end_to_end.faults.ways import WAYS, InWays
from tests.hub_front import Answer as Answered
from tests.hub_front import HubFront, told
from tests.scripted_server import (
    CONFIG,
    EVENT_ID,
    Answer,
    Exchange,
    ScriptedServer,
    append,
    failed,
    generating,
    replying,
    starts,
    status,
    streaming,
)

ONE_TRY: dict[str, Any] = {"max_retries": 0}
IMPATIENT: dict[str, Any] = {**ONE_TRY, "timeouts": Timeouts(first_token=0.2)}
STOPPED = {"msg": "unexpected_error", "event_id": EVENT_ID, "message": "out of memory"}


def choosing(*models: str) -> Answer:
    """Answer `/config` as an app that has the choice of some models."""
    config = copy.deepcopy(CONFIG)
    choices = [[each, each] for each in models]
    props = {"label": "Model", "choices": choices, "value": models[0]}
    config["components"].append({"id": 3, "type": "dropdown", "props": props})
    config["dependencies"][0]["inputs"].append(3)
    return status(200, config)


SERVED = {"config": choosing("72B", "7B")}

# The queue of Gradio 4.0 to 4.8, whose join is the stream, and which asks for the arguments.
OLD_QUEUE = {
    "config": status(200, {**CONFIG, "version": "4.1.0", "protocol": "sse"}),
    "join": streaming({"msg": "send_data", "event_id": EVENT_ID}, then="hang"),
}


async def _cut(exchange: Exchange) -> None:
    exchange.cut()


# Failures after which the next Space may be asked; None is a Space that is not there.
PASSED_OVER: dict[str, dict[str, Any] | None] = {
    "unreachable": None,
    "broken": {"config": status(500, {"detail": "Internal Server Error"})},
    "bad-gateway": {"config": status(502, "<html>Bad gateway</html>")},
    "no-chat": {"config": status(200, {**CONFIG, "dependencies": []})},
    "gone": {"config": status(404, ""), "join": status(404, "")},
    "model-not-offered": {"config": choosing("72B")},
    "private": {"config": status(401, {"detail": "Not authenticated"})},
    "full": {**SERVED, "join": status(503, {"detail": "Queue is full."})},
    "rate-limit": {**SERVED, "join": status(429, {"detail": "Too many requests"})},
    "join-fails": {**SERVED, "join": status(500, {"detail": "Internal Server Error"})},
    "job-fails": {**SERVED, "data": streaming(starts(), failed("CUDA out of memory"))},
    "quota-in-stream": {
        **SERVED,
        "data": streaming(
            starts(), failed("You have exceeded your GPU quota. Try again in 0:01:00")
        ),
    },
    "full-in-stream": {**SERVED, "data": streaming({"msg": "queue_full", "event_id": EVENT_ID})},
    "stopped": {**SERVED, "data": streaming(starts(), STOPPED)},
}

# Failures after which the prompt may have run, or text has come: the error, and the text.
FINAL: dict[str, tuple[dict[str, Any], type[QwenSpaceError], str]] = {
    "join-502": ({"join": status(502, "<html></html>")}, SpaceUnavailableError, ""),
    "join-cut": ({"join": _cut}, StreamInterruptedError, ""),
    "old-queue-502": (
        {**OLD_QUEUE, "data": status(502, "<html></html>")},
        SpaceUnavailableError,
        "",
    ),
    "cut-before-text": ({"data": streaming(starts(), then="cut")}, StreamInterruptedError, ""),
    "stream-500": ({"data": status(500, {"detail": "?"})}, SpaceStatusError, ""),
    "silent": ({"data": streaming(starts(), then="hang")}, SpaceTimeoutError, ""),
    "job-fails-in-text": (
        {"data": streaming(starts(), generating("Hel"), append("lo"), failed("no"))},
        JobError,
        "Hello",
    ),
    "cut-in-text": (
        {"data": streaming(starts(), generating("Hel"), then="cut")},
        StreamInterruptedError,
        "Hel",
    ),
}


@contextlib.contextmanager
def spaces(serve: Serve, *answers: dict[str, Any] | None) -> Iterator[list[ScriptedServer]]:
    """Let a server answer for each Space; a Space that is None has a port, and does not listen."""
    with contextlib.ExitStack() as stack:
        servers = []
        for each in answers:
            if each is None:
                server = ScriptedServer()
                server.url = stack.enter_context(_refusing())
            else:
                server = stack.enter_context(serve(ScriptedServer(**each)))
            servers.append(server)
        yield servers


@contextlib.contextmanager
def _refusing() -> Iterator[str]:
    """Hold a port that refuses connections, so that no server of another test gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def urls(servers: Sequence[ScriptedServer]) -> list[str]:
    return [server.url for server in servers]


def answering(text: str, **more: Any) -> dict[str, Any]:
    return {"config": choosing("72B", "7B"), "data": replying(text[:2], text[2:]), **more}


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("failure", PASSED_OVER)
def test_the_next_space_answers_where_one_fails_before_its_first_text(
    failure: str, position: int, serve: Serve, in_ways: InWays
) -> None:
    others = [None, None]
    others.insert(position, PASSED_OVER[failure])

    def ask(way: str) -> None:
        with spaces(serve, *others, answering("Hello.")) as servers:
            got = WAYS[way](urls(servers), model="7B", **ONE_TRY)

            assert got.error is None
            assert got.text == "Hello."
            assert len(servers[-1].joins) == 1
            assert len(servers[position].joins) <= 1

    in_ways(ask)


@pytest.fixture
def asleep(serve_front: ServeFront, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubFront]:
    """A Space that sleeps, and its hub, behind a proxy of the environment as loopback is not."""
    with serve_front(HubFront([Answered(503, "<html>Loading</html>")], [told("SLEEPING")])) as hub:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{hub.port}")
        monkeypatch.setenv("HF_ENDPOINT", hub.hub)
        monkeypatch.setattr(wakeup, "_FIRST_PAUSE", 0.01)
        yield hub


@pytest.mark.parametrize("position", [0, 1])
def test_the_next_space_answers_where_one_is_asleep(
    position: int, asleep: HubFront, serve: Serve, in_ways: InWays
) -> None:
    options = {**ONE_TRY, "timeouts": Timeouts(fallback_wake=0.05)}

    def ask(way: str) -> None:
        with spaces(serve, PASSED_OVER["full"], answering("Hello.")) as servers:
            several = urls(servers)
            several.insert(position, asleep.space())
            got = WAYS[way](several, model="7B", **options)

            assert got.error is None
            assert got.text == "Hello."
            assert [len(each.joins) for each in servers] == [1, 1]

    in_ways(ask)
    assert asleep.of("/config")
    assert asleep.of("/queue/join") == []


@pytest.mark.parametrize("case", FINAL)
def test_no_other_space_is_asked_where_the_prompt_may_have_run_or_text_has_come(
    case: str, serve: Serve, in_ways: InWays
) -> None:
    answers, error, text = FINAL[case]
    options = IMPATIENT if case == "silent" else ONE_TRY

    def ask(way: str) -> None:
        with spaces(serve, {**SERVED, **answers}, answering("Hello.")) as servers:
            got = WAYS[way](urls(servers), **options)

            assert isinstance(got.error, error)
            assert got.error.text == text
            assert got.text is None
            assert servers[1].exchanges == []

    in_ways(ask)


@pytest.mark.parametrize("refusal", [500, 503])
async def test_the_next_space_is_asked_where_an_old_queue_refuses_its_arguments(
    refusal: int,
) -> None:
    async with (
        ScriptedServer(**OLD_QUEUE, data=status(refusal, "<html></html>")) as old,
        ScriptedServer(**answering("Hello.")) as other,
        SpaceClient([old.url, other.url], **ONE_TRY) as client,
    ):
        assert (await client.complete("Hi")).space == other.url


def test_the_first_space_is_left_before_the_next_is_asked(serve: Serve, in_ways: InWays) -> None:
    def ask(way: str) -> None:
        async def join(exchange: Exchange) -> None:
            at_once.append(
                len(servers[0].streams) - sum(each.dropped.is_set() for each in servers[0].streams)
            )
            await status(200, {"event_id": EVENT_ID})(exchange)

        at_once: list[int] = []
        failing = {**SERVED, "data": streaming(starts(), failed("no"), then="hang")}
        with spaces(serve, failing, answering("Hello.", join=join)) as servers:
            assert WAYS[way](urls(servers), **ONE_TRY).text == "Hello."

        assert at_once == [0]

    in_ways(ask)


def test_one_error_has_each_reason_where_all_fail(serve: Serve, in_ways: InWays) -> None:
    full = {**SERVED, "join": status(429, {"detail": "Slow down"}, {"Retry-After": "37"})}

    def ask(way: str) -> None:
        with spaces(serve, None, full, PASSED_OVER["job-fails"]) as servers:
            error = WAYS[way](urls(servers), **ONE_TRY).error

        assert isinstance(error, NoSpaceAnsweredError)
        assert [space for space, _ in error.errors] == urls(servers)
        reasons = [type(each) for _, each in error.errors]
        assert reasons == [SpaceUnreachableError, QuotaError, JobError]
        assert error.retry_after == 37
        assert "CUDA out of memory" in str(error)
        assert "Check the address" in str(error)

    in_ways(ask)


def through_core(space: Any) -> tuple[Any, Any]:
    done = Space(space, max_retries=0).complete("Hi")
    return done.space, [{"space": each.space, "reason": each.reason} for each in done.failures]


def through_langchain(space: Any) -> tuple[Any, Any]:
    metadata = ChatQwenSpace(space=space, max_retries=0).invoke("Hi").response_metadata
    return metadata["space"], metadata.get("fallbacks", [])


def through_langchain_stream(space: Any) -> tuple[Any, Any]:
    *_, last = ChatQwenSpace(space=space, max_retries=0).stream("Hi")
    return last.response_metadata["space"], last.response_metadata.get("fallbacks", [])


def through_llama_index(space: Any) -> tuple[Any, Any]:
    raw: Any = QwenSpace(space=space, max_retries=0).complete("Hi").raw
    return raw["space"], raw.get("fallbacks", [])


@pytest.mark.parametrize(
    "ask", [through_core, through_langchain, through_langchain_stream, through_llama_index]
)
def test_the_metadata_says_which_answered_and_why_others_did_not(
    ask: Callable[[Any], tuple[Any, Any]], serve: Serve
) -> None:
    with spaces(serve, None, PASSED_OVER["full"], answering("Hello.")) as servers:
        answered, failures = ask(urls(servers))

    assert answered == servers[2].url
    assert [each["space"] for each in failures] == urls(servers[:2])
    assert "connection refused" in failures[0]["reason"]
    assert "Queue is full" in failures[1]["reason"]


def test_the_space_that_answered_is_kept_though_the_first_one_is_there_again(serve: Serve) -> None:
    with spaces(serve, PASSED_OVER["full"], answering("Hello.")) as servers:
        space = Space(urls(servers))
        space.complete("Hi")
        servers[0].join = status(200, {"event_id": EVENT_ID})

        replies = [space.complete("Hi") for _ in range(3)]

        assert [each.space for each in replies] == [servers[1].url] * 3
        assert [each.failures for each in replies] == [()] * 3


def test_each_space_has_its_own_endpoint_inputs_and_model_names(serve: Serve) -> None:
    with spaces(serve, None, answering("Hello.", config=choosing("big", "my-7b"))) as servers:
        entry = {"space": servers[1].url, "endpoint": "/chat", "models": {"7B": "my-7b"}}
        space = Space([servers[0].url, entry], max_retries=0)

        assert space.complete("Hi", model="7B").model == "my-7b"
        assert space.complete("Hi").model == "big"


def leave_space(space: list[str]) -> None:
    with Space(space).stream("Hi") as events:
        for event in events:
            if isinstance(event, TextDelta):
                break


async def leave_client(space: list[str]) -> None:
    async with SpaceClient(space) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break


def leave_langchain(space: list[str]) -> None:
    stream = ChatQwenSpace(space=space).stream("Hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]


async def leave_langchain_by_cancelling(space: list[str]) -> None:
    started = asyncio.Event()

    async def read() -> None:
        async for _ in ChatQwenSpace(space=space).astream("Hi"):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def leave_llama_index(space: list[str]) -> None:
    stream = QwenSpace(space=space).stream_complete("Hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "leave",
    [
        leave_space,
        leave_client,
        leave_langchain,
        leave_langchain_by_cancelling,
        leave_llama_index,
    ],
)
def test_leaving_a_reply_stops_the_job_of_the_space_that_gives_it(
    leave: Callable[[list[str]], Any], serve: Serve
) -> None:
    hanging = {**SERVED, "data": streaming(starts(), generating("Hel"), then="hang")}
    with spaces(serve, PASSED_OVER["job-fails"], hanging) as servers:
        if asyncio.iscoroutinefunction(leave):
            asyncio.run(leave(urls(servers)))
        else:
            leave(urls(servers))

        assert len(servers[1].streams) == 1  # and `serve` waits until no connection is left


async def test_the_shortest_queue_is_asked_first() -> None:
    def waiting(count: int) -> dict[str, Any]:
        others = {"/queue/status": status(200, {"msg": "estimation", "queue_size": count})}
        return answering("Hello.", others=others)

    async with (
        ScriptedServer(**waiting(7)) as long,
        ScriptedServer(**waiting(2)) as short,
        ScriptedServer(**answering("Hello.")) as silent,
        SpaceClient([silent.url, long.url, short.url], strategy="least_queue") as client,
    ):
        done = await client.complete("Hi")

        assert done.space == short.url
        assert (silent.joins, long.joins) == ([], [])
