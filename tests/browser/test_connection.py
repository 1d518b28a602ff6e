"""The page while its connection breaks, and after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from qwen_space.local import LocalSpace, ScriptedEngine
from tests.background import entered
from tests.browser.driver import WORDS, ask, chips, hand_over, message, replied
from tests.proxy_server import ProxyServer, copy

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


class Cable(ProxyServer):
    """Leads to a Space, and can be pulled out.

    Attributes:
        url: The address of the Space at this end.
    """

    _is_out = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_out:
            writer.transport.abort()
            return
        up_reader, up_writer = await self._connect()
        try:
            await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))
        except OSError:
            pass
        finally:
            up_writer.transport.abort()
            writer.transport.abort()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def pull_out(self) -> None:
        self._is_out = True
        for task in list(self._tasks):
            task.get_loop().call_soon_threadsafe(task.cancel)

    def plug_in(self) -> None:
        self._is_out = False


@pytest.fixture
def cable(space: LocalSpace) -> Iterator[Cable]:
    with entered(Cable(space.url)) as cable:
        yield cable


def begin_reply(page: Page, engine: ScriptedEngine, turn: int = 0) -> None:
    """Ask, and wait for two words of the reply."""
    engine.gate = threading.Semaphore(2)
    ask(page, "Count")
    page.locator("#chat [data-testid=bot]", has_text="two").nth(turn).wait_for()


def cut_off(page: Page) -> None:
    """Wait for the note that a reply was cut off."""
    page.locator("#chat").get_by_text("The reply was cut off").wait_for()
    page.get_by_role("button", name="Send").wait_for()


def test_a_reply_that_the_network_cuts_is_marked_and_goes_on(
    cable: Cable, open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(url=cable.url)
    begin_reply(page, engine)

    cable.pull_out()
    engine.wait_until(lambda seen: seen.running == 0)
    engine.gate = None
    cable.plug_in()
    cut_off(page)
    page.get_by_role("button", name="Continue").click()
    replied(page, "four.")

    said = [(turn["role"], turn["content"]) for turn in engine.requests[1][1:]]
    assert said[:2] == [("user", "Count"), ("assistant", "One two ")]
    assert [role for role, _ in said] == ["user", "assistant", "user"]
    page.reload()
    replied(page, "four.")
    assert page.get_by_text("The reply was cut off").count() == 1


def test_a_question_that_is_asked_without_a_network_is_sent_when_it_returns(
    cable: Cable, open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(url=cable.url)
    ask(page, "First")
    replied(page, "four.")
    hand_over(page, "drop", "note.txt", b"Some words", "text/plain")
    chips(page).wait_for()
    cable.pull_out()
    ask(page, "Second")
    page.get_by_text("Connection to the server was lost").wait_for()

    cable.plug_in()
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for()

    said = [turn["content"] for turn in engine.requests[1][1:]]
    assert said[:2] == ["First", "".join(WORDS)]
    assert "Some words" in said[2]
    assert said[2].endswith("Second")
    assert message(page).input_value() == ""


def test_an_enter_before_the_page_has_its_connection_again_is_not_lost(
    cable: Cable, open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(url=cable.url)
    begin_reply(page, engine)
    cable.pull_out()
    page.get_by_text("Connection to the server was lost").wait_for()
    engine.gate = None

    ask(page, "Again")
    cable.plug_in()
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    replied(page, "four.")

    said = [turn["content"] for turn in engine.requests[1][1:]]
    assert said == ["Count", "One two ", "Again"]


def test_a_text_that_was_not_sent_is_not_sent_by_a_lost_connection(
    cable: Cable, open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(url=cable.url)
    begin_reply(page, engine)
    message(page).fill("Half a ques")
    cable.pull_out()
    engine.wait_until(lambda seen: seen.running == 0)
    cable.plug_in()
    cut_off(page)

    page.wait_for_function("document.querySelector('#message textarea').value === 'Half a ques'")
    assert len(engine.requests) == 1


def test_a_reload_while_a_reply_is_written_marks_it(page: Page, engine: ScriptedEngine) -> None:
    begin_reply(page, engine)

    page.reload()
    cut_off(page)

    assert "two" in page.locator("#chat").inner_text()
    engine.wait_until(lambda seen: seen.running == 0)
    engine.gate = None
    page.get_by_role("button", name="Retry").last.click()
    replied(page, "four.")
    assert [turn["content"] for turn in engine.requests[1][1:]] == ["Count"]


def test_a_stream_that_ends_without_a_reply_loses_no_question(
    page: Page, engine: ScriptedEngine
) -> None:
    """As behind a proxy that ends a stream properly which its server had broken off."""

    ask(page, "First")
    replied(page, "four.")
    heartbeat = 'data: {"msg": "heartbeat"}\n\n'
    page.route(
        "**/queue/data*",
        lambda route: route.fulfill(content_type="text/event-stream", body=heartbeat),
        times=1,
    )

    ask(page, "Second")
    page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for(timeout=60_000)

    said = [turn["content"] for turn in engine.requests[-1][1:]]
    assert said == ["First", "".join(WORDS), "Second"]


@pytest.mark.parametrize("part", ["join", "data"])
def test_a_proxy_without_its_server_for_a_moment_loses_no_question(
    page: Page, engine: ScriptedEngine, part: str
) -> None:
    ask(page, "First")
    replied(page, "four.")
    page.route(
        f"**/queue/{part}*",
        lambda route: route.fulfill(
            status=502, content_type="text/html", body="<h1>502 Bad Gateway</h1>"
        ),
        times=1,
    )

    ask(page, "Second")
    page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for(timeout=60_000)

    said = [turn["content"] for turn in engine.requests[-1][1:]]
    assert said == ["First", "".join(WORDS), "Second"]
    assert "SyntaxError" not in page.content()


def test_a_server_that_starts_again_goes_on_with_the_chat(open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS)
    with LocalSpace(engine) as first:
        port = int(first.url.rpartition(":")[2])
        page = open_page(url=first.url)
        ask(page, "First")
        replied(page, "four.")
    with LocalSpace(engine, port=port):
        ask(page, "Second")
        page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for()

    said = [turn["content"] for turn in engine.requests[-1][1:]]
    assert said == ["First", "".join(WORDS), "Second"]


def test_a_server_that_stops_within_a_reply_says_so_and_answers_when_it_runs_again(
    open_page: Callable[..., Page],
) -> None:
    engine = ScriptedEngine(WORDS)
    with LocalSpace(engine) as first:
        port = int(first.url.rpartition(":")[2])
        page = open_page(url=first.url)
        begin_reply(page, engine)
    page.get_by_text("This Space is being stopped").wait_for()
    engine.gate = None
    with LocalSpace(engine, port=port):
        page.get_by_role("button", name="Retry").last.click()
        replied(page, "four.")


def test_a_page_in_the_background_gets_its_reply(page: Page, engine: ScriptedEngine) -> None:
    begin_reply(page, engine)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
            Object.defineProperty(document, "hidden", { get: () => true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    engine.gate.release(2)
    replied(page, "four.")


def test_one_chat_in_two_tabs_is_the_same_in_both(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "First")
    replied(page, "four.")
    page.locator("#chats .open", has_text="First").wait_for()
    other = page.context.new_page()
    try:
        other.goto(page.url)
        other.locator("#chats .open", has_text="First").click()
        replied(other, "four.")
        begin_reply(page, engine, turn=1)
        page.wait_for_function(  # it is kept a moment later
            "Object.values(localStorage).some((chat) => chat.includes('One two \"'))"
        )

        other.reload()  # while the first tab writes
        other.locator("#chat [data-testid=bot]", has_text="two").nth(1).wait_for()
        assert other.get_by_text("The reply was cut off").count() == 0
        engine.gate.release(2)
        other.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for()
        engine.gate = None
        ask(other, "Third")
        other.locator("#chat [data-testid=bot]", has_text="four.").nth(2).wait_for()
        page.locator("#chat [data-testid=bot]", has_text="four.").nth(2).wait_for()
    finally:
        other.close()

    said = [turn["content"] for turn in engine.requests[-1][1:]]
    assert said == ["First", "".join(WORDS), "Count", "".join(WORDS), "Third"]
