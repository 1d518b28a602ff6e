"""Count the tests of `tests/llama_index/conformance` that LlamaIndex LLMs pass, side by side.

Each LLM stands in front of the same scripted model: QwenSpace before a real Gradio app, the others
before `benchmarks/peers.py`, which speaks their dialects. Prints a table in Markdown.

    pip install -e ".[all]" --group test --group bench
    python -m benchmarks.conformance
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from benchmarks.peers import PeerServer
from llama_index_qwen_space import QwenSpace
from qwen_space.local import LocalSpace, ScriptedEngine
from tests.llama_index.conformance import LLMConformance


class TestQwenSpace(LLMConformance):
    """Ours, before a real Gradio app."""

    secret = {"hf_token": "verysecret"}  # noqa: RUF012

    @pytest.fixture(scope="class")
    def place(self) -> Iterator[tuple[ScriptedEngine, str]]:
        """Start the app once for all tests."""
        engine = ScriptedEngine([])
        with LocalSpace(engine) as space:
            yield engine, space.url

    @pytest.fixture
    def server(self, place: tuple[ScriptedEngine, str]) -> ScriptedEngine:
        """Forget the earlier questions."""
        place[0].requests.clear()
        return place[0]

    @pytest.fixture
    def make(self, place: tuple[ScriptedEngine, str], server: ScriptedEngine) -> Callable[..., Any]:
        """Make the LLM."""
        return lambda **arguments: QwenSpace(space=place[1], **arguments)


class Peer(LLMConformance):
    """Another LLM, before the stand-in server."""

    @pytest.fixture
    def place(self) -> Iterator[tuple[ScriptedEngine, PeerServer]]:
        """Start the stand-in."""
        engine = ScriptedEngine([])
        with PeerServer(engine) as server:
            yield engine, server

    @pytest.fixture
    def server(self, place: tuple[ScriptedEngine, PeerServer]) -> ScriptedEngine:
        """Return the engine that answers."""
        return place[0]


class TestOllama(Peer):
    """llama-index-llms-ollama."""

    secret = {"headers": {"Authorization": "Bearer verysecret"}}  # noqa: RUF012
    takes_images = True

    @pytest.fixture
    def make(self, place: tuple[ScriptedEngine, PeerServer]) -> Callable[..., Any]:
        """Make the LLM, as its documentation recommends."""
        settings = {"model": "any", "base_url": place[1].url, "context_window": 32768}
        return lambda **arguments: Ollama(**{**settings, **arguments})


class TestOpenAILike(Peer):
    """llama-index-llms-openai-like."""

    secret = {"api_key": "verysecret"}  # noqa: RUF012
    takes_images = True

    @pytest.fixture
    def make(self, place: tuple[ScriptedEngine, PeerServer]) -> Callable[..., Any]:
        """Make the LLM, as its documentation recommends for a chat model with tools."""
        settings = {
            "model": "any",
            "api_base": place[1].openai_url,
            "api_key": "none",
            "context_window": 32768,
            "is_chat_model": True,
            "is_function_calling_model": True,
            "should_use_structured_outputs": True,
        }
        return lambda **arguments: OpenAILike(**{**settings, **arguments})


class Results:
    """A pytest plugin that counts the runs and the passes of each test, by class."""

    def __init__(self) -> None:
        self.ran: Counter[tuple[str, str]] = Counter()
        self.passed: Counter[tuple[str, str]] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that ran, or whose fixtures failed."""
        if report.when != "call" and not (report.when == "setup" and report.failed):
            return
        _, owner, name = report.nodeid.split("::", 2)
        key = owner.removeprefix("Test"), name.partition("[")[0]
        self.ran[key] += 1
        self.passed[key] += report.passed

    def table(self) -> str:
        """Return the results as a table, a row for each test."""
        owners = list(dict.fromkeys(owner for owner, _ in self.ran))
        tests = list(dict.fromkeys(name for _, name in self.ran))
        rows = [["", *owners], ["---"] * (len(owners) + 1)]
        rows += [[_words(test), *(self._cell(owner, test) for owner in owners)] for test in tests]
        rows.append(["**all**", *(f"**{self._total(owner)}**" for owner in owners)])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, owner: str, test: str) -> str:
        passed, ran = self.passed[owner, test], self.ran[owner, test]
        if not ran:
            return "not run"
        return "yes" if passed == ran else f"{passed} of {ran}" if passed else "no"

    def _total(self, owner: str) -> str:
        passed, ran = (
            sum(count for (each, _), count in counter.items() if each == owner)
            for counter in (self.passed, self.ran)
        )
        return f"{passed} of {ran}"


def _words(test: str) -> str:
    return re.sub("^test_", "", test).replace("_", " ")


def main() -> None:
    """Run the list on each LLM and print the table."""
    results = Results()
    arguments = [__file__, "-q", "--no-header", "--tb=no", "--timeout=90", "-p", "no:cacheprovider"]
    pytest.main([*arguments, "-W", "default", *sys.argv[1:]], plugins=[results])
    print(results.table())


if __name__ == "__main__":
    main()
