"""Measure the cost of a start: imports, constructors, and the requests of the first reply."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import Any

from benchmarks.server import ask

__all__ = ["measure"]

IMPORTS = {
    "qwen_space": "time",
    "langchain_qwen_space": "langchain_core.language_models.chat_models",
    "llama_index_qwen_space": "llama_index.core.llms",
}
"""Each with the modules that are imported before it is measured."""

CONSTRUCTORS = {
    "SpaceClient": "from qwen_space import SpaceClient as Made",
    "ChatQwenSpace": "from langchain_qwen_space import ChatQwenSpace as Made",
    "QwenSpace": "from llama_index_qwen_space import QwenSpace as Made",
    "ChatOllama": "from langchain_ollama import ChatOllama as Made",
    "ChatOpenAI": "from langchain_openai import ChatOpenAI as Made",
}
_ARGUMENTS = {
    "ChatOllama": 'model="qwen", base_url="http://127.0.0.1:9"',
    "ChatOpenAI": 'model="qwen", base_url="http://127.0.0.1:9/v1", api_key="none"',
}

_IMPORT = """
import time, {before}
start = time.process_time()
import {module}
print(time.process_time() - start)
"""

_CONSTRUCT = """
import timeit
{imported}
Made({arguments})
print(min(timeit.repeat(lambda: Made({arguments}), number=10, repeat=20)) / 10)
"""

_REPLIES = """
from langchain_qwen_space import ChatQwenSpace
model = ChatQwenSpace(space={url!r})
for _ in range(3):
    model.invoke("Hello")
"""


def measure(server: str, *, quick: bool = False) -> dict[str, Any]:
    """Return milliseconds of imports and constructors, and the requests of three replies."""
    runs = 3 if quick else 15
    imports = {
        module: 1e3 * min(_printed(_IMPORT.format(module=module, before=before), runs))
        for module, before in IMPORTS.items()
    }
    constructors = {
        name: 1e3 * min(_printed(_constructing(name, imported), max(runs // 5, 1)))
        for name, imported in CONSTRUCTORS.items()
    }
    return {"imports": imports, "constructors": constructors, "requests": _requests(server)}


def _constructing(name: str, imported: str) -> str:
    arguments = _ARGUMENTS.get(name, 'space="http://127.0.0.1:9"')
    return _CONSTRUCT.format(imported=imported, arguments=arguments)


def _printed(script: str, runs: int) -> list[float]:
    """Return the output of a script, in fresh processes, after one that leaves the bytecode behind.

    As an installer does; there are places where Python is told not to write any.
    """
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    printed = [
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout  # noqa: S603
        for _ in range(runs + 1)
    ]
    return [float(each) for each in printed[1:]]


def _requests(server: str) -> dict[str, Any]:
    """Return how often each path was asked for in three replies, and over how many connections."""
    plan = "fast-7-0"  # of nobody else
    command = [sys.executable, "-c", _REPLIES.format(url=f"{server}/{plan}")]
    subprocess.run(command, check=True)  # noqa: S603
    seen: dict[str, list[str]] = ask(server, "seen")[plan]
    paths = Counter(path for paths in seen.values() for path in paths)
    return {"connections": len(seen), "paths": dict(paths)}
