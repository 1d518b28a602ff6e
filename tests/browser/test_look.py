"""The page's look: Markdown, sizes, colours, and the names of its controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from qwen_space.local import Finished, LocalSpace, ScriptedEngine, Thinking
from tests.browser.driver import MARKDOWN, ask, chips, choose, draw, message, picture, replied

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_markdown_formulas_and_tags_are_shown_as_they_are_meant(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.reply = [Thinking("The user wants "), Thinking("a list."), MARKDOWN, Finished(tokens=90)]
    ask(page, "What does <div> do, & why `<b>`?")
    replied(page, "vector")

    chat = page.locator("#chat")
    assert chat.locator(".katex-display").count() == 1
    assert chat.locator(".katex").count() == 3
    assert "$5 and then $10" in chat.inner_text()
    assert "<b>tag</b>, a vector<int>, and <i>" in chat.inner_text()
    assert "return sorted([*left, *right])  # &lt;" in chat.inner_text()
    assert "What does <div> do, & why <b>?" in chat.locator("[data-testid=user]").last.inner_text()
    assert chat.locator("img[src^='http']").count() == 0
    assert chat.get_by_role("link", name="remote").count() == 1
    picture(page, "page")
    ask(page, "And?")
    engine.wait_until(lambda seen: len(seen.requests) == 2)
    question, answer = engine.requests[1][1:3]
    assert question["content"] == "What does <div> do, & why `<b>`?"
    assert "A <b>tag</b>, a vector<int>" in answer["content"]
    assert "wants" not in str(engine.requests[1])


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("phone", 390, 760, "light"),
        ("dark", 1280, 800, "dark"),
        ("small", 320, 560, "light"),
        ("tablet", 1000, 700, "light"),
        ("wide", 1920, 900, "light"),
    ],
)
def test_the_box_is_in_sight_and_nothing_overflows(
    open_page: Callable[..., Page],
    engine: ScriptedEngine,
    name: str,
    width: int,
    height: int,
    scheme: str,
) -> None:
    engine.reply = [MARKDOWN]
    page = open_page(width, height, scheme=scheme)
    for when in ("empty", "filled"):
        box = message(page).bounding_box()
        assert box is not None, when
        assert box["y"] + box["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        app = page.locator("#app").bounding_box()
        assert app is not None
        assert (app["x"], app["width"]) == (0, width)
        if when == "empty":
            ask(page, "Show me")
            replied(page, "vector")
    if name in {"phone", "dark"}:
        picture(page, name)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")


ARABIC = "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"
WIDE = f"""{ARABIC}

1. {ARABIC}

| {" | ".join(["A heading", "another one"] * 4)} |
|{"---|" * 8}
| {" | ".join(["the value of a cell"] * 8)} |

$$ {"+".join(f"a_{{{number}}}" for number in range(40))} $$

- [x] done
"""


def test_right_to_left_texts_begin_at_the_right(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = [WIDE]
    ask(page, ARABIC)
    replied(page, "done")

    message(page).fill(ARABIC)
    gaps = page.evaluate(
        """() => ["p", "li"].map((name) => {
            const part = document.querySelector(`#chat .bot ${name}`);
            const range = document.createRange();
            range.selectNodeContents(part);
            return part.getBoundingClientRect().right - range.getBoundingClientRect().right;
        })"""
    )
    assert max(gaps) < 2
    assert page.locator("#chat .bot ol").evaluate("each => getComputedStyle(each).direction") == (
        "rtl"
    )
    bidi = message(page).evaluate("each => getComputedStyle(each).unicodeBidi")
    assert bidi == "plaintext"


def test_wide_parts_scroll_within_a_phone(
    open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    engine.reply = [WIDE]
    page = open_page(390, 760)
    ask(page, "Show me")
    replied(page, "done")

    for part in ("table", ".katex-display"):
        wide = page.locator(f"#chat .bot {part}")
        assert wide.evaluate("each => each.scrollWidth > each.clientWidth + 50"), part
        box = wide.bounding_box()
        assert box is not None, part
        assert box["x"] + box["width"] <= 390, part
        page.wait_for_function(f"document.querySelector('#chat .bot {part}').tabIndex === 0")
    heading = page.locator("#chat .bot th").first.bounding_box()
    assert heading is not None
    assert heading["height"] < 80  # no word is torn into letters
    appearance = page.locator("#chat .bot input[type=checkbox]").evaluate(
        "each => getComputedStyle(each).appearance"
    )
    assert appearance == "auto"  # a tick shows


def test_a_long_chat_lays_out_only_visible_turns(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = ["A line of text.\n\n" * 40]
    for number in range(4):
        ask(page, f"Question {number}")
        page.locator("#chat [data-testid=user]", has_text=f"Question {number}").wait_for()
        replied(page, "A line")

    shown = page.locator("#chat .bot-row").evaluate_all(
        "rows => rows.map((each) => each.firstElementChild.checkVisibility("
        "{ contentVisibilityAuto: true }))"
    )
    assert (shown[0], shown[-1]) == (False, True)


def test_a_printed_chat_is_whole(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = ["A line of text.\n\n" * 100]
    ask(page, "Print it")
    replied(page, "A line")

    pages = re.findall(rb"/Type\s*/Page\b", page.pdf())
    assert len(pages) >= 3
    page.emulate_media(media="print")
    assert message(page).is_hidden()
    assert page.locator("#chats").is_hidden()


def test_a_long_question_stays_above_a_phones_keyboard(
    open_page: Callable[..., Page], engine: ScriptedEngine
) -> None:
    page = open_page(390, 760)
    ask(page, "Hi")
    replied(page, "four.")
    page.set_viewport_size({"width": 390, "height": 340})
    message(page).fill("line\n" * 12)

    page.wait_for_function(
        "document.querySelector('#message textarea').getBoundingClientRect().bottom <= 340"
    )
    send = page.get_by_role("button", name="Send").bounding_box()
    assert send is not None
    assert send["y"] + send["height"] <= 340


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(open_page: Callable[..., Page], scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    def faults(page: Page) -> list[tuple[str, str]]:
        found = Axe().run(page).response["violations"]
        # The order of headings in a reply is its model's.
        rest = [fault for fault in found if fault["id"] != "heading-order"]
        return [(fault["id"], node["html"][:200]) for fault in rest for node in fault["nodes"]]

    engine = ScriptedEngine([Thinking("Hm."), MARKDOWN], takes=["image"])
    with LocalSpace(engine) as space:
        page = open_page(url=space.url, scheme=scheme, bypass_csp=True)
        choose(page, ("a.png", "image/png", draw(1)), ("notes.md", "text/plain", b"Buy milk."))
        chips(page).nth(1).wait_for()
        assert faults(page) == []
        ask(page, "Show me")
        replied(page, "vector")
        page.get_by_role("button", name="Options").click()
        page.get_by_role("button", name=re.compile("^LangChain")).click()
        page.get_by_text("ChatQwenSpace(space=").last.wait_for()
        assert faults(page) == []


def test_each_control_has_a_name_and_shows_its_focus(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "Hi")
    replied(page, "four.")

    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, textarea, select')]
        .filter(each => each.checkVisibility())
        .filter(each => !(each.innerText || each.ariaLabel || each.title || each.labels?.length))
        .map(each => each.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
