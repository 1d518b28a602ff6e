"""Streams and calls at the end of a program: it ends, nothing is said, and the job stops."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from tests.end_to_end.lifecycle.conftest import WatchedSpace
from tests.end_to_end.lifecycle.programs import begin, run

pytestmark = pytest.mark.processes

UVLOOP = pytest.param(
    "uvloop", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no uvloop")
)
PROGRAMS = [
    pytest.param("stream = pieces(); next(stream)", id="in-a-global"),
    pytest.param("sys.modules['kept'] = stream = pieces(); next(stream)", id="in-a-module"),
    pytest.param("stream = pieces(); next(stream); sys.exit(0)", id="sys-exit"),
    pytest.param("stream = pieces(); next(stream); atexit.register(stream.close)", id="atexit"),
    pytest.param(
        """
begun = threading.Event()
def read():
    for _ in pieces():
        begun.set()
threading.Thread(target=read, daemon=True).start()
begun.wait()
""",
        id="daemon-thread",
    ),
    pytest.param(
        """
threading.Thread(target=lambda: space.chat(HI), daemon=True).start()
input()
""",
        id="daemon-thread-complete",
    ),
    pytest.param(
        """
stream = pieces()
threading.Thread(target=next, args=[stream]).start()
""",
        id="begun-in-a-thread",
    ),
    pytest.param(
        """
async def begin():
    global stream
    async with space.astream_chat(HI) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                return
asyncio.run(begin())
""",
        id="asynchronous",
    ),
    pytest.param(
        """
async def read():
    async with space.astream_chat(HI) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                yield event
async def begin():
    global stream
    stream = read()
    await anext(stream)
asyncio.run(begin())
""",
        id="asynchronous-in-a-global",
    ),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_stream_that_is_open_at_the_end_of_a_program_stops_quietly(
    watched: WatchedSpace, program: str
) -> None:
    watched.hold(1)

    with begin(watched.url, program) as process:
        watched.until(lambda: len(watched.engine.requests) == 1)
        _, said = process.communicate("\n", timeout=60)

    assert (process.returncode, said) == (0, "")
    watched.until_left()
    assert watched.engine.cancelled == 1


@pytest.mark.parametrize("first", ["space.chat(HI)", "pass"], ids=["used", "not-used"])
def test_a_call_at_the_end_is_answered(watched: WatchedSpace, first: str) -> None:
    done = run(watched.url, f"{first}\natexit.register(lambda: print(space.chat(HI).text))")

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "one two three\n")
    watched.until_left()


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize(
    "call", ["complete('Hi')", "chat([{'role': 'user', 'content': 'Hi'}])", "endpoint()"]
)
def test_a_client_that_nobody_closes_leaves_nothing_open(
    watched: WatchedSpace, call: str, loop: str
) -> None:
    """In development mode Python tells of all that is left open or not awaited."""
    program = f"""
import {loop}, logging
logging.getLogger("asyncio").setLevel(logging.ERROR)  # no warning of steps on a busy machine
from qwen_space import SpaceClient
print({loop}.run(SpaceClient(URL).{call}) is not None)
gc.collect()
"""
    done = run(watched.url, program, "-X", "dev")

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "True\n")
    watched.until_left()


# Each ends with an idle client, whose connection is open, or with a call.
IDLE = [
    pytest.param("{loop}.run(space.achat(HI))", id="at-once"),
    pytest.param(
        """
async def ask():
    calls = [asyncio.create_task(space.achat(HI)) for _ in range(5)]
    await asyncio.wait(calls, return_when="FIRST_COMPLETED")
{loop}.run(ask())
""",
        id="beside-open-calls",
    ),
    pytest.param(
        """
async def ask():
    for _ in range(3):
        await Space(URL).achat(HI)
{loop}.run(ask())
""",
        id="of-dropped-objects",
    ),
    pytest.param(
        """
async def ask():
    circle = [Space(URL)]
    circle.append(circle)
    await circle[0].achat(HI)
    del circle
    gc.collect()
    await asyncio.sleep(0.1)
{loop}.run(ask())
""",
        id="in-a-circle",
    ),
    pytest.param(
        """
asked = threading.Event()
async def ask():
    await space.achat(HI)
    asked.set()
    await asyncio.sleep(60)
threading.Thread(target={loop}.run, args=[ask()], daemon=True).start()
asked.wait()
""",
        id="in-a-daemon-thread",
    ),
    pytest.param(
        """
thread = threading.Thread(target={loop}.run, args=[space.achat(HI)])
thread.start()
thread.join()
""",
        id="in-a-thread",
    ),
    pytest.param(
        """
async def read():
    async with space.astream_chat(HI) as events:
        async for event in events:
            yield event
async def ask():
    global left
    await space.achat(HI)
    left = read()
    await anext(left)
{loop}.run(ask())
""",
        id="with-a-stream-that-nobody-closes",
    ),
]


@pytest.mark.parametrize("loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize("program", IDLE)
def test_an_idle_client_at_the_end_of_a_loop_leaves_nothing_open(
    watched: WatchedSpace, program: str, loop: str
) -> None:
    beginning = f"""
import {loop}, logging
logging.getLogger("asyncio").setLevel(logging.ERROR)  # no warning of steps on a busy machine
"""
    done = run(watched.url, beginning + program.format(loop=loop) + "\ngc.collect()", "-X", "dev")

    assert (done.returncode, done.stderr) == (0, "")
    watched.until_left()


INTERRUPTED = [
    pytest.param("for piece in pieces(): print(piece, flush=True)", id="iterate"),
    pytest.param("print(0, flush=True); space.chat(HI)", id="complete"),
    pytest.param(
        """
async def ask():
    async with space.astream_chat(HI) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                print(event.delta, flush=True)
asyncio.run(ask())
""",
        id="asynchronous",
    ),
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for others")
@pytest.mark.parametrize("program", INTERRUPTED)
def test_ctrl_c_ends_a_stream_and_its_job(watched: WatchedSpace, program: str) -> None:
    watched.hold(1)
    body = "\n".join(f"    {line}" for line in program.strip().split("\n"))
    guarded = f"try:\n{body}\nexcept KeyboardInterrupt:\n    print('stopped', flush=True); input()"

    with begin(watched.url, guarded) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watched.until(lambda: watched.engine.running == 1)
        process.send_signal(signal.SIGINT)
        try:
            assert process.stdout.readline() == "stopped\n"
            watched.until_left()  # while the program goes on
        finally:
            _, said = process.communicate("\n", timeout=60)

    assert (process.returncode, said) == (0, "")
    assert watched.engine.cancelled == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for others")
async def test_ctrl_c_at_the_command_line_prints_the_answer_so_far(watched: WatchedSpace) -> None:
    watched.hold(2)
    command = [sys.executable, "-W", "error", "-m", "qwen_space", "chat", watched.url, "Hi"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    said = await process.stdout.readexactly(len("one two "))

    process.send_signal(signal.SIGINT)

    rest, errors = await process.communicate()
    assert (process.returncode, said + rest, errors) == (130, b"one two \n", b"")
    await watched.auntil_left()
    assert watched.engine.cancelled == 1
