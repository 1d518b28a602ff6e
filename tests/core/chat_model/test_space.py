from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qwen_space import (
    Completed,
    JobError,
    ModelNotOfferedError,
    Space,
    SpaceClient,
    SpaceConfig,
    SpaceStatusError,
    TextDelta,
    Timeouts,
)
from qwen_space.chat.messages import Turn
from qwen_space.config import SpaceOptions
from tests.scripted_server import CONFIG, EVENT_ID, Exchange, ScriptedServer, status

HI = [Turn("user", "Hi")]
TEXT = "Hello there."


def at(space: Any, **options: Any) -> Space:
    return Space.from_config(SpaceConfig(space=space.url, timeouts=Timeouts(silence=20), **options))


def deltas(events: Any) -> list[str]:
    return [event.delta for event in events if isinstance(event, TextDelta)]


def echo(messages: Any) -> list[str]:
    return [f"{messages[-1]['content']}:{number} " for number in range(10)]


def test_a_blocking_caller_gets_the_reply(space: Any) -> None:
    assert at(space).chat(HI).text == TEXT


def test_a_blocking_caller_gets_each_event(space: Any) -> None:
    events = list(at(space).stream_chat(HI))

    assert deltas(events) == ["Hello", " ", "there", "."]
    assert isinstance(events[-1], Completed)


async def test_an_asynchronous_caller_gets_each_event(space: Any) -> None:
    async with at(space).astream_chat(HI) as events:
        got = [event async for event in events]

    assert deltas(got) == ["Hello", " ", "there", "."]
    assert (await at(space).achat(HI)).text == TEXT


async def test_a_blocking_call_works_in_a_running_loop(space: Any) -> None:
    shared = at(space)

    assert shared.chat(HI).text == TEXT
    assert "".join(deltas(shared.stream_chat(HI))) == TEXT
    assert (await shared.achat(HI)).text == TEXT


def test_one_object_works_in_one_loop_after_the_other(space: Any) -> None:
    shared = at(space)

    replies = [asyncio.run(shared.achat(HI)).text for _ in range(5)]

    assert replies == [TEXT] * 5
    assert space.paths.count("/config") == 1


def test_one_object_works_from_twenty_threads(space: Any) -> None:
    space.engine.reply = echo
    shared = at(space)
    chats = [[Turn("user", f"p{number}")] for number in range(20)]

    with ThreadPoolExecutor(20) as pool:
        streamed = list(pool.map(lambda chat: "".join(deltas(shared.stream_chat(chat))), chats))
        whole = list(pool.map(lambda chat: shared.chat(chat).text, chats))

    expected = ["".join(f"p{number}:{i} " for i in range(10)) for number in range(20)]
    assert streamed == expected
    assert whole == expected


def test_config_is_asked_for_once_by_each_object(space: Any) -> None:
    shared = at(space)

    for _ in range(3):
        shared.chat(HI)
        list(shared.stream_chat(HI))

    assert space.paths.count("/config") == 1
    at(space).chat(HI)
    assert space.paths.count("/config") == 2


def test_a_generator_that_is_closed_early_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)
    events = at(space).stream_chat(HI)

    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


def test_a_generator_that_is_not_begun_asks_nothing(space: Any) -> None:
    at(space).stream_chat(HI)

    assert space.paths == []


def test_an_error_passes_to_a_blocking_caller(space: Any) -> None:
    space.engine.reply = ["one ", ValueError("planned")]
    got: list[Any] = []

    with pytest.raises(JobError, match="planned") as streamed:
        got.extend(at(space).stream_chat(HI))
    with pytest.raises(JobError, match="planned") as whole:
        at(space).chat(HI)

    assert deltas(got) == ["one "]
    assert streamed.value.text == whole.value.text == "one "


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_a_misuse_passes_to_a_blocking_caller(space: Any, call: str) -> None:
    shared = at(space)

    with pytest.raises(ModelNotOfferedError, match="8B"):
        list(getattr(shared, call)(HI, model="8B"))
    with pytest.raises(ValueError, match="stop=5"):
        list(getattr(shared, call)(HI, stop=5))


@pytest.mark.parametrize(
    "copied",
    [lambda each: pickle.loads(pickle.dumps(each)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
@pytest.mark.parametrize("used", [False, True])
def test_a_copy_works_like_the_original(space: Any, copied: Any, used: bool) -> None:
    original = at(space, system_prompt="S")
    if used:
        original.chat(HI)

    twin = copied(original)

    assert twin.config == original.config
    assert twin.chat(HI).text == TEXT
    assert space.joins[-1]["data"][2] == "S"
    assert space.paths.count("/config") == 1


def test_options_are_those_of_the_call(space: Any) -> None:
    space.engine.reply = ["a", "STOP", "b"]

    done = at(space).chat(HI, model="7B", stop=["STOP"])

    assert (done.text, done.model, done.finish_reason) == ("a", "7B", "stop_sequence")


@pytest.mark.filterwarnings("ignore")  # of tasks that end with their loop
def test_a_loop_that_was_closed_under_a_call_is_let_go(space: Any) -> None:
    shared = at(space)

    def one_that_is_closed() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        events = shared.astream_chat(HI)
        loop.run_until_complete(events.__aenter__())
        loop.close()
        return weakref.ref(loop)

    closed = one_that_is_closed()
    gc.collect()

    assert closed() is None
    assert shared.chat(HI).text == TEXT


async def test_an_app_that_was_deployed_anew_is_looked_at_again() -> None:
    accepted = status(200, {"event_id": EVENT_ID})
    answers = iter([accepted, status(404, {"detail": "Not Found"}), accepted])

    async def join(exchange: Exchange) -> None:
        await next(answers)(exchange)

    async with ScriptedServer(config=status(200, CONFIG), join=join) as server:
        shared = at(server)
        await shared.achat(HI)
        with pytest.raises(SpaceStatusError):
            await shared.achat(HI)
        done = await shared.achat(HI)

    assert done.text == TEXT
    assert len(server.of("/config")) == 2


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
from qwen_space import SpaceConfig
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space

space = Space.from_config(SpaceConfig(space=sys.argv[1]))
hi = [Turn("user", "Hi")]
assert space.chat(hi).text == "Hello there."
child = os.fork()
if child == 0:
    ok = space.chat(hi).text == "".join(
        each.delta for each in space.stream_chat(hi) if hasattr(each, "delta")
    )
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(space.chat(hi).text)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_it_works_again_in_the_child_of_a_fork_and_in_the_parent(space: Any) -> None:
    done = python(FORK, space.url)

    assert (done.returncode, done.stdout) == (0, "Hello there.\n"), done.stderr


EXIT = """
import sys
from qwen_space import SpaceConfig, TextDelta
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space

events = Space.from_config(SpaceConfig(space=sys.argv[1])).stream_chat([Turn("user", "Hi")])
print(next(event.delta for event in events if isinstance(event, TextDelta)))
{then}
"""


@pytest.mark.parametrize(
    ("then", "code"),
    [
        pytest.param("", 0, id="end"),
        pytest.param("sys.exit(3)", 3, id="exit"),
        pytest.param("sys.modules['kept'] = events", 0, id="kept-to-the-end"),
    ],
)
def test_leaving_the_interpreter_in_the_middle_of_a_stream_is_quiet(
    space: Any, then: str, code: int
) -> None:
    space.engine.gate = threading.Semaphore(1)

    done = python(EXIT.format(then=then), space.url)

    assert (done.returncode, done.stdout, done.stderr) == (code, "Hello\n", "")
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


# As a person without a framework uses it


def test_a_prompt_is_answered_in_a_line(space: Any) -> None:
    assert Space(space.url).complete("Hi", system="Be brief.").text == TEXT
    assert space.joins[-1]["data"][2] == "Be brief."


def test_a_chat_of_plain_messages_is_answered(space: Any) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

    assert Space(space.url).chat(messages).text == TEXT
    assert "".join(deltas(Space(space.url).stream_chat(messages))) == TEXT


def test_a_stream_is_an_iterator_and_a_context_manager(space: Any) -> None:
    asked = Space(space.url)

    with asked.stream("Hi") as events:
        assert "".join(deltas(events)) == TEXT
    events = asked.stream("Hi")
    while not isinstance(event := next(events), TextDelta):
        pass
    assert "".join([event.delta, *deltas(events)]) == TEXT


def test_leaving_the_block_of_a_stream_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)

    with Space(space.url).stream("Hi") as events:
        next(event for event in events if isinstance(event, TextDelta))

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


async def test_the_asynchronous_twins_answer_too(space: Any) -> None:
    asked = Space(space.url)

    assert (await asked.acomplete("Hi")).text == TEXT
    assert (await asked.achat([{"role": "user", "content": "Hi"}])).text == TEXT
    async with asked.astream("Hi") as events:
        assert "".join(deltas([event async for event in events])) == TEXT


def test_a_space_that_is_closed_has_no_client_left_and_answers_again(
    space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_space.chat_model.client_pool._IDLE", 60.0)

    with Space(space.url) as asked:
        asked.complete("Hi")
        pool = asked._pool
        assert not pool.is_empty

    assert pool.is_empty
    assert asked.complete("Hi").text == TEXT
    asked.close()


@pytest.mark.parametrize("call", ["complete", "stream"])
def test_a_call_that_cannot_be_right_fails_before_anything_is_sent(space: Any, call: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        getattr(Space(space.url), call)(" ")
    with pytest.raises(ValueError, match="stop=3"):
        getattr(Space(space.url), call)("Hi", stop=3)

    assert space.paths == []


def test_within_async_with_connections_are_kept_in_this_loop(space: Any) -> None:
    asked = Space([space.url])

    async def clients() -> int:
        await asked.acomplete("Hi")
        return len(asked._pool._shared)

    async def ask() -> None:
        assert await clients() == 0
        async with asked:
            assert [await clients() for _ in range(2)] == [1, 1]
        assert len(asked._pool._shared) == 0
        assert await clients() == 0

    loop = asyncio.new_event_loop()  # not asyncio.run's, where they are kept in any case
    loop.run_until_complete(ask())
    loop.close()


def test_it_takes_all_that_the_configuration_has() -> None:
    names = {each.name for each in dataclasses.fields(SpaceConfig)}
    parameters = set(inspect.signature(SpaceClient).parameters)

    assert set(SpaceOptions.__annotations__) == names - {"space", "fallbacks"}
    assert parameters - {"session"} <= names
