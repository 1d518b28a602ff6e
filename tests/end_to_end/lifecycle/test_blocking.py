"""The guard against blocking calls in an event loop, which `tests/conftest.py` sets: it bites."""

from __future__ import annotations

import time
from typing import Any

import pytest
from blockbuster import BlockingError

from qwen_space.client.http import Transport
from tests.end_to_end.lifecycle.callers import CALLS, HI, STREAMS, space
from tests.end_to_end.lifecycle.conftest import WatchedSpace


@pytest.fixture
def blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Transport._headers

    def slow(self: Transport, accept: str) -> dict[str, str]:
        time.sleep(0.001)
        return headers(self, accept)

    monkeypatch.setattr(Transport, "_headers", slow)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.usefixtures("blocking")
async def test_a_blocking_call_in_the_caller_s_loop_is_an_error(
    watched: WatchedSpace, call: str
) -> None:
    with pytest.raises(BlockingError):
        await CALLS[call](watched.url)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.usefixtures("blocking")
def test_a_blocking_call_in_the_bridge_s_loop_is_an_error(
    watched: WatchedSpace, stream: str
) -> None:
    with pytest.raises(BlockingError):
        list(STREAMS[stream](watched.url))


async def test_a_blocking_caller_and_a_slow_app_are_nobodys_fault(watched: WatchedSpace) -> None:
    def slow(messages: Any) -> list[str]:
        time.sleep(0.001)
        return ["one"]

    watched.engine.reply = slow

    assert space(watched.url).chat(HI).text == "one"
