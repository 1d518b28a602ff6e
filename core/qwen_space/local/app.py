"""The app: the public Space's endpoints, one more with all options, and a page to chat on.

This module imports Gradio, and is itself imported when a Space starts. Gradio reads the
annotations, so their names are imported at run time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.local.dispatch import Dispatcher, Waiting
from qwen_space.local.engines.base import Finished, Sampling
from qwen_space.local.errors import EngineError
from qwen_space.local.files import add_files
from qwen_space.local.page import LOOK, add_page
from qwen_space.local.rows import ReplyRows, Rows, to_messages

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["build", "count_queued", "launch", "mount", "shut", "stored_files"]

Outputs: TypeAlias = tuple[str, Rows, str]

_SERVED: dict[str, Any] = {
    "footer_links": ["api", "settings"],  # hidden; the panel of the options opens them
    "run_history": False,
    "show_error": False,  # an exception's text can name files and addresses
    "enable_monitoring": False,
    "ssr_mode": False,  # it would start a Node server
    "mcp_server": False,
}


_TEXT_TYPES = (".txt", ".md", ".csv", ".json", ".py", ".html", ".xml", ".yaml", ".log")

_SWEEP = 3600  # seconds after which files are looked at

_CONTEXT_LABEL = "Context window in tokens"  # by which the client knows it


def build(
    dispatcher: Dispatcher,
    sizes: Sequence[str],
    concurrency: int,
    needs: Literal["token", "login"] | None = None,
) -> gr.Blocks:
    """Make the app, with its queue.

    The endpoints stand in the public Space's order, which makes `model_chat_1` number 3.
    """
    queue, age = dispatcher.limits.queue, dispatcher.limits.file_seconds
    blocks = gr.Blocks(
        title=f"Chat with {dispatcher.engine.name}",
        analytics_enabled=False,
        fill_height=True,
        delete_cache=None if age is None else (min(_SWEEP, age), age),
    )
    with blocks:
        _add_endpoints(dispatcher, sizes, concurrency)
        add_page(blocks, dispatcher, needs)
        _add_context(dispatcher)
    # Gradio runs at most this many jobs at once, whatever the limit of a function says. A job of
    # the page shows its question at once, and waits for a slot by itself.
    blocks.max_threads = max(blocks.max_threads, concurrency + queue)
    blocks.queue(api_open=False, max_size=queue)
    # How many jobs to wait before the next statistics, for a monitoring page that is off here.
    # They import pandas, run at each job's end, and warn. There is no public way to say so.
    blocks._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # noqa: SLF001
    # An idle queue looks for jobs a thousand times a second, which is 7 % of a processor; now 1.5.
    blocks._queue.sleep_when_free = 0.01  # noqa: SLF001
    return blocks


def mount(
    blocks: gr.Blocks,
    path: str = "/",
    *,
    auth: tuple[str, str] | None = None,
    root_path: str = "",
) -> FastAPI:
    """Make an ASGI app of `blocks` at a path, whose lifespan runs the queue."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app, blocks, path=path, auth=auth, root_path=root_path or None, **_SERVED, **LOOK
    )
    # As `launch` sets it. Without it Gradio does not look whether a file that a visitor names was
    # uploaded, and gives away any of the machine's.
    blocks.has_launched = True
    return app


def launch(
    blocks: gr.Blocks,
    host: str,
    port: int,
    wrap: Callable[[ASGIApp], ASGIApp],
    auth: tuple[str, str] | None,
) -> None:
    """Serve `blocks` by Gradio's own `launch`, and return when it answers.

    Args:
        blocks: The app.
        host: The address to listen on.
        port: The port.
        wrap: Puts middleware around the app.
        auth: A user and password, for a login page.
    """
    blocks.launch(
        server_name=host,
        server_port=port,
        auth=auth,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        app_kwargs={
            "middleware": [Middleware(wrap)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        **_SERVED,
        **LOOK,
    )


def shut(blocks: gr.Blocks) -> None:
    """Take no more jobs. Open streams do not count on being told."""
    blocks.close(verbose=False)


def stored_files(blocks: gr.Blocks) -> set[str]:
    """Return the paths of the files that visitors uploaded, or had the app fetch."""
    return set().union(*(set(paths) for paths in blocks.temp_file_sets))


def count_queued(blocks: gr.Blocks) -> int:
    """Return the jobs that wait in Gradio's queue."""
    return len(blocks._queue)  # noqa: SLF001


def clear_session() -> tuple[str, Rows]:
    return "", []


def modify_system_session(system: str) -> tuple[str, str, Rows]:
    system = system or DEFAULT_SYSTEM_PROMPT
    return system, system, []


def _add_endpoints(dispatcher: Dispatcher, sizes: Sequence[str], concurrency: int) -> None:
    """Add the functions for programs. Their components are not on the page."""
    textbox = gr.Textbox(label="Message", visible=False)
    chatbot = gr.Chatbot(label="Chat", visible=False)
    system_box = gr.Textbox(DEFAULT_SYSTEM_PROMPT, label="System prompt", visible=False)
    system = gr.Textbox(DEFAULT_SYSTEM_PROMPT, label="System prompt", visible=False)
    radio = gr.Radio(list(sizes), value=sizes[0], label="Model size", visible=False)
    limits: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": concurrency}
    trigger = gr.Button(visible=False).click

    trigger(clear_session, None, [textbox, chatbot], api_name="clear_session")
    trigger(
        modify_system_session,
        system_box,
        [system, system_box, chatbot],
        api_name="modify_system_session",
    )
    for listen, api_name in ((textbox.submit, "model_chat"), (trigger, "model_chat_1")):
        listen(
            _make_model_chat(dispatcher),
            [textbox, chatbot, system, radio],
            [textbox, chatbot, system_box],
            api_name=api_name,
            **limits,
        )
    trigger(
        _make_chat(dispatcher),
        [
            _message_input(dispatcher) or textbox,
            chatbot,
            system,
            *_sampling_inputs(_models(dispatcher), sizes),
        ],
        [textbox, chatbot, system_box],
        api_name="chat",
        **limits,
    )


def _add_context(dispatcher: Dispatcher) -> None:
    """Tell in `/config` how many tokens the model takes, if the engine knows."""
    context = getattr(dispatcher.engine, "context", None)
    if context is not None:
        gr.Number(context, label=_CONTEXT_LABEL, visible=False)


def _message_input(dispatcher: Dispatcher) -> Any:
    """Return the input of `chat` for a text with files; None if the engine takes no files."""
    if not dispatcher.takes:
        return None
    types = [*sorted(dispatcher.takes), *_TEXT_TYPES]
    return gr.MultimodalTextbox(
        label="Message", file_types=types, file_count="multiple", visible=False
    )


def _models(dispatcher: Dispatcher) -> list[str]:
    return list(getattr(dispatcher.engine, "models", ())) or [dispatcher.engine.name]


def _sampling_inputs(models: Sequence[str], sizes: Sequence[str]) -> list[Any]:
    """Return the inputs of `chat` for its options; empty ones leave the engine's own values.

    The sizes of the public Space are models here, too: the first of the engine's answers for them.
    """
    choices = [*models, *(size for size in sizes if size not in models)]
    return [
        gr.Dropdown(choices, value=models[0], label="Model", visible=False),
        gr.Number(None, label="Temperature", minimum=0, maximum=2, visible=False),
        gr.Number(None, label="Top-p", minimum=0, maximum=1, visible=False),
        gr.Number(None, label="Max tokens", precision=0, minimum=1, visible=False),
    ]


def _make_model_chat(dispatcher: Dispatcher) -> Any:
    async def model_chat(
        query: str, history: Rows, system: str, radio: str, request: gr.Request
    ) -> AsyncGenerator[Outputs, None]:
        outputs = _stream(dispatcher, query, history, system, Sampling(), request)
        async for output in outputs:
            yield output

    return model_chat


def _make_chat(dispatcher: Dispatcher) -> Any:
    models = _models(dispatcher)

    async def chat(
        query: str | dict[str, Any],
        history: Rows,
        system: str,
        model: str,
        temperature: float | None,
        top_p: float | None,
        max_tokens: int | None,
        request: gr.Request,
    ) -> AsyncGenerator[Outputs, None]:
        sampling = Sampling(temperature, top_p, max_tokens, model if model in models else models[0])
        async for output in _stream(dispatcher, query, history, system, sampling, request):
            yield output

    return chat


async def _stream(
    dispatcher: Dispatcher,
    query: str | dict[str, Any],
    history: Rows,
    system: str,
    sampling: Sampling,
    request: gr.Request,
) -> AsyncGenerator[Outputs, None]:
    system = system or DEFAULT_SYSTEM_PROMPT
    text, files = (query["text"], query["files"]) if isinstance(query, dict) else (query, [])
    shown = [{"role": "user", "content": {"path": path}} for path in files]
    asked = [*(history or []), *shown, {"role": "user", "content": text or ""}]
    reply = ReplyRows()
    try:
        messages = await add_files(to_messages(asked, system), dispatcher.takes)
    except EngineError as exc:
        raise gr.Error(exc.message, print_exception=False) from exc
    parts = dispatcher.reply(messages, sampling, request.session_hash)
    try:
        async for part in parts:
            if not isinstance(part, Finished | Waiting):
                reply.add(part)
                yield "", [*asked, *reply.to_rows()], system
        if not reply.text:
            yield "", [*asked, *reply.to_rows(is_done=True)], system
    except EngineError as exc:
        raise gr.Error(exc.message, print_exception=False) from exc
    finally:
        await parts.aclose()
