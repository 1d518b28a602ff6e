"""`qwen-space find`, as people call it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

from tests.hub_list import HubList, Listed


async def run(hub: HubList, *arguments: str) -> tuple[int, str, str]:
    """Run the command against a hub; return its status and its output."""

    def call() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "qwen_space", "find", *arguments]
        env = {"HF_ENDPOINT": hub.url, "HOME": "/nonexistent", "COLUMNS": "160", "PATH": ""}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)

    done = await asyncio.to_thread(call)
    return done.returncode, done.stdout, done.stderr


def spaces() -> list[Listed]:
    hostile = ["Qwen/\x1b[2J7B\n"]
    return [
        Listed("a/qwen2.5-chat", likes=12, queue=3, hardware="zero-a10g"),
        Listed("b/qwen2.5-small", likes=5, models=hostile),
    ]


async def test_a_table_and_a_line_to_paste_are_printed() -> None:
    async with HubList(spaces()) as hub:
        status, said, _ = await run(hub)

    assert status == 0
    row = next(line for line in said.splitlines() if "a/qwen2.5-chat" in line)
    assert row.split()[:2] == ["a/qwen2.5-chat", "zero-a10g"]
    assert row.split()[-3:-1] == ["12", "3"]
    assert 'ChatQwenSpace(space=["b/qwen2.5-small", "a/qwen2.5-chat"])' in said
    assert "\x1b[2J" not in said


async def test_json_is_for_programs() -> None:
    async with HubList(spaces()) as hub:
        status, said, errors = await run(hub, "--json", "--hardware", "zero-a10g")

    found: list[dict[str, Any]] = json.loads(said)
    assert (status, errors) == (0, "")
    assert [each["space"] for each in found] == ["a/qwen2.5-chat"]
    assert found[0].keys() == {
        *("space", "url", "likes", "hardware", "models", "takes", "queue", "seconds")
    }


async def test_where_none_is_found_the_status_is_1_and_a_sentence_says_so() -> None:
    async with HubList(spaces()) as hub:
        status, said, errors = await run(hub, "llama", "3", "--json")

    assert (status, json.loads(said)) == (1, [])
    assert "is called 'llama 3'. Try other words" in errors
