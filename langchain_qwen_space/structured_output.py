"""Structured output: objects in place of messages."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolCall,
    ToolCallChunk,
    convert_to_messages,
    message_chunk_to_message,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.json_schema import dereference_refs
from pydantic import BaseModel, ConfigDict

from langchain_qwen_space.chunks import apply_final_text
from langchain_qwen_space.tools import bind_arguments
from qwen_space.chat_model.extraction import MISSING, Extraction, PartialObject
from qwen_space.chat_model.schema import OutputSchema

__all__ = ["ObjectSchema", "StructuredModel", "StructuredOutput"]

_Model = TypeVar("_Model", bound=BaseModel)

_NAMES = frozenset({"title", "name", "function", "toolSpec"})

Method = Literal["json_schema", "function_calling", "json_mode"]


class ObjectSchema(OutputSchema):
    """The schema of the objects that `with_structured_output` gives.

    Args:
        schema: A pydantic class of either version, a `TypedDict`, or a schema in any of the forms
            that LangChain takes. None is any object.

    Attributes:
        json_schema: The JSON schema that is shown to the model, with its name as the title.

    Raises:
        ValueError: It is the schema of something else than an object.
    """

    def __init__(self, schema: Mapping[str, Any] | type | None) -> None:
        super().__init__(_to_json_schema(schema) if isinstance(schema, Mapping) else schema)
        self.require_object()
        described = dereference_refs(self.json_schema)
        left = {key: value for key, value in described.items() if key != "$defs"}
        self.json_schema = {"title": "answer", "type": "object", **left}


def _to_json_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    if not schema:
        return None
    if isinstance(wanted := schema.get("json_schema"), Mapping):  # OpenAI's response_format
        schema = {"title": wanted.get("name", "answer"), **wanted.get("schema", wanted)}
    if schema.get("type", "object") not in {"object", "function"}:
        return dict(schema)
    named = {**schema} if _NAMES & schema.keys() else {"title": "answer", **schema}
    return {"type": "object", **convert_to_json_schema(named)}


class _Attempts:
    """Asks for an object, and once more with the fault of the first reply.

    Attributes:
        messages: The messages to ask with next; None once it is over.
    """

    def __init__(
        self,
        schema: ObjectSchema,
        given: LanguageModelInput,
        tools: Collection[str],
        *,
        include_raw: bool,
        reask: bool,
    ) -> None:
        self.messages: list[BaseMessage] | None = _to_messages(given)
        self._schema = schema
        self._tools = tools
        self._include_raw = include_raw
        self._extraction = Extraction[Any](schema.load, reask=reask)
        self._raw: AIMessage | None = None
        self._chunks: list[AIMessageChunk] = []
        self._partial = PartialObject(schema)
        self._is_tool_call = False  # whether the model called another tool

    def take(self, raw: AIMessage) -> None:
        """Take a reply."""
        self._raw = raw
        question = self._feed(raw)
        earlier = self.messages or []
        self.messages = [*earlier, raw, HumanMessage(question)] if question else None

    def add(self, message: AIMessage) -> Iterator[Any]:
        """Take a chunk of a reply; yield the object if that has changed it."""
        chunk = _to_chunk(message)
        self._chunks.append(chunk)
        self._is_tool_call |= self._calls_tool(chunk.tool_call_chunks)
        if self._is_tool_call:
            return
        arguments = "".join(each["args"] or "" for each in chunk.tool_call_chunks)
        if (shown := self._partial.feed(chunk.text, arguments)) is not MISSING:
            yield {"parsed": shown} if self._include_raw else shown

    def take_chunks(self) -> None:
        """Take the reply that the chunks add up to."""
        first, *rest = self._chunks
        message = message_chunk_to_message(first + rest)
        assert isinstance(message, AIMessage)  # noqa: S101 - its chunks are
        self.take(apply_final_text(message))
        self._chunks, self._is_tool_call = [], self._calls_tool(message.tool_calls)
        if self.messages is not None:
            self._partial = PartialObject(self._schema)

    def _calls_tool(self, calls: Sequence[ToolCall | ToolCallChunk]) -> bool:
        return any(call["name"] in self._tools for call in calls)

    def _feed(self, raw: AIMessage) -> str:
        if self._calls_tool(raw.tool_calls):
            self._is_tool_call = True
            return ""
        if raw.tool_calls:
            return self._extraction.feed_arguments(raw.tool_calls[0]["args"])
        if raw.invalid_tool_calls:
            errors = raw.response_metadata.get("tool_call_errors") or ["It is no JSON."]
            return self._extraction.feed_failure(f"The function call is not valid. {errors[0]}")
        return self._extraction.feed(raw.text)

    def result(self) -> Any:
        """Return the outcome.

        Raises:
            OutputParserException: There is no object; with `include_raw` it is returned.
        """
        found, raw = self._extraction, self._raw
        assert raw is not None  # noqa: S101 - it is over
        error = None
        if found.reason:
            said = f"The reply is not what was asked for: {found.reason}"
            error = OutputParserException(said, llm_output=_written(raw))
            error.__cause__ = found.error
        if self._include_raw:
            parsed = None if error or self._is_tool_call else found.value
            return {"raw": raw, "parsed": parsed, "parsing_error": error}
        if error is not None:
            raise error
        return found.value

    def last(self) -> Iterator[Any]:
        """Yield the outcome of a stream, unless it was yielded already."""
        result = self.result()
        if not self._partial.has_shown(result):
            yield result


def _to_messages(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, str):
        return [HumanMessage(given)]
    return given.to_messages() if isinstance(given, PromptValue) else convert_to_messages(given)


def _to_chunk(message: AIMessage) -> AIMessageChunk:
    """Return a chunk; where streaming is disabled the model gives a whole message."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


def _written(raw: AIMessage) -> str:
    calls = [str(call["args"]) for call in (*raw.tool_calls, *raw.invalid_tool_calls)]
    return "\n".join(part for part in (raw.text, *calls) if part)


def _method_arguments(
    schema: ObjectSchema, method: Method, tools: Sequence[Any], *, strict: bool | None
) -> dict[str, Any]:
    """Return the arguments of the calls that ask for an object; see `with_structured_output`."""
    shown = schema.json_schema
    about = {"kwargs": {"method": method, "strict": strict}, "schema": shown}
    wanted: dict[str, Any] = {"type": "function", "function": {"name": shown["title"]}}
    match method:
        case "function_calling":
            asked = bind_arguments(
                [shown, *tools],
                tool_choice="any" if tools else wanted,
                parallel_tool_calls=False,
                strict=strict,
                reask=True,
                stream_arguments=True,
            )
            tools = ()
        case "json_schema":
            wanted = {"name": shown["title"], "schema": shown}
            asked = {"response_format": {"type": "json_schema", "json_schema": wanted}}
        case "json_mode":
            asked = {"response_format": {"type": "json_object"}}
        case _:
            raise ValueError(
                f"method={method!r} is unknown: "
                "give 'json_schema', 'function_calling' or 'json_mode'."
            )
    if tools:
        asked["tools"] = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
    # This asks once more itself, with the fault that its own check finds.
    return {"ls_structured_output_format": about, **asked, "reask": False}


class StructuredOutput(RunnableSerializable):  # type: ignore[type-arg] # else a class is built
    """A model that gives objects; made by `ChatQwenSpace.with_structured_output`.

    langchain-core's `dumpd` and `load` take it where the schema is a dict: a class has no
    serialised form. It can be pickled in either case.
    """

    model: Runnable[LanguageModelInput, AIMessage]
    """The model, bound to the request for the object."""

    object_schema: Any = None
    """The schema of the object, as `with_structured_output` takes it."""

    include_raw: bool = False
    """Whether it gives a dict with `raw`, `parsed` and `parsing_error`."""

    reask: bool = True
    """Whether it asks once more where the reply is not right."""

    tools: tuple[str, ...] = ()
    """The names of tools that the model may call in place of giving the object."""

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)  # few make one

    @functools.cached_property
    def _schema(self) -> ObjectSchema:
        return ObjectSchema(self.object_schema)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `dumps` gives all of it, but for a class."""
        return True

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name for it
        """Its input."""
        return self.model.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name for it
        """Its output."""
        return dict[str, Any] if self.include_raw else self._schema.type

    def __repr__(self) -> str:
        wanted = getattr(self._schema.type, "__name__", "dict")
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
        asked for again, the object begins again.
        """
        return self._transform_stream_with_config(iter([input]), self._stream, config, **kwargs)

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

    # The ways themselves

    def _invoke(
        self, given: LanguageModelInput, run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        attempts = self._begin(given)
        while attempts.messages is not None:
            attempts.take(self.model.invoke(attempts.messages, config, **kwargs))
        return attempts.result()

    async def _ainvoke(
        self, given: LanguageModelInput, run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        attempts = self._begin(given)
        while attempts.messages is not None:
            attempts.take(await self.model.ainvoke(attempts.messages, config, **kwargs))
        return attempts.result()

    def _stream(
        self,
        given: Iterator[LanguageModelInput],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> Iterator[Any]:
        attempts = self._begin(next(given))
        while attempts.messages is not None:
            stream: Any = self.model.stream(attempts.messages, config, **kwargs)
            with contextlib.closing(stream):
                for chunk in stream:
                    yield from attempts.add(chunk)
            attempts.take_chunks()
        yield from attempts.last()

    async def _astream(
        self,
        given: AsyncIterator[LanguageModelInput],
        run_manager: Any,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        attempts = self._begin(await anext(given))
        while attempts.messages is not None:
            stream: Any = self.model.astream(attempts.messages, config, **kwargs)
            async with contextlib.aclosing(stream):
                async for chunk in stream:
                    for partial in attempts.add(chunk):
                        yield partial
            attempts.take_chunks()
        for result in attempts.last():
            yield result

    def _begin(self, given: LanguageModelInput) -> _Attempts:
        options = {"include_raw": self.include_raw, "reask": self.reask}
        return _Attempts(self._schema, given, self.tools, **options)


class StructuredModel(BaseChatModel):
    """A chat model that gives objects, asking once more where the first reply has none."""

    model_config = ConfigDict(defer_build=True)  # its subclass builds a validator of its own

    @overload
    def with_structured_output(
        self,
        schema: type[_Model],
        *,
        method: Method = ...,
        include_raw: Literal[False] = ...,
        tools: None = ...,
        strict: bool | None = ...,
        reask: bool = ...,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, _Model]: ...

    @overload
    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = ...,
        *,
        method: Method = ...,
        include_raw: bool = ...,
        tools: Sequence[Any] | None = ...,
        strict: bool | None = ...,
        reask: bool = ...,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]: ...

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        strict: bool | None = None,
        reask: bool = True,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a model that gives objects.

        A Space has no parameter for it: the model is asked in words, and its reply is read, so
        it may fail. It never gives None.

        Args:
            schema: A pydantic class, of version 1 too, a `TypedDict`, or a JSON schema. A
                class gives its objects, the others give dicts; all are checked in full. With
                "json_mode" None is any object.
            method: "json_schema" asks for JSON that fits the schema, "function_calling" for a
                call of a function with that schema, and "json_mode" for JSON: there the prompt
                has to name its contents.
            include_raw: Whether it gives a dict with the message as `raw`, the object as
                `parsed`, and as `parsing_error` the reply's fault, or None.
            tools: Tools that the model may call in place of giving the object, with
                `include_raw`: their calls are in `raw`, and `parsed` is None.
            strict: As in `bind_tools`.
            reask: Whether the model is asked once more, with the fault, where its reply does
                not hold the object.
            **kwargs: Further arguments of each call.

        Raises:
            ValueError: `method` is unknown, or `schema` is of something else than an object.
                When it is called without `include_raw`, an `OutputParserException` names the
                fault of the reply, and has that as its `llm_output`.
        """
        if schema is None and method != "json_mode":
            raise ValueError(f"method={method!r} wants a schema; 'json_mode' does without.")
        if tools and not include_raw:
            raise ValueError("tools=[...] wants include_raw=True: a call of theirs is no object.")
        asked = _method_arguments(ObjectSchema(schema), method, tools or (), strict=strict)
        return StructuredOutput(
            model=self.bind(**{**asked, **kwargs}),
            object_schema=schema,
            include_raw=include_raw,
            reask=reask,
            tools=tuple(convert_to_openai_tool(tool)["function"]["name"] for tool in tools or ()),
        )
