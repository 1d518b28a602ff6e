"""Replies as bytes, in each server's dialect, with the HTTP chunks that the servers make.

The same tokens in each. Gradio's messages are those of 6.31 (`tests/data/6.31.0-msg`), Ollama's
and OpenAI's those of their servers. All send each token in an HTTP chunk of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.dialects import EVENTS, LINES, OPENAI_END, compact, event, ollama_line, openai_delta

__all__ = ["EVENT_ID", "Frames", "gradio", "ollama", "openai", "tokens", "whole_values"]

EVENT_ID = "65a4fa807a6e4549bd180cf6cb48bc51"
PROMPT = "Hello"
SYSTEM = "You are a helpful assistant."

_WORDS = (
    "The", " quick", " brown", " fox", " über", " the", " lazy", " dog", ",", ' "quoted"',
    " and", " on", ".", "\n", "Then", " 中文", " it", " runs", " 42", " times",
)  # fmt: skip


def tokens(count: int) -> list[str]:
    """Return the tokens of a reply."""
    return [_WORDS[index % len(_WORDS)] for index in range(count)]


@dataclass(frozen=True)
class Frames:
    """How a dialect says a reply.

    Attributes:
        content_type: The response's header.
        head: The bytes before the first token, in HTTP chunks.
        token: Makes the chunk of a token.
        tail: The bytes after the last one, in HTTP chunks; it is given the whole text.
    """

    content_type: str
    head: bytes
    token: Callable[[str], bytes]
    tail: Callable[[str], bytes]

    def body(self, pieces: list[str]) -> bytes:
        """Return the whole body."""
        text = "".join(pieces)
        return self.head + b"".join(map(self.token, pieces)) + self.tail(text) + b"0\r\n\r\n"


def gradio(history: int = 0) -> Frames:
    """Return the stream of a queue with protocol `sse_v3`: edits after the first value.

    Args:
        history: How many earlier turns the chat component shows.
    """
    # The first value has an empty answer, so that each token is an edit of its own.
    head = _message("estimation", rank=0, queue_size=1, rank_eta=None)
    head += _message("process_starts", eta=None)
    head += _generating(["", _rows(history, ""), SYSTEM])
    path = [2 * history + 1, "content", 0, "text"]

    def tail(text: str) -> bytes:
        output = _output(["", _rows(history, text), SYSTEM], is_generating=False)
        done = _message("process_completed", output=output, success=True, title=None)
        return done + _chunk(event({"msg": "close_stream", "event_id": None}))

    return Frames(
        EVENTS,
        head,
        lambda token: _generating([[], [["append", path, token]], []]),
        tail,
    )


def whole_values(pieces: list[str]) -> Iterator[bytes]:
    """Yield the chunks of a queue with protocol `sse_v1`: the whole value for each token."""
    yield _message("process_starts", eta=None)
    text = ""
    for piece in pieces:
        text += piece
        yield _generating(["", _rows(0, text), SYSTEM])
    output = _output(["", _rows(0, text), SYSTEM], is_generating=False)
    yield _message("process_completed", output=output, success=True)


def ollama() -> Frames:
    """Return the stream of Ollama's `/api/chat`."""

    def line(text: str, *, done: bool = False) -> bytes:
        return _chunk(compact(ollama_line(text, done=done)) + b"\n")

    return Frames(LINES, b"", line, lambda text: line("", done=True))


def openai() -> Frames:
    """Return the stream of OpenAI's `/v1/chat/completions`."""
    return Frames(
        EVENTS,
        _chunk(openai_delta({"role": "assistant", "content": ""})),
        lambda token: _chunk(openai_delta({"content": token})),
        lambda text: _chunk(openai_delta({}, "stop")) + _chunk(OPENAI_END),
    )


def _rows(history: int, answer: str) -> list[Any]:
    """Return a gr.Chatbot's value with earlier turns, the prompt and the answer."""
    said = "An earlier turn, of about the length that people write in a chat. " * 2
    texts = [said] * (2 * history) + [PROMPT, answer]
    return [
        {
            "role": "assistant" if index % 2 else "user",
            "metadata": None,
            "content": [{"text": text, "type": "text"}],
            "options": None,
        }
        for index, text in enumerate(texts)
    ]


def _generating(data: list[Any]) -> bytes:
    output = _output(data, is_generating=True)
    return _message("process_generating", output=output, success=True, time_limit=None)


def _output(data: list[Any], *, is_generating: bool) -> dict[str, Any]:
    return {
        "data": data,
        "is_generating": is_generating,
        "duration": 0.010317087173461914,
        "average_duration": 0.010591983795166016,
        "render_config": None,
        "changed_state_ids": [],
        "used_cache": None,
    }


def _message(kind: str, **fields: Any) -> bytes:
    return _chunk(event({"msg": kind, "event_id": EVENT_ID, **fields}))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
