"""Structured output: objects in place of messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json import parse_json_markdown, parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass, is_pydantic_v1_subclass

from langchain_qwen_space.settling import settled
from qwen_space.structured import NoJSONError, find_json
from qwen_space.structured import reask as reask_for

__all__ = ["Method", "Shape", "StructuredOutput"]

Method = Literal["json_schema", "function_calling", "json_mode"]

_MISSING = object()


class Shape:
    """What an object has to be.

    Args:
        schema: A pydantic class of either version, a TypedDict, or a JSON schema. Objects of
            classes are checked in full; of others it is checked that they are objects, and have
            the keys that are required.

    Raises:
        ValueError: It is the schema of something else than an object.
    """

    def __init__(self, schema: Mapping[str, Any] | type) -> None:
        kind = schema.get("type", "object") if isinstance(schema, Mapping) else "object"
        if kind not in {"object", "function"}:  # langchain-core would make an empty object of it
            raise ValueError(
                f"A schema of type {kind!r} cannot be asked for: give an object that has it as a "
                "property."
            )
        self._class: Any = None
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            self._class = schema
            self._load = (
                schema.parse_obj  # type: ignore[attr-defined]
                if is_pydantic_v1_subclass(schema)
                else schema.model_validate  # type: ignore[attr-defined]
            )
        self.json_schema: dict[str, Any] = convert_to_json_schema(schema)  # type: ignore[arg-type]

    def load(self, value: Any) -> Any:
        """Return the object of a JSON value.

        Raises:
            ValueError: It is none.
        """
        if self._class is not None:
            return self._load(value)
        if not isinstance(value, dict):
            raise ValueError(f"It is no object: {value!r:.200}")
        if missing := [key for key in self.json_schema.get("required", ()) if key not in value]:
            raise ValueError(f"It lacks {', '.join(map(repr, missing))}, which is required.")
        return value

    def fits(self, value: Any) -> bool:
        """Whether a JSON value is such an object."""
        try:
            self.load(value)
        except ValueError:
            return False
        return True

    def partial(self, value: Any) -> Any:
        """Return what there is to show of an object that is still being written."""
        if self._class is None:
            return value
        try:
            return self._load(value)
        except ValueError:
            return _MISSING


@dataclass
class _Attempts:
    """Asks for an object, and once more with what was wrong with it.

    Attributes:
        messages: What is to be asked next; None once it is over.
        result: What came of it, in the form of `include_raw`.
    """

    shape: Shape
    messages: list[BaseMessage] | None
    reask: bool
    result: dict[str, Any] | None = None

    def take(self, raw: AIMessage) -> None:
        """Take a reply."""
        try:
            parsed, error = _read(raw, self.shape), None
        except ValueError as exc:
            parsed, error = None, _failure(exc, raw)
            if self.reask and self.messages is not None:
                question = HumanMessage(reask_for(_said(exc)))
                self.reask, self.messages = False, [*self.messages, raw, question]
                return
        self.messages = None
        self.result = {"raw": raw, "parsed": parsed, "parsing_error": error}


def _read(raw: AIMessage, shape: Shape) -> Any:
    """Return the object in a reply: the arguments of its call, or else the JSON in its text."""
    if raw.tool_calls:
        return shape.load(raw.tool_calls[0]["args"])
    if raw.invalid_tool_calls:
        errors = raw.response_metadata.get("tool_call_errors") or ["It is no JSON."]
        raise ValueError(f"The function call is not valid. {errors[0]}")
    value = find_json(raw.text, lambda each: shape.fits(each) or shape.fits(_wrapped(each))).value
    if not shape.fits(value) and shape.fits(_wrapped(value)):
        return shape.load(_wrapped(value))
    return shape.load(value)


def _wrapped(value: Any) -> Any:
    """Return the arguments of what looks like a call; small models give it a name of their own."""
    is_call = isinstance(value, dict) and value.keys() == {"name", "arguments"}
    return value["arguments"] if is_call else None


def _failure(exc: ValueError, raw: AIMessage) -> OutputParserException:
    error = OutputParserException(
        f"The reply is not what was asked for: {_said(exc)}", llm_output=_written(raw)
    )
    error.__cause__ = exc
    return error


def _said(exc: ValueError) -> str:
    return exc.reason if isinstance(exc, NoJSONError) else str(exc)


def _written(raw: AIMessage) -> str:
    calls = [str(call["args"]) for call in (*raw.tool_calls, *raw.invalid_tool_calls)]
    return "\n".join(part for part in (raw.text, *calls) if part)


class _Partial:
    """An object while it is written."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._text = ""
        self._arguments = ""
        self._last: Any = _MISSING
        self._shown: Any = _MISSING

    def news(self, chunk: AIMessageChunk) -> Iterator[Any]:
        """Yield the object if a chunk has changed it."""
        self._text += chunk.text
        self._arguments += "".join(each["args"] or "" for each in chunk.tool_call_chunks)
        value = self._value()
        if value is _MISSING or value == self._last:
            return
        self._last = value
        if (shown := self._shape.partial(value)) is not _MISSING:
            self._shown = shown
            yield shown

    def has_shown(self, value: Any) -> bool:
        """Whether a value is the object as it was yielded last."""
        return self._shown is not _MISSING and bool(self._shown == value)

    def _value(self) -> Any:
        try:
            if self._arguments:
                return parse_partial_json(self._arguments)
            value = parse_json_markdown(self._text) if "{" in self._text else _MISSING
        except ValueError:
            return _MISSING
        return _MISSING if value is None else value


class StructuredOutput(Runnable[LanguageModelInput, Any]):
    """A model that gives objects; made by `ChatQwenSpace.with_structured_output`.

    Args:
        model: The model, bound to what asks it for the object.
        shape: What the object has to be.
        include_raw: Whether it gives a dict with `raw`, `parsed` and `parsing_error`.
        reask: Whether it asks once more where the reply is not right.
    """

    def __init__(
        self,
        model: Runnable[LanguageModelInput, AIMessage],
        shape: Shape,
        *,
        include_raw: bool,
        reask: bool,
    ) -> None:
        self.model = model
        self.shape = shape
        self.include_raw = include_raw
        self.reask = reask

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name for it
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the object.

        Raises:
            OutputParserException: The reply, the second one too, does not hold it; not with
                `include_raw`.
        """
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name for it
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        """Do as `invoke`."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name for it
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Yield the object as far as it is written, each time more of it, and at last all of it.

        Of a pydantic class there is nothing before it is valid. With `include_raw` each is a dict
        with `parsed`, and the last has `raw` and `parsing_error` too. Where the reply has to be
        asked for again, the object begins anew.
        """
        given = iter([input])
        return self._transform_stream_with_config(given, self._stream, config, **kwargs)

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name for it
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Do as `stream`."""

        async def given() -> AsyncIterator[LanguageModelInput]:
            yield input

        return self._atransform_stream_with_config(given(), self._astream, config, **kwargs)

    # What each of them does

    def _invoke(
        self, given: LanguageModelInput, run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        attempts = self._attempts(given)
        while attempts.messages is not None:
            attempts.take(self.model.invoke(attempts.messages, config, **kwargs))
        return self._given(attempts)

    async def _ainvoke(
        self, given: LanguageModelInput, run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        attempts = self._attempts(given)
        while attempts.messages is not None:
            attempts.take(await self.model.ainvoke(attempts.messages, config, **kwargs))
        return self._given(attempts)

    def _stream(
        self,
        given: Iterator[LanguageModelInput],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> Iterator[Any]:
        attempts = self._attempts(next(given))
        partial = _Partial(self.shape)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), _Partial(self.shape)
            stream: Any = self.model.stream(attempts.messages, config, **kwargs)
            with contextlib.closing(stream):
                for chunk in stream:
                    chunks.append(_a_chunk(chunk))
                    yield from map(self._shown, partial.news(chunks[-1]))
            attempts.take(_whole(chunks))
        if not partial.has_shown(result := self._given(attempts)):
            yield result

    async def _astream(
        self,
        given: AsyncIterator[LanguageModelInput],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        attempts = self._attempts(await anext(given))
        partial = _Partial(self.shape)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), _Partial(self.shape)
            stream: Any = self.model.astream(attempts.messages, config, **kwargs)
            async with contextlib.aclosing(stream):
                async for chunk in stream:
                    chunks.append(_a_chunk(chunk))
                    for news in partial.news(chunks[-1]):
                        yield self._shown(news)
            attempts.take(_whole(chunks))
        if not partial.has_shown(result := self._given(attempts)):
            yield result

    def _shown(self, partial: Any) -> Any:
        return {"parsed": partial} if self.include_raw else partial

    def _attempts(self, given: LanguageModelInput) -> _Attempts:
        return _Attempts(self.shape, _messages(given), reask=self.reask)

    def _given(self, attempts: _Attempts) -> Any:
        result = attempts.result
        assert result is not None  # noqa: S101 - it is over
        if self.include_raw:
            return result
        if result["parsing_error"] is not None:
            raise result["parsing_error"]
        return result["parsed"]


def _messages(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, str):
        return [HumanMessage(given)]
    return given.to_messages() if isinstance(given, PromptValue) else convert_to_messages(given)


def _a_chunk(message: AIMessage) -> AIMessageChunk:
    """Return what a model streams, which is a whole message where streaming is disabled."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


def _whole(chunks: list[AIMessageChunk]) -> AIMessage:
    first, *rest = chunks
    message = message_chunk_to_message(first + rest)
    assert isinstance(message, AIMessage)  # noqa: S101 - its chunks are
    return settled(message)
