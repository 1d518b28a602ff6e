"""A Gradio app with a MultimodalTextbox that does all it is told, and keeps the files it got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.obedient import answer

__all__ = ["build"]


def build(received: list[bytes]) -> Any:
    """Make the app.

    Args:
        received: Gets the bytes of each file.
    """
    import gradio as gr

    def model_chat(
        message: dict[str, Any], history: list[Any], system: str, size: str
    ) -> Iterator[list[Any]]:
        received.extend(Path(path).read_bytes() for path in message["files"])
        said = [
            {
                "role": turn["role"],
                "content": "".join(part.get("text", "") for part in turn["content"]),
            }
            for turn in history
        ]
        asked = {"role": "user", "content": message["text"]}
        reply = answer([{"role": "system", "content": system}, *said, asked])
        for end in (*range(5, len(reply), 5), len(reply)):
            yield [*history, asked, {"role": "assistant", "content": reply[:end]}]

    with gr.Blocks(analytics_enabled=False) as app:
        box = gr.MultimodalTextbox(label="Message", file_count="multiple")
        chatbot = gr.Chatbot(label="Chat")
        system = gr.Textbox(label="System prompt")
        size = gr.Radio(["72B", "7B"], value="72B", label="Model size")
        box.submit(model_chat, [box, chatbot, system, size], chatbot, api_name="model_chat")
    return app
