"""The scripted model of the pages: it knows the questions that they ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.obedient import obedient

__all__ = ["REPLIES", "reply"]

Messages = Sequence[Mapping[str, str]]

_ANSWERS = {
    "What is a Space?": "A Space is a Gradio app that Hugging Face runs.",
    "What does a Space run?": "A Gradio app.",
    "Что такое Space?": "Space — это приложение на Gradio, которое запускает Hugging Face.",
    "Space 是什么？": "Space 是由 Hugging Face 运行的 Gradio 应用。",  # noqa: RUF001 - Chinese
}
_RESULT = re.compile(
    r"<tool_response>\n(.*?)\n</tool_response>\s*(?:Reply in words[^\n]*\s*)?(?:Assistant:)?$",
    re.DOTALL,
)
_do_as_told = obedient("whole")


def reply(messages: Messages) -> Iterator[str]:
    """Answer a known question in words, and any other as an obedient model does."""
    prompt = messages[-1]["content"]
    result = _RESULT.search(prompt)
    known = [question for question in _ANSWERS if question in prompt]
    if result and "It is sunny" in result[1]:
        text = result[1]
    else:
        text = _ANSWERS[known[-1]] if known else "".join(_do_as_told(messages))
    head, *rest = text.split(" ")
    yield head
    yield from (f" {word}" for word in rest)


def _llama_index(messages: Any) -> list[str]:
    said = str(messages)
    if "<tools>" in said:
        call = '<tool_call>\n{"name": "add", "arguments": {"a": 17, "b": 25}}\n</tool_call>'
        return ["It is 42."] if "<tool_response>\\n42" in said else [call]
    if "JSON schema" in said:
        return ['```json\n{"name": "Hel', 'p!", "year"', ": 1965}\n```"]
    return ["A Gradio app."]


REPLIES: dict[str, Callable[..., Any]] = {"llama-index.md": _llama_index}
