"""One Chromium, one Space and one that sees, for all tests of the page.

With QWEN_SPACE_SCREENSHOTS set to a folder, the pictures of the documentation are written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space.local import Limits, LocalSpace, ScriptedEngine, describe_message
from tests.browser.driver import NAME, WORDS, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

# Pages share a context, whose cache has the script; each begins without the chats of another.
_FRESH = "if (!sessionStorage.fresh) { localStorage.clear(); sessionStorage.fresh = 1; }"


@pytest.fixture(scope="package")
def space() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(WORDS)
    engine.name = NAME
    with LocalSpace(engine) as running:
        yield running


@pytest.fixture(scope="package")
def seeing() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(describe_message, takes=["image", "audio"])
    engine.name = "Qwen2.5-VL-7B-Instruct"
    with LocalSpace(engine, limits=Limits(upload_bytes=100_000)) as running:
        yield running


@pytest.fixture
def engine(space: LocalSpace) -> Iterator[ScriptedEngine]:
    engine = space.engine
    assert isinstance(engine, ScriptedEngine)
    engine.reply, engine.gate = WORDS, None
    engine.requests.clear()
    engine.samplings.clear()
    yield engine
    engine.gate = None
    engine.wait_idle()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def open_page(
    browser: Browser, context: BrowserContext, space: LocalSpace
) -> Iterator[Callable[..., Page]]:
    """Give a function that opens the page; no page may ask another host, or fail."""
    foreign: list[str] = []
    errors: list[str] = []
    opened: list[Any] = []

    def watch(page: Page, url: str, ready: str) -> Page:
        page.set_default_timeout(30_000)
        page.on("request", lambda request: foreign.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.get_by_role("button", name=ready).wait_for()
        return page

    def open_page(
        width: int = 1280,
        height: int = 800,
        url: str = space.url,
        ready: str = "Send",
        scheme: Any = "light",
        **options: Any,
    ) -> Page:
        if options:
            own = browser.new_context(**options)
            opened.append(own)
        page = own.new_page() if options else context.new_page()
        opened.append(page)
        page.add_init_script(_FRESH)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        return watch(page, url, ready)

    yield open_page
    for each in reversed(opened):
        each.close()
    assert [
        url for url in foreign if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ] == []
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., Page], engine: ScriptedEngine) -> Page:
    return open_page()
