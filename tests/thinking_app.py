"""A real Gradio app that thinks before it answers, and marks its thoughts in Gradio's two ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["WAYS", "asked", "build"]

WAYS = ["titles", "tags"]  # the names of its endpoints that mark thoughts; "plain" leaves tags


def asked(*steps: tuple[str, str]) -> str:
    """Return the prompt that makes the app take these steps.

    Args:
        steps: `("think", piece)`, `("say", piece)`, or `("title", text)` for the last thought.
            A thought after an answer, or after a title, is a further one.
    """
    return json.dumps(steps)


def build() -> Any:
    """Make the app."""
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as app:
        query = gr.Textbox(label="Message")
        system = gr.Textbox(label="System")
        for name, answer, options in (
            ("titles", _with_titles, {}),
            ("tags", _with_tags, {"reasoning_tags": [("<think>", "</think>")]}),
            ("plain", _with_tags, {}),
        ):
            chat = gr.Chatbot(label=name, **options)
            send = gr.Button(name)
            send.click(_answering(answer), [query, chat, system], [query, chat], api_name=name)
    return app


def _answering(answer: Any) -> Any:
    def respond(query: str, history: list[Any], system: str) -> Iterator[Any]:
        rows = [*(history or []), {"role": "user", "content": query}]
        for replied in answer(json.loads(query)):
            yield "", [*rows, *replied]

    return respond


def _with_titles(steps: list[tuple[str, str]]) -> Iterator[list[Any]]:
    """Mark thoughts as rows with a title in their metadata."""
    rows: list[dict[str, Any]] = []
    for kind, text in steps:
        if kind == "title":
            rows[-1]["metadata"] = {"title": text, "status": "done", "duration": 1.5}
        else:
            grows = rows and ("title" in rows[-1]["metadata"]) == (kind == "think")
            if not grows or rows[-1]["metadata"].get("status") == "done":
                pending = {"title": "Thinking", "status": "pending"} if kind == "think" else {}
                rows.append({"role": "assistant", "content": "", "metadata": pending})
            rows[-1]["content"] += text
        yield [dict(row) for row in rows]


def _with_tags(steps: list[tuple[str, str]]) -> Iterator[list[Any]]:
    """Write thoughts into the text, between tags, for the component to find."""
    text, thinks = "", False
    for kind, piece in steps:
        if thinks != (kind == "think"):
            text += "</think>" if thinks else "<think>"
            thinks = not thinks
        text += "" if kind == "title" else piece
        yield [{"role": "assistant", "content": text}]
