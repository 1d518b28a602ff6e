"""Streams that are left as the last thing that a program does: nothing is said on stderr."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.processes

STREAMS = {
    "langchain": (
        "from langchain_qwen_space import ChatQwenSpace",
        "ChatQwenSpace(space=URL).astream('Hi')",
    ),
    "llama-index": (
        "from llama_index_qwen_space import QwenSpace",
        "await QwenSpace(space=URL).astream_complete('Hi')",
    ),
}

SCRIPT = """
import asyncio, gc, sys
{imported}
URL = sys.argv[1]

async def broken_off():
    async for _ in {stream}:
        break

async def failed():
    async for _ in {stream}:
        raise KeyError("mine")

for _ in range(2):
    asyncio.run(broken_off())
    try:
        asyncio.run(failed())
    except KeyError:
        pass
gc.collect()
"""


@pytest.mark.parametrize("framework", STREAMS)
def test_leaving_a_stream_at_the_end_of_a_program_is_quiet(
    space: ScriptedSpace, framework: str
) -> None:
    imported, stream = STREAMS[framework]
    space.engine.reply = ["piece "] * 500
    space.engine.delay = 0.01

    done = subprocess.run(
        [
            *(sys.executable, "-W", "error::ResourceWarning", "-c"),
            SCRIPT.format(imported=imported, stream=stream),
            space.url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    space.engine.wait_until(lambda engine: engine.cancelled == 4)
