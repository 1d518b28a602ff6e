"""Machines and processes that lack something: files, folders, IPv4, and large prompts."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from qwen_space import Space, SpaceClient
from qwen_space.local import LocalSpace, ScriptedEngine
from tests.end_to_end.lifecycle.conftest import WatchedSpace
from tests.end_to_end.lifecycle.programs import run
from tests.scripted_server import ScriptedServer

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits"),
]

NO_FILES = """
import resource
from qwen_space import SpaceUnreachableError

space.chat(HI)
space.close()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))
held = []
try:
    while True:
        held.append(open(os.devnull))
except OSError:
    pass
try:
    space.chat(HI)
except SpaceUnreachableError as exc:
    print("Too many open files" in str(exc))
for file in held:
    file.close()
print(space.chat(HI).text)
"""


def test_without_a_file_descriptor_the_error_says_so_and_passes(watched: WatchedSpace) -> None:
    done = run(watched.url, NO_FILES)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "True\none two three\n"


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nothing-at-all"),
        pytest.param({"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}, id="no-folders"),
        pytest.param(
            {"HOME": "/proc", "TMPDIR": "/proc", "XDG_CACHE_HOME": "/proc"}, id="no-write"
        ),
    ],
)
def test_no_folder_is_needed(watched: WatchedSpace, environment: dict[str, str]) -> None:
    program = """
from qwen_space import tokens
tokens.load()
print(space.chat(HI).text)
"""

    done = run(watched.url, program, env=environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, "one two three\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_a_full_device_as_stdout_is_an_error_without_a_traceback(watched: WatchedSpace) -> None:
    """stdout is a full device: the command that prints the answer says so, and ends with 1."""
    command = [sys.executable, "-m", "qwen_space", "chat", watched.url, "Hi"]

    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=60
        )

    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_app_on_ipv6_alone_answers() -> None:
    with LocalSpace(ScriptedEngine(["Hi"]), host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert Space(server.url).complete("Hi").text == "Hi"


async def test_a_prompt_of_ten_megabytes_is_sent_whole_and_in_linear_time() -> None:
    async def seconds(client: SpaceClient, size: int) -> float:
        start = time.process_time()
        await client.complete("word " * (size // 5))
        return time.process_time() - start

    async with ScriptedServer() as server, SpaceClient(server.url) as client:
        await client.complete("Hi")
        small = min([await seconds(client, 2_500_000) for _ in range(3)])
        large = min([await seconds(client, 10_000_000) for _ in range(3)])
        sent = [len(json.loads(each.body)["data"][0]) for each in server.of("/queue/join")]

    assert sent[1:] == [2_500_000] * 3 + [10_000_000] * 3
    assert large < 8 * small
