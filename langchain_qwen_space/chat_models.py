"""The chat model."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, overload

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import (
    BaseChatModel,
    LangSmithParams,
    LanguageModelInput,
    ModelProfile,
)
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    SkipValidation,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from langchain_qwen_space.callbacks import STATUS, adispatch_status, dispatch_status
from langchain_qwen_space.chunks import apply_final_texts
from langchain_qwen_space.errors import typed
from langchain_qwen_space.messages import to_core_messages
from langchain_qwen_space.profiles import find_limits, make_profile
from langchain_qwen_space.streaming import ChunkBuilder
from langchain_qwen_space.structured_output import (
    Method,
    ObjectSchema,
    StructuredOutput,
    method_arguments,
)
from langchain_qwen_space.tools import CallKwargs, bind_arguments, make_tools
from qwen_space import __version__, tokens
from qwen_space.chat.stop import StopScanner
from qwen_space.chat_model.arguments import (
    SAMPLING,
    build_config,
    drop_secrets,
    format_validation_error,
    resolve_names,
    warn_unknown,
)
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.reply import ChatReply
from qwen_space.chat_model.space import Space
from qwen_space.config import (
    DEFAULT_MAX_QUEUE,
    DEFAULT_MAX_SIZE,
    DEFAULT_MODEL,
    DEFAULT_REASONING_TAGS,
    History,
    InputRole,
    Timeouts,
    check_auth,
    default_space,
)
from qwen_space.tokens.limits import get_full_name
from qwen_space.tools import render

__all__ = ["ChatQwenSpace"]

_Model = TypeVar("_Model", bound=BaseModel)


class ChatQwenSpace(BaseChatModel):
    """A Qwen2.5 Hugging Face Space, or any Gradio chat app, as a chat model.

    No key and no account are needed. One object works from any thread and any event loop, and
    can be pickled; nothing connects before the first call.

    Setup:
        ```bash
        pip install "qwen-space[langchain]"
        ```

    Instantiate:
        ```python
        from langchain_qwen_space import ChatQwenSpace

        model = ChatQwenSpace()  # the public Space; or ChatQwenSpace(space="http://127.0.0.1:7860")
        ```

    Invoke:
        ```python
        model.invoke([("system", "Be brief."), ("human", "What is a Space?")])
        ```

    Stream:
        ```python
        for chunk in model.stream("What is a Space?"):
            print(chunk.text, end="", flush=True)
        ```

    Async:
        ```python
        async for chunk in model.astream("What is a Space?"):
            print(chunk.text, end="", flush=True)
        ```

    Tool calling:
        ```python
        answer = model.bind_tools([get_weather]).invoke("What is the weather in Oslo?")
        answer.tool_calls
        ```

        Tools are shown and called in Qwen2.5's own format, in the prompt and the reply; see
        `bind_tools`. Invalid calls are in `invalid_tool_calls`.

    Structured output:
        ```python
        model.with_structured_output(Person).invoke("Who is Ada?")
        ```

        It is asked for in words, and once more where the reply does not fit; see
        `with_structured_output`.

    Token usage:
        `usage_metadata` is counted here, with Qwen's vocabulary (extra `tokens`) or by estimate;
        `usage_source` in the metadata says which. A chat that is longer than the model is known
        to take, or than `profile` says, is not sent.

    Stop:
        A reply ends before the first of the `stop` sequences, and the Space stops working on it.

    Response metadata:
        `model_name`, `model_provider`, `finish_reason`, `duration` in seconds, `event_id`,
        `space`, `usage_source`, and as `queue` the first place in the queue (`rank`,
        `queue_size`, `eta`) and the seconds `waited`. `finish_reason` is "stop",
        "stop_sequence", "tool_calls", or "error" where a call is invalid, whose reasons are
        `tool_call_errors`. `asked_again` is there if a call that had to come was asked for
        twice. `final_text`, `final_reasoning` and `final_tool_calls` are there, in streams, if
        the app changed what had been streamed already, which chunks cannot take back.

    Custom events:
        Within a chain or a graph, `qwen_space_queued`, `qwen_space_started` and
        `qwen_space_notice` are dispatched before the first token.

    Reasoning:
        The model's thoughts, where the app marks them, are no part of the text. They are in
        `additional_kwargs["reasoning_content"]`, of each chunk too, and so a reasoning block in
        `content_blocks`, and with `output_version="v1"` in the content.

    Raises:
        ValueError: An argument is unknown or cannot be right; or, when the model is called, a
            message holds something else than text, or the Space does not offer the model.
        qwen_space.QwenSpaceError: The Space cannot be reached, refuses, fails or breaks off;
            the error's `text` is the part of the reply that had arrived. Each is one of
            LangChain's own errors too, such as `ModelRateLimitError` (see
            `langchain_qwen_space.errors`).
    """

    space: str = Field(default_factory=default_space)
    """A Space's id (`owner/name`), or the URL of a Gradio app. From `QWEN_SPACE_URL` if set."""

    model: str = DEFAULT_MODEL
    """`qwen-2.5` for the Space's default, a size (`7B`), or a name (`Qwen2.5-7B-Instruct`)."""

    hf_token: SecretStr | None = None
    """A Hugging Face token for this Space; without one, `HF_TOKEN` goes to `*.hf.space` only."""

    system_prompt: str | None = None
    """The system prompt of calls without a system message; None is the Space's own."""

    temperature: float | None = None
    """Goes to the app's input of that name; a warning says so where it has none."""

    top_p: float | None = None
    """As `temperature`."""

    max_tokens: int | None = Field(default=None, gt=0)
    """As `temperature`; in tokens."""

    stop: list[str] | None = None
    """Texts before the first of which a reply ends. A call's own `stop` wins."""

    timeout: float | None = Field(default=None, gt=0)
    """Seconds to wait for the first token once the app has started, and for the next sign of life,
    for which 20 are waited at least; see `timeouts`."""

    timeouts: Timeouts = Field(default_factory=Timeouts)
    """All time limits, each on its own, in seconds."""

    max_retries: int = 2
    """How often a step that cannot have run the prompt is tried again."""

    history: History = "split"
    """Earlier turns: "split" renders them into the prompt, "native" fills the app's history, "auto"
    does that where the app told how, turns alternate and no tools are bound, else it splits."""

    tool_advice: bool | None = None
    """Whether sentences after the tools say how to make several calls, and when none; None is yes
    for the split only, as native turns are to the byte what Qwen's chat template makes."""

    endpoint: str | None = None
    """The api name of the app's function, or its number as `#3`; None lets discovery choose."""

    roles: dict[str, InputRole | None] = Field(default_factory=dict)
    """The roles of the app's inputs, where discovery tells them wrongly, by label, parameter or
    position, such as `{"Message": "prompt", "2": "system"}`."""

    inputs: dict[str, Any] = Field(default_factory=dict)
    """Values for further inputs of the app, by label."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """The URL of an HTTP proxy for all requests."""

    trust_env: bool = True
    """Whether the proxies and the certificates that the environment names are used."""

    verify: Annotated[
        bool | str | os.PathLike[str] | ssl.SSLContext,
        SkipValidation,
        WithJsonSchema({"type": ["boolean", "string"]}),
    ] = Field(default=True, exclude=True)
    """How the server's certificate is checked: True by the certificates that the system trusts, a
    file or a folder of certificates by those, an `ssl.SSLContext` as it says; False not at all."""

    auth: tuple[str, str] | None = Field(default=None, exclude=True, repr=False)
    """The user and the password of an app with a login, Gradio's `launch(auth=...)`."""

    headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Headers to add to all requests, or to put in place of ours."""

    max_size: int = DEFAULT_MAX_SIZE
    """The most bytes of an answer or a message of the Space, and the most characters of a reply."""

    max_queue: int = DEFAULT_MAX_QUEUE
    """How many events of `stream` its reader may be behind; then the Space has to wait."""

    reasoning_tags: tuple[str, str] | None = DEFAULT_REASONING_TAGS
    """The tags around a model's thoughts at the start of its reply; None for no thoughts."""

    streaming: bool = False
    """Whether `invoke` streams, so that callbacks see tokens."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,  # it may hold the token
    )

    _space: Space | None = PrivateAttr(default=None)

    # Construction

    if not TYPE_CHECKING:  # where the fields are the arguments

        def __init__(self, **kwargs: Any) -> None:
            try:
                super().__init__(**kwargs)
            except ValidationError as exc:  # which holds the arguments, and so the token
                raise ValueError(format_validation_error(exc)) from None

    @model_validator(mode="before")
    @classmethod
    def _resolve_names(cls, values: Any) -> Any:
        return (
            resolve_names(cls.__name__, values, _argument_names(cls))
            if isinstance(values, dict)
            else values
        )

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("auth")
    @classmethod
    def _hide_password(cls, auth: Any) -> Any:
        return check_auth(auth)

    @model_validator(mode="after")
    def _check_early(self) -> Self:
        build_config(self)
        StopScanner(self.stop or ())
        self._add_version("qwen-space", __version__)
        return self

    def _open_space(self) -> Space:
        """Return the Space, made again when a field has changed since."""
        config = build_config(self)
        if self._space is None or self._space.config != config:
            self._space = Space.from_config(config)
        return self._space

    # Calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        builder, call = self._prepare(messages, stop, kwargs)
        with typed(), contextlib.closing(call.stream(deltas=False)) as events:
            for event in events:
                if isinstance(event, ChatReply):
                    result = builder.result(event)
                elif isinstance(event, STATUS):
                    dispatch_status(event)
        return result

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        builder, call = self._prepare(messages, stop, kwargs)
        with typed():
            async with call.astream(deltas=False) as events:
                async for event in events:
                    if isinstance(event, ChatReply):
                        result = builder.result(event)
                    elif isinstance(event, STATUS):
                        await adispatch_status(event)
        return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        builder, call = self._prepare(messages, stop, kwargs)
        with typed(), contextlib.closing(call.stream()) as events:
            for event in events:
                if isinstance(event, STATUS):
                    dispatch_status(event)
                for chunk in builder.chunks(event):
                    if run_manager is not None:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        builder, call = self._prepare(messages, stop, kwargs)
        with typed():
            async with call.astream() as events:
                async for event in events:
                    if isinstance(event, STATUS):
                        await adispatch_status(event)
                    for chunk in builder.chunks(event):
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk

    # Where langchain-core streams on behalf of `invoke`, it folds the chunks by itself.

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return apply_final_texts(
            super()._generate_with_cache(messages, stop, run_manager, **kwargs)
        )

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)
        return apply_final_texts(result)

    def _prepare(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[ChunkBuilder, ChatCall]:
        """Return a call, and the builder of its chunks; the call's own values win."""
        given = CallKwargs({**kwargs, "stop": stop}, stop=self.stop, usage_hint=self._advises)
        warn_unknown("ChatQwenSpace", given.unknown)
        model = given.options["model"] or self.model
        call = ChatCall(
            space=self._open_space(),
            messages=to_core_messages(messages),
            options=given.options,
            tools=given.tools,
            response_format=given.response_format,
            limits=find_limits(self.profile, model, self.space),
            reask=given.reask,
            stream_arguments=given.stream_arguments,
        )
        name = get_full_name(model, self.space)
        metadata = {"model_name": name, "model_provider": "qwen-space", "space": self.space}
        return ChunkBuilder(metadata, blocks=self.output_version == "v1"), call

    @property
    def _advises(self) -> bool:
        return self.history != "native" if self.tool_advice is None else self.tool_advice

    # Tools

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        strict: bool | None = None,
        reask: bool = True,
        stream_arguments: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return a model that may call tools, in Qwen2.5's own format.

        Args:
            tools: Functions, Pydantic classes, LangChain's tools, or schemas.
            tool_choice: "auto" or None leaves it to the model; "none" or False keeps the tools
                from it; "any", "required" or True wants a call, and a tool's name, or OpenAI's
                dictionary for it, one of that tool. A call that has to come is asked for in
                words, and once more where it does not come. It is never made up.
            parallel_tool_calls: False asks for one call at most.
            strict: Whether schemas are shown in OpenAI's strict form. Nothing can enforce them.
            reask: Whether a call that has to come, and does not, is asked for once more. Until
                it is there nothing is streamed.
            stream_arguments: Whether arguments are streamed while they are written, and not once
                a call is known to be valid. A call that is cut off then looks like a whole one,
                but for `finish_reason` and `tool_call_errors` in the metadata.
            **kwargs: Further arguments of each call.

        Raises:
            ValueError: `tool_choice` names no tool of these.
        """
        given = bind_arguments(
            tools,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            strict=strict,
            reask=reask,
            stream_arguments=stream_arguments,
        )
        return self.bind(**given, **kwargs)

    # Structured output

    @overload
    def with_structured_output(
        self,
        schema: type[_Model],
        *,
        method: Method = ...,
        include_raw: Literal[False] = ...,
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
                has to say what is to be in it.
            include_raw: Whether it gives a dict with the message as `raw`, the object as
                `parsed`, and as `parsing_error` the reply's fault, or None.
            strict: As in `bind_tools`.
            reask: Whether the model is asked once more, with what was wrong, where its reply
                does not hold the object.
            **kwargs: Further arguments of each call.

        Raises:
            ValueError: `method` is unknown, or `schema` is of something else than an object.
                When it is called without `include_raw`, an `OutputParserException` says what is
                wrong with the reply, which is its `llm_output`.
        """
        if schema is None and method != "json_mode":
            raise ValueError(f"method={method!r} wants a schema; 'json_mode' does without.")
        wanted = ObjectSchema(schema)
        model = self.bind(**method_arguments(wanted, method, strict=strict), **kwargs)
        return StructuredOutput(model, wanted, include_raw=include_raw, reask=reask)

    # LangChain's questions about a model

    @property
    def _llm_type(self) -> str:
        return "chat-qwen-space"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "space": build_config(self).url,
            "model": self.model,
            "system_prompt": self.system_prompt,
            "history": self.history,
            "tool_advice": self._advises,
            "endpoint": self.endpoint,
            "roles": self.roles,
            "inputs": self.inputs,
            "stop": self.stop,
            **{name: getattr(self, name) for name in SAMPLING},
        }

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return a call's options for a run's trace: not its headers."""
        return super()._get_invocation_params(stop, **_without_headers(kwargs))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key of a call in a cache, in which headers are not to lie."""
        return super()._get_llm_string(stop, **_without_headers(kwargs))

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "qwen-space"
        model = kwargs.get("model") or self.model  # of a call, which is not checked yet
        params["ls_model_name"] = get_full_name(str(model), self.space)
        return params

    def get_token_ids(self, text: str) -> list[int]:
        """Return Qwen2.5's tokens of a text.

        Raises:
            ImportError: The extra `tokens` is not installed.
        """
        return self.custom_get_token_ids(text) if self.custom_get_token_ids else tokens.encode(text)

    def get_num_tokens(self, text: str) -> int:
        """Return how many tokens a text has: exactly with the extra `tokens`, else an estimate."""
        return (
            len(self.custom_get_token_ids(text))
            if self.custom_get_token_ids
            else tokens.count(text)
        )

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Return how many tokens the model has to read for messages.

        What Qwen's chat template puts around them counts too, as do the tools, and the system
        prompt that a chat without one is given. No messages at all have no tokens.

        Raises:
            ValueError: A message holds something else than text, or is of an unknown kind.
        """
        if not messages:
            return 0
        chat = render(
            to_core_messages(messages),
            make_tools(tools or (), usage_hint=self._advises),
            system=self.system_prompt,
        )
        if self.custom_get_token_ids is not None:
            return sum(self.get_num_tokens(turn.text) for turn in chat)
        return tokens.count_chat(chat, history=self.history, system=self.system_prompt)

    def _resolve_model_profile(self) -> ModelProfile:
        return make_profile(self.model, self.space).copy()

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `dumps` gives all of it but the secrets."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The name under which the token is looked up when the model is loaded again."""
        return {"hf_token": "HF_TOKEN"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Arguments whose serialised form is not their own."""
        return {"timeouts": asdict(self.timeouts)}

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy, which checks certificates by the same `ssl.SSLContext`: it has no copy."""
        return super().__deepcopy__({**(memo or {}), id(self.verify): self.verify})

    def __getstate__(self) -> dict[Any, Any]:
        """Return the pickled state: all but the secrets, which are to be given again."""
        state = super().__getstate__()
        return {
            **state,
            "__dict__": drop_secrets(state["__dict__"]),
            "__pydantic_fields_set__": state["__pydantic_fields_set__"] - {"hf_token"},
            "__pydantic_private__": {**(state["__pydantic_private__"] or {}), "_space": None},
        }


def _without_headers(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's keyword arguments without those that may hold a secret."""
    return {name: value for name, value in kwargs.items() if name != "headers"}


@functools.cache
def _argument_names(cls: type[ChatQwenSpace]) -> list[str]:
    """Return the constructor's arguments, with those of langchain-core that have an alias."""
    fields = cls.model_fields.items()
    return [*cls.model_fields, *(field.alias for _, field in fields if field.alias)]
