"""Requests that the hub's front refuses as too many."""

from __future__ import annotations

import pytest

from qwen_space import Completed, QuotaError
from tests.hub_front import APP, PAGE_404, Answer, HubFront, ask

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize("of", ["config", "join"])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"Retry-After": "37"}, 37.0, id="seconds"),
        pytest.param({"Retry-After": "soon"}, None, id="nonsense"),
    ],
)
async def test_too_many_requests_are_a_rate_limit(
    of: str, headers: dict[str, str], seconds: float | None
) -> None:
    too_many = Answer(429, PAGE_404, headers)

    async with HubFront(**{of: [too_many]}) as server:
        (error,) = await ask(server, max_retries=2)

    assert type(error) is QuotaError
    assert error.retry_after == seconds
    assert (f"in {seconds or 0:.0f} seconds" in str(error)) is (seconds is not None)
    assert "rate limit" in str(error)
    assert "429" in str(error)
    assert len(server.of(f"/{of}" if of == "config" else "/queue/join")) == 1


async def test_a_short_retry_after_is_waited_for(long_pauses: list[float]) -> None:
    too_many = Answer(429, "", {"Retry-After": "7"})

    async with HubFront(config=[too_many, APP]) as server:
        got = await ask(server, max_retries=1)

    assert isinstance(got[-1], Completed)
    assert long_pauses == [7.0]
    assert server.asked == []


async def test_a_join_is_not_sent_again_after_a_retry_after() -> None:
    async with HubFront(join=[Answer(429, "", {"Retry-After": "0"})]) as server:
        (error,) = await ask(server, max_retries=2)

    assert type(error) is QuotaError
    assert len(server.of("/queue/join")) == 1
