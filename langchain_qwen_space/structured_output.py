"""Structured output: objects in place of messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Literal

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
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_qwen_space.attempts import Attempts
from langchain_qwen_space.chunks import apply_final_text
from langchain_qwen_space.shape import Partial, Shape

if TYPE_CHECKING:
    from langchain_qwen_space.chat_models import ChatQwenSpace

__all__ = ["Method", "StructuredOutput", "asked_for"]

Method = Literal["json_schema", "function_calling", "json_mode"]


def asked_for(
    model: ChatQwenSpace,
    shape: Shape,
    method: Method,
    *,
    strict: bool | None,
    **kwargs: Any,
) -> Runnable[LanguageModelInput, AIMessage]:
    """Return a model that is bound to what asks it for an object; `kwargs` go with each call.

    Raises:
        ValueError: The method is unknown.
    """
    about = {"kwargs": {"method": method, "strict": strict}, "schema": shape.schema}
    options = {"ls_structured_output_format": about, **kwargs}
    match method:
        case "function_calling":
            name = convert_to_openai_tool(shape.schema)["function"]["name"]
            return model.bind_tools(
                [shape.schema],
                tool_choice={"type": "function", "function": {"name": name}},
                parallel_tool_calls=False,
                strict=strict,
                reask=False,
                stream_arguments=True,
                **options,
            )
        case "json_schema":
            wanted = {"name": shape.json_schema.get("title"), "schema": shape.json_schema}
            response_format = {"type": "json_schema", "json_schema": wanted}
            return model.bind(response_format=response_format, **options)
        case "json_mode":
            return model.bind(response_format={"type": "json_object"}, **options)
    raise ValueError(
        f"method={method!r} is unknown: give 'json_schema', 'function_calling' or 'json_mode'."
    )


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

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name for it
        """What it gives."""
        return dict[str, Any] if self.include_raw else self.shape.type

    def __repr__(self) -> str:
        wanted = getattr(self.shape.type, "__name__", "dict")
        return f"StructuredOutput({wanted}, include_raw={self.include_raw}, reask={self.reask})"

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
        partial = Partial(self.shape)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), Partial(self.shape)
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
        partial = Partial(self.shape)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), Partial(self.shape)
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

    def _attempts(self, given: LanguageModelInput) -> Attempts:
        return Attempts(self.shape, _messages(given), reask=self.reask)

    def _given(self, attempts: Attempts) -> Any:
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
    return apply_final_text(message)
