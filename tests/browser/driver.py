"""The page as a person uses it, by the names that its controls have."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

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


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run the distribution's Chromium without a window: its headless shell takes less CPU time."""
    from playwright.sync_api import sync_playwright

    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path is not None, "no Chromium is installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def message(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def ask(page: Page, text: str) -> None:
    message(page).fill(text)
    message(page).press("Enter")


def replied(page: Page, text: str) -> None:
    """Wait until an answer below the last question has ``text``, and the page takes another."""
    question = page.locator("#chat [data-testid=user]").last
    question.locator("xpath=following::*[@data-testid='bot']", has_text=text).last.wait_for()
    page.get_by_role("button", name="Send").wait_for()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("QWEN_SPACE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def chats(page: Page) -> list[str]:
    return page.locator("#chats .open").all_inner_texts()


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
            const content = Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0));
            data.items.add(new File([content], name, { type }));
            const Event = event === "paste" ? ClipboardEvent : DragEvent;
            const init = { bubbles: true, clipboardData: data, dataTransfer: data };
            const made = new Event(event, { ...init, cancelable: true });
            document.querySelector("#message textarea").dispatchEvent(made);
        }""",
        [event, name, base64.b64encode(data).decode(), kind],
    )


def chips(page: Page) -> Locator:
    return page.locator("#files .chip[aria-busy=false]")


def programs(page: Page) -> str:
    """Return the programs of the panel."""
    if not page.locator(".sidebar.open").count():
        page.get_by_role("button", name="Options").click()
        for title in ("LangChain", "LlamaIndex", "Terminal"):
            page.get_by_role("button", name=re.compile(f"^{title}")).click()
    page.locator(".cm-content", has_text="qwen-space chat").wait_for()
    return "\n".join(page.locator(".sidebar .cm-content").all_inner_texts())
