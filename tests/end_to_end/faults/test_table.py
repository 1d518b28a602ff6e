"""Each fault of the table, in each way to ask."""

from __future__ import annotations

import pytest

from langchain_qwen_space import errors as langchain_errors
from qwen_space import QwenSpaceError
from tests.end_to_end.faults.acts import app
from tests.end_to_end.faults.conftest import Serve
from tests.end_to_end.faults.script import playing
from tests.end_to_end.faults.table import FAULTS, Fails, Fault, Text
from tests.end_to_end.faults.ways import PROMPT, WAYS, Got, InWays
from tests.scripted_server import ScriptedServer

STREAMING = {name for name in WAYS if "stream" in name or "iterate" in name}


def faulty(fault: Fault) -> ScriptedServer:
    """Return a server with a fault."""
    return app(
        fault.data,
        fault.data if fault.again is None else fault.again,
        config=fault.config,
        join=fault.join,
        others={path: playing(script) for path, script in fault.others.items()},
    )


def judge(way: str, fault: Fault, got: Got, server: ScriptedServer) -> None:
    """Fail unless the outcome is the table's, and the server was asked as it says."""
    if isinstance(fault.outcome, Text):
        judge_text(way, fault.outcome, got)
    else:
        judge_error(way, fault.outcome, got)
    prompts = [each for each in server.exchanges if PROMPT.encode() in each.body]
    assert len(prompts) == fault.prompts
    if fault.streams is not None:
        assert len(server.streams) == fault.streams


def judge_text(way: str, expected: Text, got: Got) -> None:
    assert got.error is None
    assert got.text == expected.text
    if way in STREAMING:
        assert got.added == (expected.text if expected.added is None else expected.added)


def judge_error(way: str, expected: Fails, got: Got) -> None:
    assert isinstance(got.error, QwenSpaceError), got
    assert got.text is None
    if way.startswith("langchain"):  # where statuses have classes of their own below ours
        assert isinstance(got.error, getattr(langchain_errors, expected.error.__name__)), got
    else:
        assert type(got.error) is expected.error, repr(got.error)
    assert expected.says in str(got.error)
    if expected.text is not None:
        assert got.error.text == expected.text
    if way in STREAMING:
        assert got.error.text == got.added


def ask(way: str, fault: Fault, serve: Serve) -> None:
    with serve(faulty(fault)) as server:
        options = {"timeouts": fault.limits, "max_retries": 0, **fault.options}
        got = WAYS[way](server.url, **options)

    judge(way, fault, got, server)


def test_no_two_faults_have_one_name() -> None:
    names = [fault.name for fault in FAULTS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
def test_a_fault_ends_as_the_table_says(fault: Fault, serve: Serve, in_ways: InWays) -> None:
    in_ways(lambda way: ask(way, fault, serve), fault.at_once)
