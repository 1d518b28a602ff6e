"""The components of the page, and which function each of them runs."""

from __future__ import annotations

import html
from typing import Any, Literal

import gradio as gr

from qwen_space.local.dispatch import Dispatcher
from qwen_space.local.engines.base import Engine
from qwen_space.local.page.look import LATEX
from qwen_space.local.page.options import add_options
from qwen_space.local.page.writer import IDLE, Writer, leave, stop, undo

__all__ = ["add_page"]

_EXAMPLES = (
    "Explain how a rainbow forms, in three sentences.",
    "Write a Python function that merges two sorted lists.",
    "Plan a weekend in Hangzhou for two people.",
    "Translate into Chinese: The early bird catches the worm.",
)

_WRITES: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": None,  # the dispatcher has the slots
    "show_progress": "hidden",
}
# A question takes its files with it, and a question that is taken back brings them back.
_SEND = "(...inputs) => qwenSpaceQuestion.send(...inputs)"
_TAKE_BACK = "rows => { qwenSpaceQuestion.takeBack(rows); return [rows]; }"
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
    with gr.Row(elem_id="app"):
        gr.HTML("<nav aria-label='Chats'></nav>", elem_id="chats", padding=False)
        with gr.Column(elem_id="main"):
            model, new, options = _add_top(dispatcher.engine)
            chat = _make_chat(dispatcher.engine.name)
            _add_files(dispatcher)
            box = _add_composer()
            status = gr.Markdown("", elem_id="status", container=False)
    defaults = getattr(dispatcher.engine, "defaults", None)
    panel, settings = add_options(blocks, model, defaults, needs)
    options.click(lambda: gr.Sidebar(open=True), None, panel, **_QUICK)
    outputs = [box, chat, status]
    writes = _add_writes(Writer(dispatcher), outputs, settings)
    _add_chats(blocks, new, outputs, writes)


def _add_writes(writer: Writer, outputs: list[Any], settings: list[Any]) -> list[Any]:
    """Let each control write replies into the chat; return these events."""
    box, chat, _ = outputs
    writes: list[Any] = [
        box.submit(writer.submit, [box, chat, *settings], outputs, js=_SEND, **_WRITES),
        chat.retry(writer.retry, [chat, *settings], outputs, **_WRITES),
        chat.edit(writer.edit, [chat, *settings], outputs, **_WRITES),
        chat.example_select(writer.example, [chat, *settings], outputs, **_WRITES),
        chat.option_select(writer.option, [chat, *settings], outputs, **_WRITES),
    ]
    box.stop(stop, chat, outputs, cancels=writes, **_QUICK)
    chat.undo(undo, chat, outputs, js=_TAKE_BACK, cancels=writes, **_QUICK)
    return writes


def _add_chats(blocks: gr.Blocks, new: gr.Button, outputs: list[Any], writes: list[Any]) -> None:
    """Let the browser keep the chat, and open another one, which ends a reply under way."""
    box, chat, status = outputs
    opened = gr.Button(visible="hidden", elem_id="open-chat")
    chat.change(None, chat, js="rows => { qwenSpaceChats.keep(rows); }", api_visibility="private")
    for button, js in (
        (new, "qwenSpaceChats.begin(crypto.randomUUID())"),
        (opened, "qwenSpaceChats.begin()"),
    ):
        left = button.click(leave, None, [box, status], js=f"() => {js}", cancels=writes, **_QUICK)
        left.then(None, None, chat, js="() => qwenSpaceChats.opened()", api_visibility="private")
    blocks.load(None, None, chat, js="() => qwenSpaceChats.opened()", api_visibility="private")


def _add_top(engine: Engine) -> tuple[gr.Dropdown, gr.Button, gr.Button]:
    """Add the line above the chat; return its model, and its buttons for a chat and options."""
    with gr.Row(elem_id="top"):
        chats = gr.Button("☰", size="sm", elem_id="show-chats", scale=0, min_width=40)
        model = _make_model(engine)
        new = gr.Button("New chat", size="sm", elem_id="new-chat", scale=0, min_width=88)
        options = gr.Button("Options", size="sm", elem_id="options", scale=0, min_width=80)
    chats.click(None, js="() => qwenSpaceChats.toggle()", api_visibility="private")
    return model, new, options


def _make_chat(name: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=f"Chat with {name}",
        show_label=False,
        container=False,
        scale=1,
        elem_id="chat",
        buttons=["copy"],
        latex_delimiters=LATEX,
        editable="user",
        group_consecutive_messages=False,
        feedback_options=None,
        placeholder="## How can I help you?",
        examples=[{"text": text} for text in _EXAMPLES],
    )


def _add_files(dispatcher: Dispatcher) -> None:
    """Add the place of the next question's files, which tells the script their kinds and size."""
    takes, size = " ".join(sorted(dispatcher.takes)), dispatcher.limits.upload_bytes
    gr.HTML(
        "<div role='list' aria-label='Files' aria-live='polite' "
        f"data-takes='{takes}' data-bytes='{size}'></div>",
        elem_id="files",
        padding=False,
    )


def _add_composer() -> gr.Textbox:
    """Add the box for the message, with the button for files."""
    with gr.Row(elem_id="composer"):
        attach = gr.Button("+", elem_id="attach", scale=0, min_width=40)
        box = gr.Textbox(
            label="Message",
            show_label=False,
            container=False,
            placeholder="Ask anything",
            max_lines=8,
            autofocus=True,
            elem_id="message",
            **IDLE,
        )
    attach.click(None, js="() => qwenSpaceQuestion.pick()", api_visibility="private")
    return box


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
