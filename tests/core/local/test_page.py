"""The page in a real browser: headless Chromium, as the distribution has it.

With QWEN_SPACE_SCREENSHOTS set to a folder, the pictures of the documentation are written there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from qwen_space.local import (
    ContextError,
    EngineError,
    Finished,
    Limits,
    LocalSpace,
    OpenAIEngine,
    Sampling,
    ScriptedEngine,
    Thinking,
    describe_message,
)
from tests.completions_server import running_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

NAME = "Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)"
WORDS = ["One ", "two ", "three ", "four."]

MARKDOWN = r"""### A list, sorted

| Language | Year |
|---|---|
| Python | 1991 |

```python
def merge(left: list[int], right: list[int]) -> list[int]:
    return sorted([*left, *right])  # &lt;
```

Inline $a^2+b^2=c^2$ and \(x_1 < y\), and display:

\[ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} \]

It costs $5 and then $10 for two. A <b>tag</b>, a vector<int>, and `<i>`.

![remote](http://elsewhere.example/x.png)
"""


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(WORDS)
    engine.name = NAME
    with LocalSpace(engine) as running:
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path is not None, "no Chromium is installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, space: LocalSpace) -> Iterator[Callable[..., Page]]:
    """Give a function that opens the page; no page may ask another host, or fail."""
    foreign: list[str] = []
    errors: list[str] = []
    contexts = []

    def watch(page: Page, url: str, ready: str) -> Page:
        page.set_default_timeout(30_000)
        page.on("request", lambda request: foreign.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.get_by_role("button", name=ready).wait_for()
        return page

    def opened(
        width: int = 1280,
        height: int = 800,
        url: str = space.url,
        ready: str = "Send",
        **options: Any,
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        return watch(context.new_page(), url, ready)

    yield opened
    for context in contexts:
        context.close()
    assert [
        url for url in foreign if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ] == []
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., Page], engine: ScriptedEngine) -> Page:
    return open_page()


def message(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def ask(page: Page, text: str) -> None:
    message(page).fill(text)
    message(page).press("Enter")


def replied(page: Page, text: str) -> None:
    page.locator("#chat [data-testid=bot]", has_text=text).last.wait_for()
    page.get_by_role("button", name="Send").wait_for()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("QWEN_SPACE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


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


def test_reasoning_shows_while_it_is_written(page: Page, engine: ScriptedEngine) -> None:
    engine.reply = [Thinking("Let me see."), "Yes."]
    engine.gate = threading.Semaphore(1)
    ask(page, "Hm?")

    page.get_by_text("Let me see.").wait_for()
    engine.gate.release()
    replied(page, "Yes.")

    page.get_by_text("Thinking").wait_for()


def test_an_error_is_a_note_below_what_there_is(page: Page, engine: ScriptedEngine) -> None:
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


def test_a_reload_keeps_the_chat(page: Page, engine: ScriptedEngine) -> None:
    ask(page, "Remember <me>")
    replied(page, "four.")

    page.reload()
    page.locator("#chat [data-testid=user]", has_text="Remember <me>").wait_for()
    ask(page, "And now?")
    engine.wait_until(lambda seen: len(seen.requests) == 2)

    assert engine.requests[1][1]["content"] == "Remember <me>"


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


def chats(page: Page) -> list[str]:
    return page.locator("#chats .open").all_inner_texts()


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


def test_a_chat_that_is_left_while_it_is_written_keeps_what_had_come(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.gate = threading.Semaphore(2)
    ask(page, "Count")
    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    page.get_by_role("button", name="New chat").click()
    engine.wait_until(lambda seen: seen.running == 0)
    engine.gate = None
    ask(page, "Another")
    replied(page, "four.")

    page.locator("#chats .open", has_text="Count").click()

    page.locator("#chat [data-testid=bot]", has_text="two").wait_for()
    assert "four" not in page.locator("#chat").inner_text()


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


@pytest.fixture(scope="module")
def seeing() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(describe_message, takes=["image", "audio"])
    engine.name = "Qwen2.5-VL-7B-Instruct"
    with LocalSpace(engine, limits=Limits(upload_bytes=100_000)) as running:
        yield running


def draw(red: int) -> bytes:
    """Return a PNG of 240 by 160 pixels, with a sun on a sky."""
    sky = Image.new("RGB", (240, 160), (red, 130, 220))
    ImageDraw.Draw(sky).ellipse((80, 40, 160, 120), fill=(250, 200, 60))
    data = io.BytesIO()
    sky.save(data, "PNG")
    return data.getvalue()


def described(data: bytes) -> str:
    return f"image {len(data)} bytes {hashlib.sha256(data).hexdigest()} 240x160"


def choose(page: Page, *files: tuple[str, str, bytes]) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Add files").click()
    chosen.value.set_files([{"name": n, "mimeType": t, "buffer": b} for n, t, b in files])


def hand_over(page: Page, event: str, name: str, data: bytes, kind: str = "image/png") -> None:
    """Paste or drop a file as a person does it; the browser makes the event then."""
    page.evaluate(
        """([event, name, bytes, type]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, { type }));
            const Event = event === "paste" ? ClipboardEvent : DragEvent;
            const init = { bubbles: true, clipboardData: data, dataTransfer: data };
            const made = new Event(event, { ...init, cancelable: true });
            document.querySelector("#message textarea").dispatchEvent(made);
        }""",
        [event, name, list(data), kind],
    )


def chips(page: Page) -> Locator:
    return page.locator("#files .chip[aria-busy=false]")


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

    page.get_by_role("button", name="Retry").last.click()
    engine.wait_until(lambda seen: len(seen.requests) == 2)
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
    page.get_by_role("button", name="Retry").last.click()
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
def test_a_file_that_cannot_go_is_said(
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


def test_the_options_apply_without_another_button(page: Page, engine: ScriptedEngine) -> None:
    page.get_by_role("button", name="Options").click()
    page.get_by_label("System prompt").fill("Be brief.")
    number = page.get_by_label("number input for Temperature")
    number.fill("0")
    number.press("Tab")
    page.wait_for_function(
        "document.querySelector('.sidebar').getBoundingClientRect().right <= innerWidth"
    )
    picture(page, "options")
    ask(page, "Hi")
    replied(page, "four.")

    assert engine.requests[0][0] == {"role": "system", "content": "Be brief."}
    assert engine.samplings[0] == Sampling(0, 1, 2048, None)


def test_the_options_begin_with_the_engines_own(open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS)
    engine.defaults = Sampling(temperature=0, max_tokens=60)  # type: ignore[attr-defined]
    with LocalSpace(engine) as careful:
        page = open_page(url=careful.url)
        ask(page, "Hi")
        replied(page, "four.")

    assert engine.samplings[0] == Sampling(0, 1, 60, None)


def test_the_programs_have_this_spaces_address(page: Page, space: LocalSpace) -> None:
    page.get_by_role("button", name="Options").click()
    for framework in ("LangChain", "LlamaIndex"):
        page.get_by_role("button", name=re.compile(f"^{framework}")).click()

    for line in ("ChatQwenSpace(space=", "QwenSpace(space="):
        page.get_by_text(f'{line}"{space.url}")').last.wait_for()


def test_the_pages_of_gradio_open_from_the_options(page: Page) -> None:
    page.get_by_role("button", name="Options").click()
    page.get_by_role("button", name="All functions").click()

    page.get_by_text("model_chat_1").first.wait_for()


def test_of_several_models_one_is_chosen_by_name(open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS)
    engine.models = ("Qwen2.5-7B", "Qwen2.5-72B")  # type: ignore[attr-defined]
    with LocalSpace(engine) as several:
        page = open_page(url=several.url)
        page.get_by_label("Model").click()
        page.get_by_role("option", name="Qwen2.5-72B").click()
        ask(page, "Hi")
        replied(page, "four.")

    assert engine.samplings[0].model == "Qwen2.5-72B"


def programs(page: Page) -> str:
    """Return the programs of the panel."""
    if not page.locator(".sidebar.open").count():
        page.get_by_role("button", name="Options").click()
        for title in ("LangChain", "LlamaIndex", "Terminal"):
            page.get_by_role("button", name=re.compile(f"^{title}")).click()
    page.locator(".cm-content", has_text="qwen-space chat").wait_for()
    return "\n".join(page.locator(".sidebar .cm-content").all_inner_texts())


def test_a_browser_is_asked_for_the_token(open_page: Callable[..., Page]) -> None:
    login = {"username": "anyone", "password": "sesame"}
    with LocalSpace(ScriptedEngine(WORDS), token="sesame") as closed:
        page = open_page(url=closed.url, http_credentials=login)
        ask(page, "Hi")
        replied(page, "four.")
        assert f'ChatQwenSpace(space="{closed.url}", hf_token="TOKEN")' in programs(page)
        assert "sesame" not in page.content()


def test_a_login_leads_to_the_page(open_page: Callable[..., Page]) -> None:
    with LocalSpace(ScriptedEngine(WORDS), auth=("ada", "sesame")) as closed:
        page = open_page(url=closed.url, ready="Login")
        page.get_by_label("username").fill("ada")
        page.get_by_label("password").fill("sesame")
        page.get_by_role("button", name="Login").click()
        ask(page, "Hi")
        replied(page, "four.")
        assert f'QwenSpace(space="{closed.url}", auth=("USER", "PASS"))' in programs(page)
        assert f"qwen-space chat {closed.url} --auth USER" in programs(page)


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
    page = open_page(width, height, color_scheme=scheme)
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
        page = open_page(url=space.url, color_scheme=scheme, bypass_csp=True)
        choose(page, ("a.png", "image/png", draw(1)), ("notes.md", "text/plain", b"Buy milk."))
        chips(page).nth(1).wait_for()
        assert faults(page) == []
        ask(page, "Show me")
        replied(page, "vector")
        page.get_by_role("button", name="Options").click()
        page.get_by_role("button", name=re.compile("^LangChain")).click()
        page.get_by_text("ChatQwenSpace(space=").last.wait_for()
        assert faults(page) == []


def test_each_control_has_a_name(page: Page, engine: ScriptedEngine) -> None:
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
