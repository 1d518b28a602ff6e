"""The events of a call as OpenAI's chat completion, whole or in chunks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

from msgspec.structs import asdict

from qwen_space.chat_model.reply import CallEvent, ChatReply
from qwen_space.events import Rewritten, TextDelta, ThinkingDelta
from qwen_space.tokens import Usage
from qwen_space.tools import ToolCall
from qwen_space.tools.calls import to_json

__all__ = ["CompletionBuilder"]

_FINISH_REASONS = {"stop_sequence": "stop", "error": "stop"}


class CompletionBuilder:
    """Makes the chat completion of one call, or its chunks.

    Args:
        model: The model, by the name that the request has for it.
        wants_json: Whether the reply is to be JSON: the lack of it is a refusal, no text.
    """

    def __init__(self, model: str, *, wants_json: bool = False) -> None:
        self._wants_json = wants_json
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
        }
        self._calls = 0
        self._last = ""  # the text that was streamed last

    def completion(self, reply: ChatReply) -> dict[str, Any]:
        """Return a whole reply."""
        text, refusal = self._content(reply)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal}
        if reply.calls:
            message["tool_calls"] = [_call(call) for call in reply.calls]
            message["content"] = text or None
        if reply.thinking:
            message["reasoning_content"] = reply.thinking
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": _finish_reason(reply),
        }
        usage = _usage(reply.usage)
        body = {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return {**body, **_origin(reply)}

    def first_chunk(self) -> dict[str, Any]:
        """Return the chunk that begins a stream."""
        return self._chunk({"role": "assistant", "content": ""})

    def chunks(self, event: CallEvent, *, usage: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event.

        Args:
            event: The event.
            usage: Whether the last chunk is to have the count of tokens.
        """
        match event:
            case TextDelta() | Rewritten():  # a chunk can add, and take nothing back
                if event.delta:
                    self._last = event.delta
                    yield self._chunk({"content": event.delta})
            case ThinkingDelta():
                yield self._chunk({"reasoning_content": event.delta})
            case ToolCall():
                call = {"index": self._calls, **_call(event)}
                self._calls += 1
                yield self._chunk({"tool_calls": [call]})
            case ChatReply():
                yield from self._last_chunks(event, usage=usage)

    def _last_chunks(self, reply: ChatReply, *, usage: bool) -> Iterator[dict[str, Any]]:
        _, refusal = self._content(reply)
        if refusal is not None:
            yield self._chunk({"refusal": refusal})
        elif reply.problem:
            gap = "\n" if self._last and not self._last.endswith("\n") else ""
            yield self._chunk({"content": f"{gap}{reply.problem}"})
        yield {**self._chunk({}, _finish_reason(reply)), **_origin(reply)}
        if usage:
            yield {**self._chunk({}), "choices": [], "usage": _usage(reply.usage)}

    def _content(self, reply: ChatReply) -> tuple[str, str | None]:
        """Return the text of a reply, and why it is none that the client asked for."""
        if reply.problem and self._wants_json and not reply.invalid:
            return reply.text, reply.problem
        return reply.explained_text, None

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.text or to_json(call.arguments)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _finish_reason(reply: ChatReply) -> str:
    if reply.calls:
        return "tool_calls"
    return _FINISH_REASONS.get(reply.finish_reason, reply.finish_reason)


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _origin(reply: ChatReply) -> dict[str, Any]:
    """Return facts that OpenAI has no field for, in one of our own; none where there is none."""
    facts: dict[str, Any] = {}
    if reply.space is not None:
        facts["space"] = reply.space
    if reply.failures:
        facts["fallbacks"] = [asdict(failure) for failure in reply.failures]
    if reply.files:
        facts["files"] = [asdict(file) for file in reply.files]
    facts |= reply.beside
    if "text" in reply.changed:
        facts["final_text"] = reply.text
    return {"qwen_space": facts} if facts else {}
