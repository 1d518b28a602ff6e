"""The functions behind the page: each writes a reply, or takes one back.

One function of Gradio's writes each reply, from the question to the last word. So a page has one
reply at a time, the question shows at once, and text that is typed meanwhile stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, TypeAlias

import gradio as gr

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.local.dispatch import Dispatcher
from qwen_space.local.errors import ContextError, EngineError
from qwen_space.local.files import add_files, find_lost
from qwen_space.local.page.markdown import unescape_html
from qwen_space.local.page.options import to_sampling
from qwen_space.local.page.question import Question, find_question, to_plain
from qwen_space.local.page.view import View
from qwen_space.local.rows import Rows, read_text, to_messages

__all__ = ["IDLE", "Writer", "leave", "stop", "undo"]

Outputs: TypeAlias = tuple[Any, Any, Any]  # the box, the chat, the line below

IDLE: dict[str, Any] = {"submit_btn": True, "stop_btn": False}
_BUSY: dict[str, Any] = {"submit_btn": False, "stop_btn": True}


class Writer:
    """Writes replies into the chat, one at a time for each page."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._busy: set[str | None] = set()

    async def submit(
        self, request: gr.Request, text: str | None, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        """Write the reply to the text in the box, with the files at the end of the rows."""
        if text is None:  # of a generator without a value Gradio would empty the page
            yield gr.skip(), gr.skip(), gr.skip()
            return
        asked = replace(find_question(rows), text=text)
        async for outputs in self._write(asked, settings, request, value=""):
            yield outputs

    async def retry(
        self, request: gr.Request, data: gr.RetryData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        """Write another reply to a question."""
        async for outputs in self._write(find_question(rows, data.index), settings, request):
            yield outputs

    async def edit(
        self, request: gr.Request, data: gr.EditData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        """Write the reply to a changed question, which ends the chat."""
        asked = replace(find_question(rows, data.index), text=read_text(data.value))
        async for outputs in self._write(asked, settings, request):
            yield outputs

    async def example(
        self, request: gr.Request, data: gr.SelectData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        """Write the reply to an example."""
        asked = Question(rows, data.value["text"])
        async for outputs in self._write(asked, settings, request):
            yield outputs

    async def option(
        self, request: gr.Request, data: gr.SelectData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        """Write the reply to the option of a note."""
        async for outputs in self._write(Question(rows, data.value), settings, request):
            yield outputs

    async def _write(
        self,
        question: Question,
        settings: tuple[Any, ...],
        request: gr.Request,
        **box: Any,
    ) -> AsyncGenerator[Outputs, None]:
        """Yield the page's outputs while a reply is written below a question."""
        if request.session_hash in self._busy:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        self._busy.add(request.session_hash)
        rows = question.to_rows()
        view = View(rows)
        yield gr.update(**box, **_BUSY), rows, view.status
        reading = asyncio.ensure_future(self._fill(view, settings, request))
        try:
            while not reading.done():
                await view.wait_for_news(reading)
                yield gr.skip(), view.to_rows(), view.status
                await asyncio.wait({reading}, timeout=view.interval)
            await reading
            view.finish()
        except EngineError as exc:
            view.fail(exc.message)
        finally:
            reading.cancel()
            self._busy.discard(request.session_hash)
        yield gr.update(**IDLE), view.to_rows(is_done=True), view.status

    async def _fill(self, view: View, settings: tuple[Any, ...], request: gr.Request) -> None:
        """Read a reply into `view`, without the oldest turns where all are too many."""
        system, *options = settings
        asked = to_messages(view.before, system or DEFAULT_SYSTEM_PROMPT, unescape_html)
        view.lost = find_lost(asked)
        messages = await add_files(asked, self._dispatcher.takes)
        while True:
            parts = self._dispatcher.reply(messages, to_sampling(*options), request.session_hash)
            try:
                async for part in parts:
                    view.add(part)
                return
            except ContextError:
                if len(messages) < 4:
                    raise
                left = _without_oldest(messages)
                view.forgotten += len(messages) - len(left)
                messages = left
            finally:
                await parts.aclose()


def _without_oldest(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return messages without the older half of the turns, so that a few tries are enough."""
    system, *turns = messages
    return [system, *turns[max(2, len(turns) // 4 * 2) :]]


def stop(rows: Rows) -> Outputs:
    """Leave the reply as far as it has come."""
    done = [
        row | {"metadata": row["metadata"] | {"status": "done"}}
        if (row.get("metadata") or {}).get("status")
        else row
        for row in rows
    ]
    return gr.update(**IDLE), done, "Stopped"


def undo(rows: Rows) -> Outputs:
    """Take the last question back into the box; the script does it with its files."""
    if not rows:
        return gr.skip(), gr.skip(), gr.skip()
    question = find_question(rows, len(rows) - 1)
    return gr.update(value=question.text, **IDLE), to_plain(question.before), ""


def leave() -> tuple[Any, str]:
    """Make the box ready for another chat."""
    return gr.update(**IDLE), ""
