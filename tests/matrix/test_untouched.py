"""Inputs that nobody touches: the client sends the values that the page sends from a browser.

It needs Chromium, and the dependency group browser.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space import JobError, Space
from qwen_space.client.http import Transport
from tests.browser.driver import chromium
from tests.matrix.apps import Apps, environment
from tests.matrix.releases import RELEASES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]

# The page draws other components, or sets other values, in each of these.
CHOSEN = {
    "4.0.2",
    "4.20.1",
    "4.23.0",
    "4.26.0",
    "4.44.1",
    "5.0.2",
    "5.29.0",
    "5.50.0",
    "6.0.2",
    "6.31.0",
}

# The page has run the functions of its load event.
LOADED = """() => ["called", "loaded"].every((text) =>
    [...document.querySelectorAll("textarea, input")].some((box) => box.value === text))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(
    params=[
        pytest.param((release, day, flavour), id=f"{release}-{flavour}")
        for release, day, _ in RELEASES
        for flavour in ("inputs", "changed")
        if release in CHOSEN
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    release, day, flavour = request.param
    apps = Apps(tmp_path / "log")
    yield apps.running(environment(release, day, []), [flavour])[flavour]
    apps.stop()


def sent_by_page(browser: Browser, url: str) -> list[Any]:
    """Return the arguments that the page sends with a prompt."""

    def has_prompt(request: Request) -> bool:
        # Until Gradio 4.8 the join has no arguments.
        body = request.post_data_json if "/queue/" in request.url and request.post_data else None
        return body is not None and body["data"][:1] == ["Hi"]

    page = browser.new_page()
    page.route(lambda target: not target.startswith(url), lambda route: route.abort())
    page.goto(url, wait_until="commit")
    box = page.get_by_label("Input", exact=True)
    box.wait_for(timeout=120_000)
    page.wait_for_function(LOADED, timeout=120_000)
    box.fill("Hi")
    with page.expect_request(has_prompt) as request:
        box.press("Enter")
    page.close()
    return list(request.value.post_data_json["data"])


def sent_by_client(url: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the arguments that the client sends with a prompt."""
    sent: list[Any] = []
    send = Transport.json

    async def record(
        self: Transport, method: str, url: str, deadline: Any, body: Any = None
    ) -> Any:
        sent.append(body)
        return await send(self, method, url, deadline, body)

    monkeypatch.setattr(Transport, "json", record)
    with contextlib.suppress(JobError):  # as from the page: some inputs refuse to be empty
        Space(url).complete("Hi")
    return list(next(each["data"] for each in sent if each and each.get("data", [])[:1] == ["Hi"]))


def test_an_untouched_input_is_sent_as_the_page_sends_it(
    url: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, client = sent_by_page(browser, url), sent_by_client(url, monkeypatch)

    named = zip(kinds(url), page, client, strict=True)
    assert [each for each in named if each[1] != each[2]] == []


def kinds(url: str) -> list[str]:
    """Return the types of the components that the app's function takes."""
    with urllib.request.urlopen(f"{url}/config") as answer:
        config = json.load(answer)
    function = next(each for each in config["dependencies"] if len(each["inputs"]) > 2)
    types = {each["id"]: each["type"] for each in config["components"]}
    return [types[each] for each in function["inputs"]]
