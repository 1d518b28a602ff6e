"""Pages that start their backend as somebody opens them."""

from __future__ import annotations

import pytest

from qwen_space import JobError, Space
from tests.matrix.apps import Apps, environment

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("release", "day"), [("4.0.2", "2023-11-10"), ("6.31.0", None)])
def test_the_backend_is_started_once_and_a_clock_is_not(
    apps: Apps, release: str, day: str | None
) -> None:
    url = apps.running(environment(release, day, []), ["opened"])["opened"]

    with Space(url) as space:
        assert [space.complete("Hi").text for _ in range(2)] == ["Hi after 1"] * 2


@pytest.mark.parametrize(("release", "day"), [("4.44.1", "2024-12-15"), ("6.31.0", None)])
def test_a_session_that_the_page_makes_is_made_for_each_call_once_the_app_has_failed_without(
    apps: Apps, release: str, day: str | None
) -> None:
    url = apps.running(environment(release, day, []), ["remembered"])["remembered"]

    with Space(url) as space:
        assert space.complete("Hi").text == "Hi []"  # the page was loaded once
        with pytest.raises(JobError, match="loaded in each session"):
            space.complete("Hi")
        assert [space.complete("Hi").text for _ in range(2)] == ["Hi []"] * 2
