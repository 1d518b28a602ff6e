"""Structured output: objects in place of messages."""

from __future__ import annotations

import contextlib
import enum
import types
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

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
from langchain_core.utils.json_schema import dereference_refs
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import Field
from typing_extensions import NotRequired, Required, TypedDict, get_type_hints, is_typeddict

from langchain_qwen_space.chunks import apply_final_text
from langchain_qwen_space.tools import bind_arguments
from qwen_space.chat_model.extraction import MISSING, Extraction, PartialJSON
from qwen_space.chat_model.schema import OutputSchema

__all__ = ["Method", "ObjectSchema", "StructuredOutput", "method_arguments"]

_NAMES = frozenset({"title", "name", "function", "toolSpec"})

Method = Literal["json_schema", "function_calling", "json_mode"]


class ObjectSchema:
    """The schema of the objects that `with_structured_output` gives.

    Args:
        schema: A pydantic class of either version, a `TypedDict`, or a schema. None is any object.

    Attributes:
        type: The class of the objects.
        json_schema: The JSON schema that is shown to the model, with its name as the title.

    Raises:
        ValueError: It is the schema of something else than an object.
    """

    def __init__(self, schema: Mapping[str, Any] | type | None) -> None:
        self._schema = schema
        is_model = isinstance(schema, type) and is_basemodel_subclass(schema)
        self.type: Any = schema if is_model else dict[str, Any]
        self.is_checked_whole = is_model  # so there is nothing to show before it is complete
        self._checked = OutputSchema(_to_checked(schema))
        described = dereference_refs(self._checked.json_schema)
        kind = described.get("type")
        if kind != "object" and "properties" not in described:
            said = f"of type {kind!r}" if kind else "of no type"
            raise _no_object(f"A schema {said}")
        left = {key: value for key, value in described.items() if key != "$defs"}
        self.json_schema: dict[str, Any] = {"title": "answer", "type": "object", **left}
        self.load = self._checked.load

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectSchema, (self._schema,)

    def partial(self, value: Any) -> Any:
        """Return the part to show of an object that is still being written, or `MISSING`."""
        if not self.is_checked_whole:
            return value
        try:
            return self.load(value)
        except ValueError:
            return MISSING


def _no_object(subject: str) -> ValueError:
    return ValueError(f"{subject} cannot be asked for: give an object that has it as a property.")


def _to_checked(schema: Any) -> Any:
    """Return a schema as the core checks it."""
    if not schema:
        return None
    if isinstance(schema, Mapping):
        if schema.get("type", "object") not in {"object", "function"}:
            raise _no_object(f"A schema of type {schema['type']!r}")
        named = {**schema} if _NAMES & schema.keys() else {"title": "answer", **schema}
        return {"type": "object", **convert_to_json_schema(named)}
    if isinstance(schema, type) and issubclass(schema, enum.Enum):
        raise _no_object(f"The enumeration {schema.__name__}")
    return _annotate(schema, {}) if is_typeddict(schema) else schema


def _annotate(hint: Any, known: dict[Any, Any]) -> Any:
    """Return a type with LangChain's annotations as pydantic's.

    `Annotated[str, ..., "Where."]` has a default and a description for LangChain, and nothing for
    pydantic, which also takes no `typing.TypedDict` before Python 3.12.

    Args:
        hint: The type.
        known: The `TypedDict`s that have been made, by those that they are made of.
    """
    if is_typeddict(hint):
        if hint not in known:
            known[hint] = hint  # as it is, where it holds itself
            known[hint] = _annotate_dict(hint, known)
        return known[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (None, Literal):
        return hint
    if origin is Annotated:
        inner, *rest = args
        described = [Field(description=each) if isinstance(each, str) else each for each in rest]
        kept = [each for each in described if each is not ... and each is not None]
        inner = _annotate(inner, known)
        return Annotated[(inner, *kept)] if kept else inner
    plain = tuple(_annotate(each, known) for each in args)
    if plain == args:
        return hint
    if origin in (Required, NotRequired):
        return origin[plain[0]]
    return Union[plain] if origin is types.UnionType else origin[plain]  # noqa: UP007 - a tuple


def _annotate_dict(kind: Any, known: dict[Any, Any]) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        fields[name] = _annotate(hint, known)
        if not _has_qualifier(hint):
            is_required = name in kind.__required_keys__ and not _has_default(hint)
            fields[name] = (Required if is_required else NotRequired)[fields[name]]
    made: Any = TypedDict(kind.__name__, fields)  # type: ignore[misc] # of names that are not literal
    made.__doc__ = None if kind.__doc__ == dict.__doc__ else kind.__doc__
    made.__module__ = kind.__module__
    return made


def _has_qualifier(hint: Any) -> bool:
    """Whether a field says itself if it is required, which `__required_keys__` may not know."""
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(inner) in (Required, NotRequired)


def _has_default(hint: Any) -> bool:
    return get_origin(hint) is Annotated and len(get_args(hint)) > 2 and get_args(hint)[1] is None


class _Attempts:
    """Asks for an object, and once more with its fault.

    Attributes:
        messages: The messages to ask with next; None once it is over.
    """

    def __init__(self, schema: ObjectSchema, messages: list[BaseMessage], *, reask: bool) -> None:
        self.messages: list[BaseMessage] | None = messages
        self._extraction = Extraction[Any](schema.load, reask=reask)
        self._raw: AIMessage | None = None

    def take(self, raw: AIMessage) -> None:
        """Take a reply."""
        self._raw = raw
        question = self._feed(raw)
        earlier = self.messages or []
        self.messages = [*earlier, raw, HumanMessage(question)] if question else None

    def _feed(self, raw: AIMessage) -> str:
        if raw.tool_calls:
            return self._extraction.feed_arguments(raw.tool_calls[0]["args"])
        if raw.invalid_tool_calls:
            errors = raw.response_metadata.get("tool_call_errors") or ["It is no JSON."]
            return self._extraction.feed_failure(f"The function call is not valid. {errors[0]}")
        return self._extraction.feed(raw.text)

    @property
    def result(self) -> dict[str, Any]:
        """The outcome, in the form of `include_raw`."""
        found, raw = self._extraction, self._raw
        assert raw is not None  # noqa: S101 - it is over
        if not found.reason:
            return {"raw": raw, "parsed": found.value, "parsing_error": None}
        error = OutputParserException(
            f"The reply is not what was asked for: {found.reason}", llm_output=_written(raw)
        )
        error.__cause__ = found.error
        return {"raw": raw, "parsed": None, "parsing_error": error}


def _written(raw: AIMessage) -> str:
    calls = [str(call["args"]) for call in (*raw.tool_calls, *raw.invalid_tool_calls)]
    return "\n".join(part for part in (raw.text, *calls) if part)


class _PartialObject:
    """An object while it is written."""

    def __init__(self, schema: ObjectSchema) -> None:
        self._schema = schema
        self._text = self._arguments = ""
        self._in_text, self._in_call = PartialJSON(), PartialJSON(is_bare=True)
        self._shown: Any = MISSING

    def add(self, chunk: AIMessageChunk) -> Iterator[Any]:
        """Yield the object if a chunk has changed it."""
        self._text += chunk.text
        self._arguments += "".join(each["args"] or "" for each in chunk.tool_call_chunks)
        if self._arguments:
            value = self._in_call.feed(self._arguments)
        else:
            value = self._in_text.feed(self._text)
        shown = MISSING if value is MISSING else self._schema.partial(value)
        if shown is not MISSING:
            self._shown = shown
            yield shown

    def has_shown(self, value: Any) -> bool:
        """Whether a value is the object as it was yielded last."""
        return self._shown is not MISSING and bool(self._shown == value)


def method_arguments(
    schema: ObjectSchema, method: Method, *, strict: bool | None
) -> dict[str, Any]:
    """Return the arguments of the calls that ask for an object.

    Raises:
        ValueError: The method is unknown.
    """
    shown = schema.json_schema
    about = {"kwargs": {"method": method, "strict": strict}, "schema": shown}
    match method:
        case "function_calling":
            asked = bind_arguments(
                [shown],
                tool_choice={"type": "function", "function": {"name": shown["title"]}},
                parallel_tool_calls=False,
                strict=strict,
                reask=True,
                stream_arguments=True,
            )
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
    # This asks once more itself, with the fault that its own check finds.
    return {"ls_structured_output_format": about, **asked, "reask": False}


class StructuredOutput(Runnable[LanguageModelInput, Any]):
    """A model that gives objects; made by `ChatQwenSpace.with_structured_output`.

    Args:
        model: The model, bound to the request for the object.
        schema: The schema of the object.
        include_raw: Whether it gives a dict with `raw`, `parsed` and `parsing_error`.
        reask: Whether it asks once more where the reply is not right.
    """

    def __init__(
        self,
        model: Runnable[LanguageModelInput, AIMessage],
        schema: ObjectSchema,
        *,
        include_raw: bool,
        reask: bool,
    ) -> None:
        self.model = model
        self.schema = schema
        self.include_raw = include_raw
        self.reask = reask

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name for it
        """Its output."""
        return dict[str, Any] if self.include_raw else self.schema.type

    def __repr__(self) -> str:
        wanted = getattr(self.schema.type, "__name__", "dict")
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

    # The ways themselves

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
        partial = _PartialObject(self.schema)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), _PartialObject(self.schema)
            stream: Any = self.model.stream(attempts.messages, config, **kwargs)
            with contextlib.closing(stream):
                for chunk in stream:
                    chunks.append(_a_chunk(chunk))
                    yield from map(self._shown, partial.add(chunks[-1]))
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
        partial = _PartialObject(self.schema)
        while attempts.messages is not None:
            chunks, partial = list[AIMessageChunk](), _PartialObject(self.schema)
            stream: Any = self.model.astream(attempts.messages, config, **kwargs)
            async with contextlib.aclosing(stream):
                async for chunk in stream:
                    chunks.append(_a_chunk(chunk))
                    for news in partial.add(chunks[-1]):
                        yield self._shown(news)
            attempts.take(_whole(chunks))
        if not partial.has_shown(result := self._given(attempts)):
            yield result

    def _shown(self, partial: Any) -> Any:
        return {"parsed": partial} if self.include_raw else partial

    def _attempts(self, given: LanguageModelInput) -> _Attempts:
        return _Attempts(self.schema, _messages(given), reask=self.reask)

    def _given(self, attempts: _Attempts) -> Any:
        result = attempts.result
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
    """Return a model's stream, which is a whole message where streaming is disabled."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


def _whole(chunks: list[AIMessageChunk]) -> AIMessage:
    first, *rest = chunks
    message = message_chunk_to_message(first + rest)
    assert isinstance(message, AIMessage)  # noqa: S101 - its chunks are
    return apply_final_text(message)
