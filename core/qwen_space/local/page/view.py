"""The chat with the reply that is being written, and the line below it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from qwen_space.local.dispatch import Update, Waiting
from qwen_space.local.engines.base import Finished
from qwen_space.local.page.markdown import to_display
from qwen_space.local.rows import ReplyRows, Rows, to_content

__all__ = ["View"]

_CONTINUE = "Go on exactly where you stopped."

# Seconds between two updates, and more for each character: a browser draws the whole reply anew.
_INTERVAL, _DRAWING = 0.05, 1e-5

_SPAN = 0.2  # seconds of a reply from which a speed says something


class View:
    """A chat with the reply that is being written.

    Args:
        before: The rows up to the question.

    Attributes:
        status: The line below the box.
        forgotten: Messages that no longer fit into the model's context.
        lost: Names of files that the server no longer has.
    """

    def __init__(self, before: Rows) -> None:
        self.before = before
        self.status = "The model reads the question"
        self.forgotten = 0
        self.lost: list[str] = []
        self._reply = ReplyRows()
        self._notes: Rows = []
        self._end = Finished()
        self._pieces = 0
        self._first = self._last = 0.0
        self._news = asyncio.Event()

    def add(self, part: Update) -> None:
        """Take a part of the reply."""
        self._news.set()
        if isinstance(part, Waiting):
            self.status = f"Waiting for a free place, {part.ahead} ahead"
        elif isinstance(part, Finished):
            self._end = part
        else:
            self._reply.add(part)
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._pieces += 1
            self.status = ""

    @property
    def interval(self) -> float:
        """The seconds until the next update, so that a browser keeps up with a long reply."""
        return _INTERVAL + _DRAWING * (len(self._reply.text) + len(self._reply.thoughts))

    async def wait_for_news(self, reading: asyncio.Future[None]) -> None:
        """Wait for a part of the reply, or for its end."""
        news = asyncio.ensure_future(self._news.wait())
        either: set[asyncio.Future[Any]] = {news, reading}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        self._news.clear()

    def fail(self, message: str) -> None:
        """Note below the reply that it failed."""
        self.status = ""
        self._notes = [_note("The reply failed", message)]

    def to_rows(self, *, is_done: bool = False) -> Rows:
        """Return all rows as the page shows them."""
        failed = is_done and bool(self._notes)
        rows = self._reply.to_rows(is_done=is_done and not failed)
        shown = [row | {"content": to_content(to_display(row["content"]))} for row in rows]
        if failed and not self._reply.text:
            shown = [row for row in shown if row.get("metadata")]
        if not is_done and not self._reply.text and not self._reply.thoughts:
            shown = []
        return [*self.before, *shown, *(self._notes if is_done else [])]

    def finish(self) -> None:
        """Tell the speed, and note below the reply that it was cut."""
        tokens = self._end.tokens or self._pieces
        seconds = self._last - self._first
        speed = f", {(tokens - 1) / seconds:.0f} tokens/s" if seconds > _SPAN else ""
        self.status = f"{tokens} token{'' if tokens == 1 else 's'}{speed}"
        if self.forgotten:
            self.status += f". The first {self.forgotten} messages no longer fit and were not read"
        if self.lost:
            self.status += f". No longer here, and not read: {', '.join(self.lost)}"
        if self._end.is_cut:
            text = "Raise the limit in the options, or let it go on."
            option = {"value": _CONTINUE, "label": "Continue"}
            self._notes = [_note("Cut at the limit of tokens", text) | {"options": [option]}]


def _note(title: str, text: str) -> dict[str, Any]:
    """Return a row that is shown to the person, and not to the model."""
    return {"role": "assistant", "content": text, "metadata": {"title": title}}
