"""Questions and replies on the page, in headless Chromium."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space.local import (
    ContextError,
    EngineError,
    Finished,
    Limits,
    LocalSpace,
    ScriptedEngine,
    Thinking,
)
from tests.browser.driver import WORDS, ask, message, replied

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_the_question_shows_at_once_and_typed_text_stays(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.gate = threading.Semaphore(0)
    ask(page, "Count, please")
    page.locator("#chat [data-testid=user]", has_text="Count, please").wait_for()
    box = message(page)
    assert box.input_value() == ""

    box.type("my next")
    engine.gate.release(2)
    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    box.press("Enter")  # one reply at a time
    engine.gate.release(2)
    replied(page, "four.")

    assert box.input_value() == "my next"
    assert len(engine.requests) == 1
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"


def test_a_model_that_reads_a_long_question_does_not_look_dead(
    page: Page, engine: ScriptedEngine
) -> None:
    dots = """getComputedStyle(document.querySelector("#chat .message-wrap"), "::after").content"""
    engine.gate = threading.Semaphore(0)
    ask(page, "Count")
    page.get_by_role("status").get_by_text("The model reads the question").wait_for()
    assert page.evaluate(dots) == '"\u2022\u2022\u2022"'

    engine.gate.release(1)
    page.locator("#chat [data-testid=bot]", has_text="One").wait_for()
    assert page.get_by_text("The model reads the question").count() == 0
    assert page.evaluate(dots) == "none"
    engine.gate.release(3)
    replied(page, "four.")


def test_stop_takes_the_place_of_send_and_keeps_the_text(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.gate = threading.Semaphore(0)
    ask(page, "Count")
    engine.gate.release(2)
    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    assert page.get_by_role("button", name="Send").count() == 0

    page.get_by_role("button", name="Stop").click()

    engine.wait_until(lambda seen: seen.running == 0)
    replied(page, "One two")
    engine.gate = None
    ask(page, "Again")
    replied(page, "four.")
    assert [turn["content"] for turn in engine.requests[1][1:]] == ["Count", "One two ", "Again"]


def test_a_new_chat_during_a_reply_stops_it_and_stays_empty(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.gate = threading.Semaphore(2)
    ask(page, "Count")
    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()

    page.get_by_role("button", name="New chat").click()

    engine.wait_until(lambda seen: seen.running == 0)
    page.get_by_role("button", name="Send").wait_for()
    page.get_by_text("How can I help you?").wait_for()
    assert page.locator("#chat [data-testid=user]").count() == 0


def test_reasoning_shows_while_it_is_written(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = [Thinking("Let me see."), "Yes."]
    engine.gate = threading.Semaphore(1)
    ask(page, "Hm?")

    page.get_by_text("Let me see.").wait_for()
    engine.gate.release()
    replied(page, "Yes.")

    page.get_by_text("Thinking").wait_for()


def test_an_error_is_a_note_below_the_reply_so_far(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = [
        "Half",
        EngineError("The model's server cannot be reached.", "http://internal.example"),
    ]
    ask(page, "Hi")
    page.get_by_text("The reply failed").wait_for()

    text = page.locator("#chat").inner_text()
    assert "Half" in text
    assert "The model's server cannot be reached." in text
    assert "internal.example" not in page.content()
    engine.reply = WORDS
    ask(page, "Again")
    replied(page, "four.")


def test_a_message_that_is_refused_is_said_and_covers_nothing(
    open_page: Callable[..., Page],
) -> None:
    with LocalSpace(ScriptedEngine(WORDS), limits=Limits(request_bytes=50_000)) as narrow:
        page = open_page(url=narrow.url)
        ask(page, "First")
        replied(page, "four.")

        ask(page, "x" * 50_001)
        page.get_by_text("This is too large to send.").wait_for()

        assert message(page).input_value() == "x" * 50_001
        assert page.locator("#chat [data-testid=status-tracker]").is_hidden()
        ask(page, "Shorter")
        replied(page, "four.")


def test_a_reply_that_is_cut_says_so_and_goes_on(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = ["A long", Finished(is_cut=True, tokens=2)]
    ask(page, "Tell me")
    page.get_by_text("Cut at the limit of tokens").wait_for()
    page.get_by_role("button", name="Retry").wait_for()
    engine.reply = WORDS

    page.get_by_role("button", name="Continue").click()
    replied(page, "four.")

    assert [turn["role"] for turn in engine.requests[1]] == ["system", "user", "assistant", "user"]


def test_a_chat_over_the_context_goes_on_without_its_oldest_turns(
    page: Page, engine: ScriptedEngine
) -> None:
    def reply(messages: Any) -> Any:
        return [ContextError("too long")] if len(messages) > 4 else WORDS

    engine.reply = reply
    for text in ("First", "Second", "Third"):
        ask(page, text)
        page.locator("#chat [data-testid=user]", has_text=text).wait_for()
        page.get_by_role("button", name="Send").wait_for()

    page.get_by_text("no longer fit").wait_for()
    assert [turn["content"] for turn in engine.requests[-1][1:]] == ["".join(WORDS), "Third"] or [
        turn["content"] for turn in engine.requests[-1][1:]
    ] == ["Second", "".join(WORDS), "Third"]


def test_retry_undo_and_edit(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "First")
    replied(page, "four.")
    engine.reply = ["Another."]
    page.get_by_role("button", name="Retry").last.click()
    replied(page, "Another.")
    assert [turn["content"] for turn in engine.requests[1][1:]] == ["First"]

    engine.reply = ["Edited."]
    page.get_by_role("button", name="Edit").first.click()
    page.locator("#chat textarea").first.fill("Changed")
    page.get_by_role("button", name="Submit").first.click()
    replied(page, "Edited.")
    assert [turn["content"] for turn in engine.requests[2][1:]] == ["Changed"]

    page.get_by_role("button", name="Undo").last.click()
    page.get_by_text("How can I help you?").wait_for()
    assert message(page).input_value() == "Changed"


def test_the_indentation_of_a_question_is_kept(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = ["Here:\n\n    code\n    more"]
    text = "def f():\n    return 1"
    ask(page, text)
    replied(page, "code")
    assert page.locator("#chat .bot pre").count() == 1
    ask(page, "And?")
    engine.wait_until(lambda seen: len(seen.requests) == 2)

    assert [turn["content"] for turn in engine.requests[1][1:3]] == [text, engine.reply[0]]


def test_an_example_starts_a_chat(page: Page, engine: ScriptedEngine) -> None:
    page.get_by_role("button", name=re.compile("rainbow")).click()
    replied(page, "four.")

    assert "rainbow" in engine.requests[0][1]["content"]


def test_the_queue_place_is_shown(space: LocalSpace, open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS, gate=threading.Semaphore(0), slots=1)
    with LocalSpace(engine) as narrow:
        pages = [open_page(), open_page()]
        for page in pages:
            page.goto(narrow.url)
            message(page).wait_for()
        ask(pages[0], "First")
        engine.wait_until(lambda seen: seen.running == 1)
        ask(pages[1], "Second")
        pages[1].get_by_text("Waiting for a free place").wait_for()
        pages[1].locator("#chat [data-testid=user]", has_text="Second").wait_for()
        engine.gate = None
        replied(pages[1], "four.")


def test_an_enter_with_nothing_to_send_changes_nothing(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "First")
    replied(page, "four.")
    for text in ("", "   "):
        ask(page, text)
    page.get_by_role("button", name="Send").click()
    ask(page, "Second")
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    page.locator("#chat [data-testid=bot]", has_text="four.").nth(1).wait_for()

    assert [turn["content"] for turn in engine.requests[1][1:]] == [
        "First",
        "".join(WORDS),
        "Second",
    ]
    assert page.locator("#chat [data-testid=user]").count() == 2


def test_the_enter_of_an_input_method_sends_nothing(page: Page, engine: ScriptedEngine) -> None:
    message(page).fill("ni hao")
    page.evaluate(
        """() => {
            const init = { key: "Enter", keyCode: 229, isComposing: true, bubbles: true };
            const box = document.querySelector("#message textarea");
            for (const kind of ["keydown", "keypress", "keyup"])
                box.dispatchEvent(new KeyboardEvent(kind, init));
        }"""
    )
    ask(page, "\u4f60\u597d")
    replied(page, "four.")

    assert [request[1]["content"] for request in engine.requests] == ["\u4f60\u597d"]


def test_a_copied_message_is_as_it_was_written(
    open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    question = "What do <div> & `&lt;b>` do, and &amp;?"
    engine.reply = ["A <div>, and:\n\n```html\n&lt;p>\n```"]
    ask(page, question)
    replied(page, "A <div>")

    for row, text in enumerate((question, engine.reply[0])):
        page.get_by_role("button", name="Copy message").nth(row).click()
        page.wait_for_function(
            "async (text) => await navigator.clipboard.readText() === text", arg=text
        )
