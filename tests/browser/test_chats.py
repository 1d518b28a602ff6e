"""The chats that the browser keeps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from qwen_space.local import LocalSpace, ScriptedEngine
from tests.browser.driver import WORDS, ask, chats, message, replied

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_reload_keeps_the_chat(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "Remember <me>")
    replied(page, "four.")

    page.reload()
    page.locator("#chat [data-testid=user]", has_text="Remember <me>").wait_for()
    ask(page, "And now?")
    engine.wait_until(lambda seen: len(seen.requests) == 2)

    assert engine.requests[1][1]["content"] == "Remember <me>"


def test_a_reload_keeps_the_text_in_the_box(page: Page, engine: ScriptedEngine) -> None:
    message(page).fill("Half a ques")
    page.reload()
    page.get_by_role("button", name="Send").wait_for()
    page.wait_for_function("document.querySelector('#message textarea').value")
    message(page).press("End")
    page.keyboard.type("tion")
    message(page).press("Enter")
    replied(page, "four.")
    page.reload()
    page.locator("#chat [data-testid=user]", has_text="Half a question").wait_for()

    assert engine.requests[0][1]["content"] == "Half a question"
    assert message(page).input_value() == ""


def test_a_question_can_be_asked_at_the_first_moment(
    page: Page, engine: ScriptedEngine, space: LocalSpace
) -> None:
    ask(page, "First")
    replied(page, "four.")
    page.locator("#chats .open", has_text="First").wait_for()
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 8})
    page.goto(space.url, wait_until="commit")
    ask(page, "Second")
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for()

    said = [turn["content"] for turn in engine.requests[1][1:]]
    assert said == ["First", "".join(WORDS), "Second"]


def test_several_chats_are_kept_and_each_opens_again(
    page: Page, engine: ScriptedEngine, space: LocalSpace
) -> None:
    for text in ("First of all", "Second <one>"):
        ask(page, text)
        replied(page, "four.")
        page.locator("#chats .open", has_text=text).wait_for()
        page.get_by_role("button", name="New chat").click()
        page.get_by_text("How can I help you?").wait_for()
    assert chats(page) == ["Second <one>", "First of all"]

    page.locator("#chats .open", has_text="First of all").click()
    page.locator("#chat [data-testid=user]", has_text="First of all").wait_for()
    ask(page, "And then?")
    engine.wait_until(lambda seen: len(seen.requests) == 3)
    replied(page, "four.")
    said = [turn["content"] for turn in engine.requests[2][1:]]
    assert said == ["First of all", "".join(WORDS), "And then?"]

    another = page.context.new_page()  # which begins with a chat of its own
    another.goto(space.url)
    message(another).wait_for()
    another.get_by_text("How can I help you?").wait_for()
    ask(another, "Third")
    replied(another, "four.")
    page.locator("#chats .open", has_text="Third").wait_for()

    remove = page.get_by_role("button", name="Delete the chat: Second <one>")
    remove.focus()
    remove.press("Enter")
    remove.press("Enter")
    page.locator("#chats .open", has_text="Second").wait_for(state="detached")
    page.reload()
    page.locator("#chat [data-testid=user]", has_text="And then?").wait_for()
    assert chats(page) == ["Third", "First of all"]


def test_a_chat_left_during_a_reply_keeps_its_part(page: Page, engine: ScriptedEngine) -> None:
    engine.gate = threading.Semaphore(2)
    ask(page, "Count")
    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    page.get_by_role("button", name="New chat").click()
    engine.wait_until(lambda seen: seen.running == 0)
    engine.gate = None
    ask(page, "Another")
    replied(page, "four.")

    page.locator("#chats .open", has_text="Count").click()
    page.locator("#chat [data-testid=user]", has_text="Count").wait_for()

    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    assert "four" not in page.locator("#chat").inner_text()
