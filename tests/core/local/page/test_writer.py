"""The functions behind the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from qwen_space.local import Limits, ScriptedEngine
from qwen_space.local.cancellation import SessionStreams
from qwen_space.local.dispatch import Dispatcher
from qwen_space.local.page.writer import Writer


async def test_without_a_question_the_page_stays() -> None:
    engine = ScriptedEngine(["Hi"])
    writer = Writer(Dispatcher(engine, SessionStreams(), Limits(), 1))
    request: Any = gr.Request(session_hash="s")

    outputs = [each async for each in writer.submit(request, None, [])]

    assert outputs == [(gr.skip(), gr.skip(), gr.skip())]
    assert engine.requests == []
