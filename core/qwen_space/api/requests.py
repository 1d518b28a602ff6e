"""A chat completion's request, from JSON to the core's messages and arguments."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from qwen_space.api.errors import RequestError
from qwen_space.chat.messages import split_parts
from qwen_space.tools import Message, ToolCall

__all__ = ["ChatRequest", "read_request"]


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str | dict[str, Any] | None = None  # an object as in Ollama's own interface


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str | None = None


class _ChatMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    def to_core(self) -> Message:
        """Return the message as the core has it.

        Raises:
            ValueError: It holds something that is neither text nor media.
        """
        calls = [
            ToolCall(call.function.name, call.function.arguments or "{}", call.id or "")
            for call in self.tool_calls or ()
        ]
        content = self.refusal if self.content is None else self.content
        parts = content if isinstance(content, list) else [content]
        text, media = split_parts(parts, is_result=self.role in {"tool", "function"})
        return Message(self.role, text, calls, self.tool_call_id, self.name, media)


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request for a chat completion.

    The fields are OpenAI's, but for `reask`, which says whether a reply that is of no use is asked
    for once more. Those that no Space has a use for are passed over.
    """

    model: str
    messages: list[_ChatMessage]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    functions: Any = None
    function_call: Any = None
    reask: bool | None = None

    def to_core(self) -> list[Message]:
        """Return the messages as the core has them.

        Raises:
            RequestError: One holds something that is neither text nor media.
        """
        return [_to_core(message, place) for place, message in enumerate(self.messages)]

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a call, but for the model, as `CallArguments.take` has them."""
        names = (
            *("tools", "tool_choice", "parallel_tool_calls", "response_format", "stop"),
            *("temperature", "top_p", "reask"),
        )
        most = self.max_completion_tokens
        most = self.max_tokens if most is None else most
        return {name: getattr(self, name) for name in names} | {"max_tokens": most}

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the count of tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def _to_core(message: _ChatMessage, place: int) -> Message:
    try:
        return message.to_core()
    except ValueError as exc:
        raise RequestError(str(exc), param=f"messages[{place}].content") from None


_READER = msgspec.json.Decoder(ChatRequest)
_PLACE = re.compile(r" - at `\$\.?(.*)`$")


def read_request(body: bytes) -> ChatRequest:
    """Return a request.

    Raises:
        RequestError: It is no JSON, lacks a field, or asks for a thing that no Space has.
    """
    try:
        request = _READER.decode(body)
    except msgspec.ValidationError as exc:
        place = _PLACE.search(str(exc))
        raise RequestError(f"{exc}.", param=place[1] if place else None) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise RequestError(f"The body is no valid JSON: {exc}.") from None
    _check(request)
    return request


def _check(request: ChatRequest) -> None:
    """Refuse fields that change the reply, and that no Space can heed."""
    if not request.messages:
        raise RequestError("messages is empty: give one at least.", param="messages")
    if request.n not in {None, 1}:
        raise RequestError(
            f"n={request.n}: a Space gives one reply to a request; send the request again for "
            "another one.",
            param="n",
        )
    if request.logprobs:
        raise RequestError("A Space gives no logprobs: leave them out.", param="logprobs")
    if request.modalities not in (None, ["text"]):
        raise RequestError("A Space gives text only: leave modalities out.", param="modalities")
    if request.functions is not None or request.function_call is not None:
        raise RequestError(
            "functions and function_call are not taken: give tools and tool_choice, which are in "
            "their place since 2023.",
            param="functions",
        )
