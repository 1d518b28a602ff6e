"""Files on the page: chosen, pasted, dropped, and kept with their question."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space.local import LocalSpace, OpenAIEngine, ScriptedEngine
from tests.browser.driver import (
    ask,
    chips,
    choose,
    described,
    draw,
    hand_over,
    message,
    picture,
    replied,
)
from tests.completions_server import running_model

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_text_file_goes_with_its_question(page: Page, engine: ScriptedEngine) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Add text files").click()
    text = {"name": "notes.md", "mimeType": "text/plain", "buffer": b"Buy ```milk``` & <bread>."}
    binary = {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG\0"}
    chosen.value.set_files([text, binary])
    page.get_by_text("a.png is no text file.").wait_for()
    page.locator("#files .chip", has_text="notes.md").wait_for()

    ask(page, "What shall I buy?")
    replied(page, "four.")

    page.locator("#chat [data-testid=user]", has_text="notes.md").wait_for()
    assert page.locator("#files .chip").count() == 0
    asked = engine.requests[0][1]["content"]
    assert asked == "notes.md:\n````\nBuy ```milk``` & <bread>.\n````\n\nWhat shall I buy?"
    page.get_by_role("button", name="Retry").last.click()
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    replied(page, "four.")
    assert engine.requests[1][1]["content"] == asked
    page.get_by_role("button", name="Undo").last.click()
    page.get_by_text("How can I help you?").wait_for()
    assert message(page).input_value() == "What shall I buy?"


def test_pictures_go_with_their_question_to_the_byte(
    open_page: Callable[..., Page], seeing: LocalSpace
) -> None:
    chosen, pasted, dropped, unwanted = map(draw, range(4))
    page = open_page(url=seeing.url)
    choose(page, ("a.png", "image/png", chosen), ("notes.md", "text/plain", b"Buy milk."))
    hand_over(page, "paste", "image", pasted)  # without an ending
    hand_over(page, "drop", "dr\u00f6p <2>.png", dropped)
    hand_over(page, "drop", "no.png", unwanted)
    chips(page).nth(4).wait_for()
    assert page.locator("#files img").count() == 4

    remove = page.get_by_role("button", name="Remove no.png")
    remove.focus()
    remove.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    ask(page, "What is it?")
    lines = [*map(described, (chosen, pasted, dropped)), "notes.md:"]
    replied(page, lines[2])

    said = page.locator("#chat [data-testid=bot]").last.inner_text()
    assert said.splitlines()[:4] == lines
    assert "Buy milk." in said
    assert chips(page).count() == 0
    shown = page.locator("#chat .user.component img")
    assert [shown.nth(at).get_attribute("alt") for at in range(2)] == ["a.png", "image.png"]
    assert page.locator("#chat").get_by_role("button", name="Share").count() == 0


def retry(page: Page, engine: Any) -> None:
    """Ask again, and wait until the page has begun to: the old reply is the same text."""
    engine.gate = threading.Semaphore(0)
    page.get_by_role("button", name="Retry").last.click()
    page.get_by_role("button", name="Stop").wait_for()
    engine.gate = None


def test_files_stay_with_their_question(open_page: Callable[..., Page], seeing: LocalSpace) -> None:
    data, engine = draw(9), seeing.engine
    assert isinstance(engine, ScriptedEngine)
    engine.requests.clear()
    page = open_page(url=seeing.url)
    choose(page, ("a.png", "image/png", data))
    ask(page, "Look")
    replied(page, described(data))
    asked = engine.requests[0][1]["content"]
    picture(page, "files")

    retry(page, engine)
    replied(page, described(data))
    page.get_by_role("button", name="Edit").last.click()
    page.locator("#chat textarea").first.fill("See")
    page.get_by_role("button", name="Submit").first.click()
    replied(page, "See")
    page.reload()
    page.locator("#chat [data-testid=user]", has_text="See").wait_for()
    assert page.locator("#chat .user.component img").evaluate("each => each.decode()") is None
    ask(page, "And now?")
    replied(page, "And now?")
    page.get_by_role("button", name="New chat").click()
    page.get_by_text("How can I help you?").wait_for()
    ask(page, "Without")
    replied(page, "Without")
    page.locator("#chats .open", has_text="See").click()
    page.locator("#chat [data-testid=user]", has_text="And now?").wait_for()
    for text in ("And now?", "See"):
        page.get_by_role("button", name="Undo").last.click()
        page.wait_for_function(f"document.querySelector('#message textarea').value === '{text}'")
    chips(page).get_by_text("a.png").wait_for()
    message(page).press("Enter")
    replied(page, described(data))

    _once, again, edited, later, other, back = (request[1] for request in engine.requests)
    assert again["content"] == asked
    see = [asked[0], {"type": "text", "text": "See"}]
    assert edited["content"] == later["content"] == back["content"] == see
    assert other["content"] == "Without"


def test_a_picture_may_be_the_whole_question(
    open_page: Callable[..., Page], seeing: LocalSpace
) -> None:
    page = open_page(url=seeing.url)
    choose(page, ("cat.png", "image/png", draw(7)))
    message(page).press("Enter")
    message(page).press("Enter")  # which waits for the upload, too, and asks nothing
    replied(page, described(draw(7)))
    retry(page, seeing.engine)
    replied(page, described(draw(7)))

    page.locator("#chats .open", has_text="cat.png").wait_for()
    ask(page, "Why?")
    replied(page, "Why?")


@pytest.mark.parametrize(
    ("name", "kind", "data", "said"),
    [
        ("big.png", "image/png", bytes(100_001), "big.png is larger than 0.1 MB."),
        ("cut.png", "image/png", draw(1)[:30], "cut.png is no picture that this browser can show."),
        ("a.pdf", "application/pdf", b"%PDF\0", "a.pdf is no text file, and no audio or image."),
        ("b.txt", "text/plain", b"a" * 300_001, "b.txt is larger than 300 kB."),
    ],
)
def test_a_file_that_cannot_be_sent_is_named_with_the_reason(
    open_page: Callable[..., Page],
    seeing: LocalSpace,
    name: str,
    kind: str,
    data: bytes,
    said: str,
) -> None:
    page = open_page(url=seeing.url)
    message(page).fill("Look")
    hand_over(page, "drop", name, data, kind)
    page.get_by_role("alert").get_by_text(said).wait_for()

    message(page).press("Enter")
    replied(page, "Look")

    assert page.locator("#files .chip").count() == 0
    assert page.get_by_role("alert").count() == 0


def test_a_chat_goes_on_without_a_file_that_the_server_no_longer_has(
    open_page: Callable[..., Page], seeing: LocalSpace
) -> None:
    page = open_page(url=seeing.url)
    data = draw(200)
    choose(page, ("old.png", "image/png", data))
    ask(page, "Look")
    replied(page, described(data))
    address = page.locator("#chat .user.component img").get_attribute("src") or ""
    Path(address.partition("file=")[2]).unlink()

    ask(page, "Still there?")
    replied(page, "Still there?")

    page.get_by_text("No longer here, and not read: old.png").wait_for()
    engine: Any = seeing.engine
    assert engine.requests[-1][1]["content"] == "(The file old.png is no longer here.)\n\nLook"


def test_a_server_behind_the_space_gets_the_picture(open_page: Callable[..., Page]) -> None:
    with running_model() as model:
        model.go_on.set()
        with LocalSpace(OpenAIEngine(model.url, takes=["image"])) as running:
            page = open_page(url=running.url)
            choose(page, ("a.png", "image/png", draw(5)))
            ask(page, "Look")
            replied(page, "Hello there")

    url = f"data:image/png;base64,{base64.b64encode(draw(5)).decode()}"
    assert model.bodies[-1]["messages"][1]["content"] == [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Look"},
    ]
