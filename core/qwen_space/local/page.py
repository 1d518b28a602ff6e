"""The page to chat on: its components, and the functions behind them.

One function of Gradio's writes each reply, from the question to the last word. So a page has one
reply at a time, the question shows at once, and text that is typed meanwhile stays.
"""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import gradio as gr

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.local.dispatch import Dispatcher, Update, Waiting
from qwen_space.local.engines.base import Engine, Finished, Sampling
from qwen_space.local.errors import ContextError, EngineError
from qwen_space.local.files import add_files, find_lost
from qwen_space.local.rows import (
    ReplyRows,
    Rows,
    escape_html,
    is_file,
    read_text,
    to_display,
    to_messages,
    unescape_html,
)

__all__ = ["LOOK", "add_page"]

Outputs: TypeAlias = tuple[Any, Any, Any]  # the box, the chat, the line below

_HERE = Path(__file__).parent

_ICON = quote((_HERE / "page.svg").read_text("utf-8"))

# How mount_gradio_app is to make the page look. No font comes from another host.
LOOK: dict[str, Any] = {
    "theme": gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(body_text_color_subdued="*neutral_600"),
    "css_paths": [_HERE / "page.css"],
    "head": f'<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{_ICON}">'
    f"<script>{(_HERE / 'page.js').read_text('utf-8')}</script>",
}

_DISPLAYED = ("equation", "align", "align*", "gather")
_LATEX: list[dict[str, str | bool]] = [
    {"left": left, "right": right, "display": left != "\\("}
    for left, right in (
        ("$$", "$$"),
        ("\\[", "\\]"),
        ("\\(", "\\)"),
        *((f"\\begin{{{name}}}", f"\\end{{{name}}}") for name in _DISPLAYED),
    )
]

_EXAMPLES = (
    "Explain how a rainbow forms, in three sentences.",
    "Write a Python function that merges two sorted lists.",
    "Plan a weekend in Hangzhou for two people.",
    "Translate into Chinese: The early bird catches the worm.",
)

_CONTINUE = "Go on exactly where you stopped."

_DEFAULTS = Sampling(temperature=0.7, top_p=1, max_tokens=2048)

# Seconds between two updates, and more for each character: a browser draws the whole reply anew.
_INTERVAL, _DRAWING = 0.05, 1e-5

_SPAN = 0.2  # seconds of a reply from which a speed says something

_IDLE: dict[str, Any] = {"submit_btn": True, "stop_btn": False}
_BUSY: dict[str, Any] = {"submit_btn": False, "stop_btn": True}

_WRITES: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": None,  # the dispatcher has the slots
    "show_progress": "hidden",
}
# A question takes its files with it, and a question that is taken back brings them back.
_TAKE_FILES = "(...inputs) => qwenSpace.take(...inputs)"
_GIVE_FILES = "rows => { qwenSpace.give(rows); return [rows]; }"
_QUICK: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}


def add_page(
    blocks: gr.Blocks, dispatcher: Dispatcher, needs: Literal["token", "login"] | None
) -> None:
    """Add the page to `blocks`, which is being made.

    Args:
        blocks: The app.
        dispatcher: Writes the replies.
        needs: The thing that a program must give to be let in.
    """
    name = dispatcher.engine.name
    with gr.Row(elem_id="app"):
        gr.HTML("<nav aria-label='Chats'></nav>", elem_id="chats", padding=False)
        with gr.Column(elem_id="main"):
            with gr.Row(elem_id="top"):
                chats = gr.Button("☰", size="sm", elem_id="show-chats", scale=0, min_width=40)
                model = _make_model(dispatcher.engine)
                new = gr.Button("New chat", size="sm", elem_id="new-chat", scale=0, min_width=88)
                options = gr.Button("Options", size="sm", elem_id="options", scale=0, min_width=80)
            chat = _make_chat(name)
            _add_files(dispatcher)
            with gr.Row(elem_id="composer"):
                attach = gr.Button("+", elem_id="attach", scale=0, min_width=40)
                box = _make_box()
            status = gr.Markdown("", elem_id="status", container=False)
    opened = gr.Button(visible="hidden", elem_id="open-chat")
    defaults = getattr(dispatcher.engine, "defaults", None)
    panel, settings = _add_settings(blocks, model, defaults, needs)
    options.click(lambda: gr.Sidebar(open=True), None, panel, **_QUICK)
    attach.click(None, js="() => qwenSpace.pick()", api_visibility="private")
    chats.click(None, js="() => qwenSpace.toggle()", api_visibility="private")

    outputs = [box, chat, status]
    writer = _Writer(dispatcher)
    writes = [
        box.submit(writer.submit, [box, chat, *settings], outputs, js=_TAKE_FILES, **_WRITES),
        chat.retry(writer.retry, [chat, *settings], outputs, **_WRITES),
        chat.edit(writer.edit, [chat, *settings], outputs, **_WRITES),
        chat.example_select(writer.example, [chat, *settings], outputs, **_WRITES),
        chat.option_select(writer.option, [chat, *settings], outputs, **_WRITES),
    ]
    cancels: list[dict[str, Any]] = [*writes]
    box.stop(_stop, chat, outputs, cancels=cancels, **_QUICK)
    chat.undo(_undo, chat, outputs, js=_GIVE_FILES, cancels=cancels, **_QUICK)
    chat.change(None, chat, js="rows => { qwenSpace.keep(rows); }", api_visibility="private")
    for button, js in (
        (new, "qwenSpace.begin(crypto.randomUUID())"),
        (opened, "qwenSpace.begin()"),
    ):
        left = button.click(
            _leave, None, [box, status], js=f"() => {js}", cancels=cancels, **_QUICK
        )
        left.then(None, None, chat, js="() => qwenSpace.opened()", api_visibility="private")
    blocks.load(None, None, chat, js="() => qwenSpace.opened()", api_visibility="private")


def _make_chat(name: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=f"Chat with {name}",
        show_label=False,
        container=False,
        scale=1,
        elem_id="chat",
        buttons=["copy"],
        latex_delimiters=_LATEX,
        editable="user",
        group_consecutive_messages=False,
        feedback_options=None,
        placeholder="## How can I help you?",
        examples=[{"text": text} for text in _EXAMPLES],
    )


def _add_files(dispatcher: Dispatcher) -> None:
    """Add the place of the next question's files, which tells the script what they may be."""
    takes, size = " ".join(sorted(dispatcher.takes)), dispatcher.limits.upload_bytes
    gr.HTML(
        "<div role='list' aria-label='Files' aria-live='polite' "
        f"data-takes='{takes}' data-bytes='{size}'></div>",
        elem_id="files",
        padding=False,
    )


def _make_box() -> gr.Textbox:
    return gr.Textbox(
        label="Message",
        show_label=False,
        container=False,
        placeholder="Ask anything",
        max_lines=8,
        autofocus=True,
        elem_id="message",
        **_IDLE,
    )


def _make_model(engine: Engine) -> gr.Dropdown:
    """Add the name of the model that answers, or the choice of one."""
    models = list(getattr(engine, "models", ()))
    has_choice = len(models) > 1
    if not has_choice:
        gr.HTML(f"<h1>{html.escape(engine.name)}</h1>", elem_id="title", padding=False)
    return gr.Dropdown(
        models,
        value=models[0] if models else None,
        label="Model",
        show_label=False,
        container=False,
        elem_id="model",
        visible=has_choice,
    )


def _add_settings(
    blocks: gr.Blocks,
    model: gr.Dropdown,
    defaults: Sampling | None,
    needs: Literal["token", "login"] | None,
) -> tuple[gr.Sidebar, list[Any]]:
    """Add the panel at the side; return it, and its inputs in the order of `_sampling`."""
    given = {} if defaults is None else asdict(defaults)
    chosen = asdict(_DEFAULTS) | {name: each for name, each in given.items() if each is not None}
    limit = chosen["max_tokens"]
    with gr.Sidebar(label="Options", position="right", open=False) as panel:
        gr.Markdown("### Options")
        system = gr.Textbox(
            DEFAULT_SYSTEM_PROMPT, label="System prompt", lines=3, max_lines=10, elem_id="system"
        )
        temperature = gr.Slider(0, 2, chosen["temperature"], step=0.05, label="Temperature")
        top_p = gr.Slider(0.05, 1, chosen["top_p"], step=0.05, label="Top-p")
        max_tokens = gr.Slider(1, max(8192, limit), limit, step=1, label="Max tokens")
        _add_programs(blocks, needs)
        with gr.Row():
            for name, link in (("All functions", "show-api"), ("Look and language", "settings")):
                script = f"() => {{ document.querySelector('footer .{link}').click(); }}"
                gr.Button(name, size="sm").click(None, js=script, api_visibility="private")
    return panel, [system, model, temperature, top_p, max_tokens]


def _add_programs(blocks: gr.Blocks, needs: Literal["token", "login"] | None) -> None:
    """Add the panel with this Space's address for programs."""
    gr.Markdown("### Use it from")
    codes = []
    programs = _programs(needs)
    for title, code in programs.items():
        with gr.Accordion(title, open=False):
            language: Any = "shell" if title == "Terminal" else "python"
            shown = gr.Code(
                code,
                language=language,
                interactive=False,
                show_label=False,
                wrap_lines=True,
                buttons=["copy"],
            )
            codes.append(shown)
    script = (
        "() => {codes}.map(code => code.replace('URL',"
        " location.origin + location.pathname.replace(/\\/$/, '')))"
    )
    blocks.load(
        None, None, codes, js=script.replace("{codes}", json.dumps(list(programs.values())))
    )


def _programs(needs: Literal["token", "login"] | None) -> dict[str, str]:
    """Return a program for each way to use this Space, with the placeholder URL."""
    given = {"token": ', hf_token="TOKEN"', "login": ', auth=("USER", "PASS")', None: ""}[needs]
    command = {
        "token": "export HF_TOKEN=TOKEN\nqwen-space chat URL",
        "login": "qwen-space chat URL --auth USER",
        None: "qwen-space chat URL",
    }[needs]
    return {
        "LangChain": f"""\
from langchain_qwen_space import ChatQwenSpace

model = ChatQwenSpace(space="URL"{given})
for chunk in model.stream("Hello"):
    print(chunk.text, end="", flush=True)
""",
        "LlamaIndex": f"""\
from llama_index.llms.qwen_space import QwenSpace

llm = QwenSpace(space="URL"{given})
for part in llm.stream_complete("Hello"):
    print(part.delta, end="", flush=True)
""",
        "Terminal": f"""\
pip install "qwen-space[cli]"
{command}
""",
    }


class _Writer:
    """Writes replies into the chat, one at a time for each page."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._busy: set[str | None] = set()

    async def submit(
        self, request: gr.Request, text: str | None, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        if text is not None:
            asked = replace(_question(rows), text=text)
            async for outputs in self._write(asked, settings, request, value=""):
                yield outputs

    async def retry(
        self, request: gr.Request, data: gr.RetryData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        async for outputs in self._write(_question(rows, data.index), settings, request):
            yield outputs

    async def edit(
        self, request: gr.Request, data: gr.EditData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        asked = replace(_question(rows, data.index), text=read_text(data.value))
        async for outputs in self._write(asked, settings, request):
            yield outputs

    async def example(
        self, request: gr.Request, data: gr.SelectData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        asked = _Question(rows, data.value["text"])
        async for outputs in self._write(asked, settings, request):
            yield outputs

    async def option(
        self, request: gr.Request, data: gr.SelectData, rows: Rows, *settings: Any
    ) -> AsyncGenerator[Outputs, None]:
        async for outputs in self._write(_Question(rows, data.value), settings, request):
            yield outputs

    async def _write(
        self,
        question: _Question,
        settings: tuple[Any, ...],
        request: gr.Request,
        **box: Any,
    ) -> AsyncGenerator[Outputs, None]:
        """Yield the page's outputs while a reply is written below a question."""
        if request.session_hash in self._busy:
            return
        self._busy.add(request.session_hash)
        rows = question.to_rows()
        yield gr.update(**box, **_BUSY), rows, ""
        view = _View(rows)
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
        yield gr.update(**_IDLE), view.to_rows(is_done=True), view.status

    async def _fill(self, view: _View, settings: tuple[Any, ...], request: gr.Request) -> None:
        """Read a reply into `view`, without the oldest turns where all are too many."""
        system, *options = settings
        asked = to_messages(view.before, system or DEFAULT_SYSTEM_PROMPT, unescape_html)
        view.lost = find_lost(asked)
        messages = await add_files(asked, self._dispatcher.takes)
        while True:
            parts = self._dispatcher.reply(messages, _sampling(*options), request.session_hash)
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


class _View:
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
        self.status = ""
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
        shown = [row | {"content": _text(to_display(row["content"]))} for row in rows]
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


def _sampling(model: str | None, temperature: float, top_p: float, max_tokens: float) -> Sampling:
    return Sampling(temperature, top_p, int(max_tokens), model)


def _note(title: str, text: str) -> dict[str, Any]:
    """Return a row that is shown to the person, and not to the model."""
    return {"role": "assistant", "content": text, "metadata": {"title": title}}


def _text(text: str) -> list[dict[str, str]]:
    """Return a text as a row's content; of a bare string Gradio would clean the indentation."""
    return [{"type": "text", "text": text}]


def _plain(rows: Rows) -> Rows:
    """Return the rows without the options of an earlier note, and the addresses of their files.

    Gradio would fetch a file from its address, which it makes anew of the path.
    """
    return [
        {key: row[key] for key in ("role", "metadata") if row.get(key)}
        | {"content": [_without_url(part) for part in row["content"]]}
        for row in rows
    ]


def _without_url(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"file": part["file"] | {"url": None}} if "file" in part else part


@dataclass(frozen=True, slots=True)
class _Question:
    """A question with its place in a chat.

    Attributes:
        before: The rows before it.
        text: The text as the person wrote it; with files it may be empty.
        files: The rows of its files.
    """

    before: Rows
    text: str
    files: Rows = field(default_factory=list)

    def to_rows(self) -> Rows:
        """Return the chat with the question as its end."""
        asked = {"role": "user", "content": _text(escape_html(self.text))}
        return [*_plain([*self.before, *self.files]), *([asked] if self.text.strip() else [])]


def _question(rows: Rows, index: Any = None) -> _Question:
    """Return the question at, or before, an index; the files at the end of the rows if None."""
    end, text = len(rows), ""
    if index is not None:
        end = (index[0] if isinstance(index, list | tuple) else index) + 1
        while end and rows[end - 1]["role"] != "user":
            end -= 1
        if end and not is_file(rows[end - 1]):
            end -= 1
            text = unescape_html(read_text(rows[end]["content"]))
    start = end
    while start and is_file(rows[start - 1]):
        start -= 1
    return _Question(rows[:start], text, rows[start:end])


def _without_oldest(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return messages without the older half of the turns, so that a few tries are enough."""
    system, *turns = messages
    return [system, *turns[max(2, len(turns) // 4 * 2) :]]


def _stop(rows: Rows) -> Outputs:
    """Leave the reply as far as it has come."""
    done = [
        row | {"metadata": row["metadata"] | {"status": "done"}}
        if (row.get("metadata") or {}).get("status")
        else row
        for row in rows
    ]
    return gr.update(**_IDLE), done, "Stopped"


def _undo(rows: Rows) -> Outputs:
    """Take the last question back into the box; the script does it with its files."""
    if not rows:
        return gr.skip(), gr.skip(), gr.skip()
    question = _question(rows, len(rows) - 1)
    return gr.update(value=question.text, **_IDLE), _plain(question.before), ""


def _leave() -> tuple[Any, str]:
    return gr.update(**_IDLE), ""
