"""The client against a real Gradio app."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import threading
from typing import Any

import aiohttp
import pytest

from qwen_space import (
    Completed,
    EndpointError,
    Event,
    JobError,
    ModelNotOfferedError,
    Queued,
    Rewritten,
    SpaceClient,
    Started,
    TextDelta,
    __version__,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT

MEGABYTES = "0123456789abcdef" * (3 * 2**16)


def deltas(events: list[Event]) -> list[str]:
    return [event.delta for event in events if isinstance(event, TextDelta)]


async def collect_events(client: SpaceClient, prompt: str = "Hi", **options: Any) -> list[Event]:
    async with client.stream(prompt, **options) as events:
        return [event async for event in events]


# The pieces that the app yields, and the deltas where they are not just those: Gradio holds back
# the line ends at the end of a text until the next line has something in it.
REPLIES = [
    pytest.param(["Hello", " ", "there", "."], None, id="words"),
    pytest.param(["a"] * 20, None, id="repeated"),
    pytest.param(["ha", "ha", "ha ", "ha ", "ha"], None, id="repeated-words"),
    pytest.param(["[0, 1]", "[0, 1]", "[1]"], None, id="like-paths"),
    pytest.param(
        ['["append", [0], "x"]', '["append", [0, 1, "text"], "y"]', "[[]]"], None, id="like-edits"
    ),
    pytest.param(['{"msg":"close_stream"}', "data: x\n\ndata: y"], None, id="like-messages"),
    pytest.param(["🙂", "🙂", "a🙂"], None, id="emoji"),
    pytest.param(["👩", "\u200d", "👩", "\u200d👧", "🏽", "e", "\u0301"], None, id="combined"),
    pytest.param(["你", "好", "。世", "界"], None, id="chinese"),
    pytest.param(["a\u2028b", "\u2029", "c\x85d", "\x0b", "e\x7f"], None, id="line-separators"),
    pytest.param(["a", "", "", "b", ""], ["a", "b"], id="empty-pieces"),
    pytest.param(["a", "\n", "\n", "b", "\n\n\n", "c"], ["a", "\n\nb", "\n\n\nc"], id="newlines"),
    pytest.param(["a", " ", "  ", "b", " c"], None, id="spaces"),
    pytest.param(["<b>", "&amp;", "</b>", "\\", '"', "'", "\x00"], None, id="escapes"),
    pytest.param(["```\n", "x = 1\n", "```"], ["```", "\nx = 1", "\n```"], id="code"),
    pytest.param(["the only one"], None, id="one"),
    pytest.param([], [], id="none"),
]


@pytest.mark.parametrize(("pieces", "expected"), REPLIES)
async def test_each_piece_is_one_delta_to_the_letter(
    space: Any, pieces: list[str], expected: list[str] | None
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert deltas(events) == (pieces if expected is None else expected)
    assert not any(isinstance(event, Rewritten) for event in events)
    assert isinstance(events[-1], Completed)
    assert events[-1].text == "".join(pieces)


async def test_a_piece_is_there_before_the_next_is_made(space: Any) -> None:
    pieces = space.engine.reply = ["one ", "two ", "two ", "[1]"]
    space.engine.gate = threading.Semaphore(0)
    got: list[str] = []

    async with SpaceClient(space.url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, Started):
                space.engine.gate.release()
            elif isinstance(event, TextDelta):
                got.append(event.delta)
                assert event.text == "".join(pieces[: len(got)])
                space.engine.gate.release()

    assert got == pieces


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1. **A**:\n   - a1\n   - a2\n2. **B**:\n   - b1\n", id="nested-list"),
        pytest.param("a\n\tb\n\tc\nd\te", id="tabs"),
        pytest.param("\n\n  a\n    b\n", id="blank-start"),
        pytest.param("def f():\n    return 1\n\n\nf()\n", id="code"),
    ],
)
async def test_only_white_space_may_change_that_gradio_cleans(space: Any, text: str) -> None:
    space.engine.reply = re.findall(r"\S+|\s", text)

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert not any(isinstance(event, Rewritten) for event in events)
    assert "".join("".join(deltas(events)).split()) == "".join(text.split())
    assert isinstance(events[-1], Completed)
    assert events[-1].text.split() == text.split()


async def test_events_come_in_their_order(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    kinds = [type(event) for event in events]
    assert kinds == [Queued, Started, TextDelta, TextDelta, TextDelta, TextDelta, Completed]
    done = events[-1]
    assert isinstance(done, Completed)
    assert done.finish_reason == "stop"
    assert done.model == "72B"
    assert done.duration > 0
    assert re.fullmatch(r"[0-9a-f]{32}", done.event_id or "")


async def test_a_long_reply_is_to_the_letter(space: Any) -> None:
    pieces = space.engine.reply = [f"{number:06} words, " for number in range(300)] + [
        "x" * 300_000
    ]

    async with SpaceClient(space.url) as client:
        events = await collect_events(client)

    assert deltas(events) == pieces


@pytest.mark.parametrize("long", ["prompt", "system"])
async def test_lines_of_megabytes_are_read(space: Any, long: str) -> None:
    texts = {"prompt": "Hi", "system": "Be brief.", long: MEGABYTES}

    async with SpaceClient(space.url) as client:
        done = await client.complete(texts["prompt"], system=texts["system"])

    assert done.text == "Hello there."
    assert [each["content"] for each in space.engine.requests[0]] == [
        texts["system"],
        texts["prompt"],
    ]


# Requests


async def test_the_body_is_the_public_space_s_to_the_letter(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        endpoint = await client.endpoint()
        await client.complete("Hi", system="Be brief.")

    (join,) = space.joins
    assert join == {
        "data": ["Hi", [], "Be brief.", "72B"],
        "event_data": None,
        "fn_index": endpoint.fn_index,
        "trigger_id": endpoint.trigger_id,
        "session_hash": join["session_hash"],
    }
    assert list(join) == ["data", "event_data", "fn_index", "trigger_id", "session_hash"]
    assert endpoint.fn_index == 3
    assert endpoint.trigger_id is not None


async def test_a_session_hash_is_new_each_time_and_the_same_in_both_requests(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")
        await client.complete("Hi")

    hashes = [join["session_hash"] for join in space.joins]
    assert len(set(hashes)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in hashes)
    # The local Space hears a stream by the hash in its query, and answered only these.
    prefix = "/gradio_api/queue"
    assert space.paths == ["/config", *[f"{prefix}/join", f"{prefix}/data"] * 2]


async def test_no_system_prompt_is_the_space_s_own(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")

    assert space.joins[0]["data"][2] == DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize(
    ("of_the_call", "expected"), [(None, "Be brief."), ("Be long.", "Be long."), ("", "")]
)
async def test_a_client_s_system_prompt_is_for_calls_that_bring_none(
    space: Any, of_the_call: str | None, expected: str
) -> None:
    async with SpaceClient(space.url, system_prompt="Be brief.") as client:
        await client.complete("Hi", system=of_the_call)

    assert space.joins[0]["data"][2] == expected


async def test_headers_are_honest(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")

    config, join, data = space.headers
    for headers in space.headers:
        assert headers["user-agent"] == f"qwen-space/{__version__}"
        assert headers["origin"] == space.url
        assert headers["referer"] == f"{space.url}/"
        assert "x-hf-authorization" not in headers
        assert "authorization" not in headers
    assert config["accept"] == join["accept"] == "application/json"
    assert join["content-type"] == "application/json"
    assert data["accept"] == "text/event-stream"


async def test_a_token_goes_with_every_request(space: Any) -> None:
    async with SpaceClient(space.url, hf_token="hf_secret") as client:
        await client.complete("Hi")

    assert [each["x-hf-authorization"] for each in space.headers] == ["Bearer hf_secret"] * 3
    assert not any("authorization" in headers for headers in space.headers)


async def test_headers_of_the_caller_s_are_added_or_replace_ours_whatever_their_case(
    space: Any,
) -> None:
    headers = {"user-agent": "mine/1", "REFERER": "http://example.org/", "X-More": "more"}

    async with SpaceClient(space.url, headers=headers) as client:
        await client.complete("Hi")

    assert len(space.headers) == 3
    for each in space.headers:
        assert each["user-agent"] == "mine/1"
        assert each["referer"] == "http://example.org/"
        assert each["x-more"] == "more"


async def test_a_header_is_sent_once(space: Any) -> None:
    sent: list[list[str]] = []
    trace = aiohttp.TraceConfig()

    async def note(session: Any, context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        sent.append([name.lower() for name in params.headers])

    trace.on_request_start.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = SpaceClient(space.url, headers={"user-agent": "mine/1"}, session=session)
        await client.complete("Hi")

    assert len(sent) == 3
    assert all(names.count("user-agent") == 1 for names in sent)


@pytest.mark.parametrize(
    ("model", "choice"), [("qwen-2.5", "72B"), ("7B", "7B"), ("Qwen2.5-7B-Instruct", "7B")]
)
async def test_a_model_is_one_of_the_app_s(space: Any, model: str, choice: str) -> None:
    async with SpaceClient(space.url, model=model) as client:
        done = await client.complete("Hi")
        other = await client.complete("Hi", model="3B")

    assert [join["data"][3] for join in space.joins] == [choice, "3B"]
    assert (done.model, other.model) == (choice, "3B")


async def test_a_model_that_is_not_offered_is_an_error_before_anything_is_sent(space: Any) -> None:
    async with SpaceClient(space.url, model="8B") as client:
        with pytest.raises(ModelNotOfferedError, match="it offers: 72B, 32B, 14B, 7B, 3B, 1"):
            await client.complete("Hi")

    assert space.joins == []


CHAT = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "A"},
    {"role": "assistant", "content": "B"},
    {"role": "user", "content": "C"},
]


async def test_a_split_chat_is_one_prompt(space: Any) -> None:
    async with SpaceClient(space.url, history="split") as client:
        await client.chat(CHAT)

    assert space.joins[0]["data"] == ["User: A\nAssistant: B\nUser: C\nAssistant:", [], "S", "72B"]


async def test_a_native_history_goes_to_the_app_s_own_input(space: Any) -> None:
    async with SpaceClient(space.url, history="native") as client:
        await client.chat(CHAT)

    prompt, history, system, _ = space.joins[0]["data"]
    assert (prompt, system) == ("C", "S")
    assert history == [
        {"role": "user", "content": [{"type": "text", "text": "A"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "B"}]},
    ]
    assert [(each["role"], each["content"]) for each in space.engine.requests[0]] == [
        ("system", "S"),
        ("user", "A"),
        ("assistant", "B"),
        ("user", "C"),
    ]


async def test_a_chat_that_does_not_alternate_is_split_even_natively(space: Any) -> None:
    async with SpaceClient(space.url, history="native") as client:
        await client.chat(CHAT[:3])

    assert space.joins[0]["data"][:2] == ["User: A\nAssistant: B\nAssistant:", []]


async def test_turns_are_messages_too(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await client.chat([Turn("system", "S"), Turn("user", "Hi")])

    assert space.joins[0]["data"][:3] == ["Hi", [], "S"]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.stream(""), id="empty-prompt"),
        pytest.param(lambda client: client.stream_chat([]), id="no-messages"),
        pytest.param(lambda client: client.stream_chat([{"content": "x"}]), id="no-role"),
    ],
)
async def test_a_misuse_is_told_where_it_is_made(ask: Any) -> None:
    with pytest.raises(ValueError, match=r"empty|no messages|no role"):
        ask(SpaceClient("http://127.0.0.1:9"))


async def test_an_input_that_the_app_does_not_have_is_a_misuse(space: Any) -> None:
    async with SpaceClient(space.url, inputs={"temperature": 1}) as client:
        with pytest.raises(ValueError, match="no such input"):
            await client.complete("Hi")

    assert space.joins == []


async def test_an_endpoint_can_be_named(space: Any) -> None:
    async with SpaceClient(space.url, endpoint="/model_chat") as client:
        done = await client.complete("Hi")

    assert done.text == "Hello there."
    assert space.joins[0]["fn_index"] == 2


async def test_an_endpoint_that_is_not_there_is_an_error(space: Any) -> None:
    async with SpaceClient(space.url, endpoint="nope") as client:
        with pytest.raises(EndpointError, match="no endpoint /nope"):
            await client.complete("Hi")


async def test_config_is_asked_for_once(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        assert client.found is None
        for _ in range(3):
            await client.complete("Hi")
        assert client.found == await client.endpoint()

    assert space.paths.count("/config") == 1


# Leaving


async def test_leaving_the_block_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    async with SpaceClient(space.url) as client, client.stream("Hi") as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_an_error_in_the_block_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    async def read(client: SpaceClient) -> None:
        async with client.stream("Hi") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    raise ZeroDivisionError

    async with SpaceClient(space.url) as client:
        with pytest.raises(ZeroDivisionError):
            await read(client)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_cancelling_the_task_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)
    first = asyncio.Event()

    async def read() -> None:
        async with SpaceClient(space.url) as client, client.stream("Hi") as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_reading_to_the_end_cancels_nothing(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        await collect_events(client)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.finished == 1)
    assert space.engine.cancelled == 0


async def test_leaving_before_the_first_event_is_read_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(0)

    async with SpaceClient(space.url) as client, client.stream("Hi"):
        await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


# Stop sequences


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        pytest.param(["a", "STOP", "b"], ["STOP"], ["a"], id="a-piece"),
        pytest.param(["a S", "TO", "P b"], ["STOP"], ["a "], id="over-borders"),
        pytest.param(["STOP"], ["STOP"], [], id="at-once"),
        pytest.param(["a", "b ST", "c"], ["STOP"], ["a", "b ", "STc"], id="only-the-start"),
        pytest.param(["a", "ST"], ["STOP"], ["a", "ST"], id="only-the-start-at-the-end"),
        pytest.param(["one", " two", " three"], ["three", " two"], ["one"], id="two"),
    ],
)
async def test_a_reply_ends_before_a_stop_sequence(
    space: Any, pieces: list[str], stop: list[str], expected: list[str]
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client, stop=stop)

    done = events[-1]
    assert deltas(events) == expected
    assert isinstance(done, Completed)
    assert done.text == "".join(expected)
    hit = any(each in "".join(pieces) for each in stop)
    assert done.finish_reason == ("stop_sequence" if hit else "stop")
    assert sum(isinstance(event, Completed) for event in events) == 1


async def test_a_stop_sequence_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.reply = ["a", "STOP", "b", "c"]
    space.engine.gate = threading.Semaphore(2)

    async with SpaceClient(space.url) as client:
        done = await client.complete("Hi", stop=["STOP"])

    assert done.text == "a"
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


LIMITS = [
    pytest.param(["a", " b", " c"], 2, ["a", " b"], "length", id="cut"),
    pytest.param(["a b c"], 2, ["a b"], "length", id="one-piece"),
    pytest.param(["a", " b"], 2, ["a", " b"], "stop", id="just-enough"),
    pytest.param(["a", " STOP", " c"], 2, ["a", " "], "stop_sequence", id="stop-comes-first"),
    pytest.param(["a", " b", "STOP"], 1, ["a"], "length", id="length-comes-first"),
]


@pytest.mark.parametrize(("pieces", "most", "expected", "reason"), LIMITS)
async def test_a_reply_ends_after_so_many_tokens(
    space: Any, pieces: list[str], most: int, expected: list[str], reason: str
) -> None:
    space.engine.reply = pieces

    async with SpaceClient(space.url) as client:
        events = await collect_events(client, stop=["STOP"], sampling={"max_tokens": most})

    done = events[-1]
    assert deltas(events) == expected
    assert (done.text, done.finish_reason) == ("".join(expected), reason)
    assert sum(isinstance(event, Completed) for event in events) == 1


async def test_a_limit_of_tokens_stops_the_job_on_the_server(space: Any) -> None:
    space.engine.reply = ["a", " b", " c", " d"]
    space.engine.gate = threading.Semaphore(2)

    async with SpaceClient(space.url) as client:
        done = await client.complete("Hi", sampling={"max_tokens": 1})

    assert (done.text, done.finish_reason) == ("a", "length")
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


@pytest.mark.parametrize("most", [0, -5])
async def test_a_limit_below_one_token_is_a_misuse_before_anything_is_sent(
    space: Any, most: int
) -> None:
    async with SpaceClient(space.url) as client:
        with pytest.raises(ValueError, match=f"max_tokens={most}"):
            await client.complete("Hi", sampling={"max_tokens": most})

    assert space.joins == []


async def test_an_empty_stop_sequence_is_a_misuse_before_anything_is_sent(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        with pytest.raises(ValueError, match="empty"):
            await client.complete("Hi", stop=[""])

    assert space.joins == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stop": 5}, "stop=5 is neither"),
        ({"stop": ["a", 5]}, "stop=['a', 5] is neither"),
        ({"stop": b"a"}, "stop=b'a' is neither"),
        ({"stop": {"a": 1}}, "stop={'a': 1} is neither"),
        ({"model": 5}, "model=5 is no text"),
        ({"inputs": ["a"]}, "inputs=['a'] is no mapping"),
        ({"sampling": 0.5}, "sampling=0.5 is no mapping"),
        ({"sampling": {"temperature": "hot"}}, "temperature='hot' is no number"),
        ({"sampling": {"top_p": True}}, "top_p=True is no number"),
    ],
)
def test_an_option_that_cannot_be_right_is_named_before_anything_is_sent(
    options: dict[str, Any], said: str
) -> None:
    client = SpaceClient("http://127.0.0.1:9")

    for ask in (
        client.stream,
        lambda text, **given: client.stream_chat([Turn("user", text)], **given),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            ask("Hi", **options)


# Failures of the app


@pytest.mark.parametrize("pieces", [[], ["one "], ["one ", "two "]])
async def test_a_failure_of_the_app_is_an_error_with_the_text_so_far(
    space: Any, pieces: list[str]
) -> None:
    space.engine.reply = [*pieces, ValueError("planned")]
    got: list[Event] = []

    async def read(client: SpaceClient) -> None:
        async with client.stream("Hi") as events:
            async for event in events:
                got.append(event)  # noqa: PERF401 - a comprehension would lose them

    async with SpaceClient(space.url) as client:
        with pytest.raises(JobError, match="planned") as caught:
            await read(client)

    assert deltas(got) == pieces
    assert caught.value.text == "".join(pieces)
    assert caught.value.reason == "ValueError: planned"


async def test_a_client_goes_on_after_a_failure(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        space.engine.reply = [ValueError("planned")]
        with pytest.raises(JobError):
            await client.complete("Hi")
        space.engine.reply = ["better"]
        done = await client.complete("Hi")

    assert done.text == "better"


# Many at once, and sessions


async def test_twenty_streams_at_once_each_get_their_own_reply(space: Any) -> None:
    space.engine.reply = lambda messages: [f"{messages[-1]['content']}:{i} " for i in range(20)]

    async with SpaceClient(space.url) as client:
        replies = await asyncio.gather(*(client.complete(f"p{number}") for number in range(20)))

    assert [reply.text for reply in replies] == [
        "".join(f"p{number}:{i} " for i in range(20)) for number in range(20)
    ]
    assert len({join["session_hash"] for join in space.joins}) == 20


async def test_a_session_of_the_caller_s_is_used_and_left_open(space: Any) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        async with SpaceClient(space.url, session=session) as client:
            await client.complete("Hi")

        assert not session.closed
        assert [headers["x-mine"] for headers in space.headers] == ["yes"] * 3


async def test_a_client_s_own_session_is_closed(
    space: Any, recwarn: pytest.WarningsRecorder
) -> None:
    async with SpaceClient(space.url) as client:
        await client.complete("Hi")
        session = client._transport._session
        assert session is not None

    del client
    gc.collect()
    assert session.closed
    assert not [each for each in recwarn if each.category is ResourceWarning]


async def test_a_closed_client_opens_again(space: Any) -> None:
    client = SpaceClient(space.url)
    await client.complete("Hi")
    await client.close()

    done = await client.complete("Hi")
    await client.close()
    await client.close()

    assert done.text == "Hello there."


async def test_nothing_connects_before_the_first_call(space: Any) -> None:
    async with SpaceClient(space.url) as client:
        client.stream("Hi")
        assert client._transport._session is None

    assert space.paths == []


async def test_no_secret_is_logged(space: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "qwen_space")

    async with SpaceClient(space.url, hf_token="hf_secret") as client:
        await client.complete("Hi")

    assert [record.name for record in caplog.records if record.name.startswith("qwen_space")]
    assert "hf_secret" not in caplog.text
