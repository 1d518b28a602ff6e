"""A Gradio app that takes back text that it has shown, several times over in each reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.obedient import answer

__all__ = ["build"]

_PLACEHOLDERS = ("Thinking", "Thinking...", "Writing")


def build() -> Any:
    """Make the app, with the public Space's inputs."""
    import gradio as gr

    def model_chat(
        query: str, history: list[Any], system: str, size: str
    ) -> Iterator[tuple[str, list[Any]]]:
        asked = [*(history or []), {"role": "user", "content": query}]
        for text in _shown(_messages(asked, system)):
            yield "", [*asked, {"role": "assistant", "content": text}]

    with gr.Blocks(analytics_enabled=False) as app:
        textbox = gr.Textbox(label="Message")
        chatbot = gr.Chatbot(label="Chat")
        system = gr.Textbox(label="System prompt")
        size = gr.Radio(["72B", "7B"], value="72B", label="Model size")
        textbox.submit(
            model_chat,
            [textbox, chatbot, system, size],
            [textbox, chatbot],
            api_name="model_chat",
        )
    return app


def _shown(messages: list[dict[str, str]]) -> Iterator[str]:
    """Yield texts to show: placeholders, a draft of another case, and the reply as it grows."""
    yield from _PLACEHOLDERS
    reply = answer(messages)
    yield reply.upper()[: len(reply) // 2]
    for end in range(5, len(reply), 5):
        yield reply[:end]
    yield reply


def _messages(asked: Sequence[Mapping[str, Any]], system: str) -> list[dict[str, str]]:
    said = [{"role": turn["role"], "content": _text(turn["content"])} for turn in asked]
    return [{"role": "system", "content": system}, *said]


def _text(content: Any) -> str:
    """Return the text of a message, which Gradio gives as a list of parts."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
