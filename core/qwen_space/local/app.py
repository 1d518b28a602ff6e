"""The app: a page to chat on, and the public Space's endpoints.

This module imports Gradio, and is itself imported when a Space starts. Gradio reads the
annotations, so their names are imported at run time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeAlias

import gradio as gr
from fastapi import FastAPI

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.local.cancellation import SessionStreams
from qwen_space.local.engines.base import Engine
from qwen_space.local.errors import EngineError

__all__ = ["build", "mount", "shut"]

History: TypeAlias = list[dict[str, Any]]
Outputs: TypeAlias = tuple[str, History, str]


def build(
    engine: Engine, streams: SessionStreams, sizes: Sequence[str], concurrency: int
) -> gr.Blocks:
    """Make the app, with its queue.

    The endpoints stand in the public Space's order, which makes `model_chat_1` number 3.
    """
    blocks = gr.Blocks(title="Qwen2.5", analytics_enabled=False)
    with blocks:
        gr.Markdown(f"# Qwen2.5\nEvery size here is answered by **{engine.name}**.")
        with gr.Row(equal_height=True):
            system_box = gr.Textbox(DEFAULT_SYSTEM_PROMPT, label="System prompt", scale=4)
            set_system = gr.Button("Set and clear chat", scale=1, min_width=160, size="md")
        system = gr.Textbox(DEFAULT_SYSTEM_PROMPT, visible=False)
        radio = gr.Radio(list(sizes), value=sizes[0], label="Model size")
        # Without the button that shares a chat on the Hugging Face hub.
        chatbot = gr.Chatbot(label="Chat", height="45vh", buttons=["copy", "copy_all"])
        with gr.Row(equal_height=True):
            textbox = gr.Textbox(
                label="Message",
                placeholder="Write a message, Enter sends it",
                scale=6,
                autofocus=True,
            )
            clear = gr.Button("Clear", scale=1, min_width=90, size="md")
            stop = gr.Button("Stop", variant="stop", scale=1, min_width=90, size="md")
            send = gr.Button("Send", variant="primary", scale=1, min_width=90, size="md")

        clear.click(clear_session, None, [textbox, chatbot], api_name="clear_session")
        set_system.click(
            modify_system_session,
            system_box,
            [system, system_box, chatbot],
            api_name="modify_system_session",
        )
        running: list[Any] = [
            listen(
                _model_chat(engine, streams),
                [textbox, chatbot, system, radio],
                [textbox, chatbot, system_box],
                api_name=api_name,
                concurrency_id="model",
                concurrency_limit=concurrency,
                show_progress_on=chatbot,
            )
            for listen, api_name in (
                (textbox.submit, "model_chat"),
                (send.click, "model_chat_1"),
            )
        ]
        stop.click(None, cancels=running, api_visibility="private")
    # Gradio runs at most this many jobs at once, whatever the limit of a function says.
    blocks.max_threads = max(blocks.max_threads, concurrency)
    blocks.queue(api_open=False)
    # How many jobs to wait before the next statistics, for a monitoring page that is off here.
    # They import pandas, run at each job's end, and warn. There is no public way to say so.
    blocks._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # noqa: SLF001
    return blocks


def mount(blocks: gr.Blocks, path: str = "/") -> FastAPI:
    """Make an ASGI app of `blocks` at a path, whose lifespan runs the queue."""
    app = FastAPI()
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        footer_links=["api", "gradio", "settings"],
        run_history=False,
        ssr_mode=False,  # it would start a Node server
        mcp_server=False,
    )
    return app


def shut(blocks: gr.Blocks) -> None:
    """Take no more jobs. Open streams do not count on being told."""
    blocks.close(verbose=False)


def clear_session() -> tuple[str, History]:
    return "", []


def modify_system_session(system: str) -> tuple[str, str, History]:
    system = system or DEFAULT_SYSTEM_PROMPT
    return system, system, []


def _model_chat(engine: Engine, streams: SessionStreams) -> Any:
    async def model_chat(
        query: str, history: History, system: str, radio: str, request: gr.Request
    ) -> AsyncGenerator[Outputs, None]:
        system = system or DEFAULT_SYSTEM_PROMPT
        asked = [*(history or []), {"role": "user", "content": query or ""}]
        text = ""
        try:
            pieces = engine.stream(_messages(asked, system))
            async for piece in streams.track(request.session_hash, pieces):
                text += piece
                yield "", [*asked, {"role": "assistant", "content": text}], system
            if not text:
                yield "", [*asked, {"role": "assistant", "content": ""}], system
        except Exception as exc:
            raise gr.Error(_sentence(exc), print_exception=False) from exc

    return model_chat


def _messages(history: History, system: str) -> list[dict[str, str]]:
    turns = ({"role": turn["role"], "content": _text(turn["content"])} for turn in history)
    return [{"role": "system", "content": system}, *turns]


def _text(content: str | Sequence[Mapping[str, Any] | str]) -> str:
    """The text of a message, which Gradio gives as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in content)


def _sentence(exc: Exception) -> str:
    return str(exc) if isinstance(exc, EngineError) else f"{type(exc).__name__}: {exc}"
