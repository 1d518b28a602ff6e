from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qwen_space import Completed, JobError, SpaceConfig, SpaceStatusError, TextDelta, Timeouts
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from tests.scripted_server import CONFIG, EVENT_ID, Exchange, ScriptedServer, status

HI = [Turn("user", "Hi")]
TEXT = "Hello there."


def at(space: Any, **options: Any) -> Space:
    return Space(SpaceConfig(space=space.url, timeouts=Timeouts(silence=20), **options))


def deltas(events: Any) -> list[str]:
    return [event.delta for event in events if isinstance(event, TextDelta)]


def echo(messages: Any) -> list[str]:
    return [f"{messages[-1]['content']}:{number} " for number in range(10)]


def test_a_blocking_caller_gets_the_reply(space: Any) -> None:
    assert at(space).complete(HI).text == TEXT


def test_a_blocking_caller_gets_each_event(space: Any) -> None:
    events = list(at(space).iterate(HI))

    assert deltas(events) == ["Hello", " ", "there", "."]
    assert isinstance(events[-1], Completed)


async def test_an_asynchronous_caller_gets_each_event(space: Any) -> None:
    async with at(space).stream(HI) as events:
        got = [event async for event in events]

    assert deltas(got) == ["Hello", " ", "there", "."]
    assert (await at(space).acomplete(HI)).text == TEXT


async def test_a_blocking_call_works_in_a_running_loop(space: Any) -> None:
    shared = at(space)

    assert shared.complete(HI).text == TEXT
    assert "".join(deltas(shared.iterate(HI))) == TEXT
    assert (await shared.acomplete(HI)).text == TEXT


def test_one_object_works_in_one_loop_after_the_other(space: Any) -> None:
    shared = at(space)

    replies = [asyncio.run(shared.acomplete(HI)).text for _ in range(5)]

    assert replies == [TEXT] * 5
    assert space.paths.count("/config") == 1


def test_one_object_works_from_twenty_threads(space: Any) -> None:
    space.engine.reply = echo
    shared = at(space)
    chats = [[Turn("user", f"p{number}")] for number in range(20)]

    with ThreadPoolExecutor(20) as pool:
        streamed = list(pool.map(lambda chat: "".join(deltas(shared.iterate(chat))), chats))
        whole = list(pool.map(lambda chat: shared.complete(chat).text, chats))

    expected = ["".join(f"p{number}:{i} " for i in range(10)) for number in range(20)]
    assert streamed == expected
    assert whole == expected


def test_config_is_asked_for_once_by_each_object(space: Any) -> None:
    shared = at(space)

    for _ in range(3):
        shared.complete(HI)
        list(shared.iterate(HI))

    assert space.paths.count("/config") == 1
    at(space).complete(HI)
    assert space.paths.count("/config") == 2


def test_a_generator_that_is_closed_early_stops_the_job(space: Any) -> None:
    space.engine.gate = threading.Semaphore(1)
    events = at(space).iterate(HI)

    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


def test_a_generator_that_is_not_begun_asks_nothing(space: Any) -> None:
    at(space).iterate(HI)

    assert space.paths == []


def test_an_error_passes_to_a_blocking_caller(space: Any) -> None:
    space.engine.reply = ["one ", ValueError("planned")]
    got: list[Any] = []

    with pytest.raises(JobError, match="planned") as streamed:
        got.extend(at(space).iterate(HI))
    with pytest.raises(JobError, match="planned") as whole:
        at(space).complete(HI)

    assert deltas(got) == ["one "]
    assert streamed.value.text == whole.value.text == "one "


@pytest.mark.parametrize("call", ["complete", "iterate"])
def test_a_misuse_passes_to_a_blocking_caller(space: Any, call: str) -> None:
    shared = at(space)

    with pytest.raises(ValueError, match="8B"):
        list(getattr(shared, call)(HI, model="8B"))


@pytest.mark.parametrize(
    "copied",
    [lambda each: pickle.loads(pickle.dumps(each)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
@pytest.mark.parametrize("used", [False, True])
def test_a_copy_works_like_the_original(space: Any, copied: Any, used: bool) -> None:
    original = at(space, system_prompt="S")
    if used:
        original.complete(HI)

    twin = copied(original)

    assert twin.config == original.config
    assert twin.complete(HI).text == TEXT
    assert space.joins[-1]["data"][2] == "S"
    assert space.paths.count("/config") == 1


def test_options_are_those_of_the_call(space: Any) -> None:
    space.engine.reply = ["a", "STOP", "b"]

    done = at(space).complete(HI, model="7B", stop=["STOP"])

    assert (done.text, done.model, done.finish_reason) == ("a", "7B", "stop_sequence")


@pytest.mark.filterwarnings("ignore")  # of what the loop was closed over
def test_a_loop_that_was_closed_under_a_call_is_let_go(space: Any) -> None:
    shared = at(space)

    def one_that_is_closed() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        events = shared.stream(HI)
        loop.run_until_complete(events.__aenter__())
        loop.close()
        return weakref.ref(loop)

    closed = one_that_is_closed()
    gc.collect()

    assert closed() is None
    assert shared.complete(HI).text == TEXT


async def test_an_app_that_was_deployed_anew_is_looked_at_again() -> None:
    accepted = status(200, {"event_id": EVENT_ID})
    answers = iter([accepted, status(404, {"detail": "Not Found"}), accepted])

    async def join(exchange: Exchange) -> None:
        await next(answers)(exchange)

    async with ScriptedServer(config=status(200, CONFIG), join=join) as server:
        shared = at(server)
        await shared.acomplete(HI)
        with pytest.raises(SpaceStatusError):
            await shared.acomplete(HI)
        done = await shared.acomplete(HI)

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

space = Space(SpaceConfig(space=sys.argv[1]))
hi = [Turn("user", "Hi")]
assert space.complete(hi).text == "Hello there."
child = os.fork()
if child == 0:
    ok = space.complete(hi).text == "".join(
        each.delta for each in space.iterate(hi) if hasattr(each, "delta")
    )
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(space.complete(hi).text)
"""


def test_it_works_again_in_the_child_of_a_fork_and_in_the_parent(space: Any) -> None:
    done = python(FORK, space.url)

    assert (done.returncode, done.stdout) == (0, "Hello there.\n"), done.stderr


EXIT = """
import sys
from qwen_space import SpaceConfig, TextDelta
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space

events = Space(SpaceConfig(space=sys.argv[1])).iterate([Turn("user", "Hi")])
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
