"""The chat model."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

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
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, SecretStr, model_validator
from typing_extensions import Self

from langchain_qwen_space.callbacks import STATUS, adispatch_status, dispatch_status
from langchain_qwen_space.chunks import apply_final_texts
from langchain_qwen_space.errors import typed
from langchain_qwen_space.messages import to_core_messages
from langchain_qwen_space.profiles import find_limits, make_profile
from langchain_qwen_space.streaming import ChunkBuilder, agenerate, generate
from langchain_qwen_space.structured_output import StructuredModel
from langchain_qwen_space.tools import bind_arguments
from qwen_space import __version__, tokens
from qwen_space.chat_model.arguments import SAMPLING, build_config
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.model import SpaceChatModel
from qwen_space.config import dump_spaces, first_space, identify
from qwen_space.tools import ToolBinding, render

__all__ = ["ChatQwenSpace"]


class ChatQwenSpace(SpaceChatModel, StructuredModel, BaseChatModel):
    """A Qwen2.5 Hugging Face Space, or any Gradio chat app, as a chat model.

    No key and no account are needed. One object works from any thread and any event loop, and
    can be pickled; nothing connects before the first call.

    Setup:
        ```bash
        pip install "qwen-space[langchain]"
        ```

    Key init args — completion params:
        model: str
            `qwen-2.5` for the Space's default, a size (`7B`), or a full name.
        temperature, top_p: float | None
            Go to the app's inputs of these names; a warning says so where it has none.
        max_tokens: int | None
            Tokens after which a reply ends; counted here where the app has no input for it.
        stop: list[str] | None
            Texts before the first of which a reply ends, and the Space stops working on it.
        system_prompt: str | None
            The system prompt of calls without a system message.
        history: "split" | "native" | "auto"
            How earlier turns reach the app.
        inputs: dict[str, Any]
            Values for further inputs of the app, by label.

    Key init args — client params:
        space: str
            A Space's id or the URL of a Gradio app; `QWEN_SPACE_URL` if set.
        hf_token: SecretStr | None
            A Hugging Face token for this Space; `HF_TOKEN` if it is on Hugging Face.
        timeout: float | None
            Seconds to wait for the first token; `timeouts` has each limit on its own.
        max_retries: int
            How often a step that cannot have run the prompt is tried again.

    The fields have all others, with their descriptions.

    Instantiate:
        ```python
        from langchain_qwen_space import ChatQwenSpace

        model = ChatQwenSpace(
            # space="http://127.0.0.1:7860",
            model="qwen-2.5",
            max_tokens=200,
            timeout=60,
        )
        ```

    Invoke:
        ```python
        messages = [("system", "Be brief."), ("human", "What is a Space?")]
        answer = model.invoke(messages)
        print(answer.text)
        ```

        ```text
        A Space is a Gradio app that Hugging Face runs.
        ```

    Stream:
        ```python
        for chunk in model.stream(messages):
            print(chunk.text, end="|")
        ```

        ```text
        A| Space| is| a| Gradio| app| that| Hugging| Face| runs.||
        ```

        ```python
        stream = model.stream(messages)
        full = next(stream)
        for chunk in stream:
            full += chunk
        print(full.text, full.usage_metadata["output_tokens"])
        ```

        ```text
        A Space is a Gradio app that Hugging Face runs. 13
        ```

    Async:
        ```python
        async for chunk in model.astream(messages):
            print(chunk.text, end="", flush=True)
        ```

    Tool calling:
        ```python
        question = "What is the weather in 'Oslo'?"
        answer = model.bind_tools([get_weather]).invoke(question)
        print(answer.tool_calls)
        ```

        ```text
        [{'name': 'get_weather', 'args': {'city': 'Oslo'}, 'id': 'call_...', 'type': 'tool_call'}]
        ```

        Tools are shown and called in Qwen2.5's own format, in the prompt and the reply; see
        `bind_tools`. Invalid calls are in `invalid_tool_calls`.

    Structured output:
        ```python
        model.with_structured_output(Person).invoke("Who is 'Ada', 36 years old?")
        ```

        It is asked for in words, and again where it does not fit; see `with_structured_output`.

    JSON mode:
        `model.bind(response_format={"type": "json_object"})` gives text that is JSON.

    Image, audio, video and file input:
        Content blocks, where the app takes them; else a `ValueError` names the block.

    Token usage:
        ```python
        print(model.invoke(messages).usage_metadata)
        ```

        ```text
        {'input_tokens': 21, 'output_tokens': 13, 'total_tokens': 34}
        ```

        It is counted here, with Qwen's vocabulary (extra `tokens`) or by estimate; `usage_source`
        in the metadata says which. A chat that is longer than the model is known to take, or than
        `profile` says, is not sent.

    Response metadata:
        ```python
        for name, value in model.invoke(messages).response_metadata.items():
            print(f"{name}: {value!r}")
        ```

        ```text
        finish_reason: 'stop'
        model_name: 'Qwen2.5-72B-Instruct'
        model_provider: 'qwen-space'
        space: '...'
        duration_ms: ...
        event_id: '...'
        usage_source: 'qwen.tiktoken'
        queue: {'rank': 0, 'queue_size': 1, 'eta_ms': ..., 'waited_ms': ...}
        ```

        `queue` is the first place in the queue. `finish_reason` is "stop", "stop_sequence",
        "length", "tool_calls", or "error" where a call is invalid, whose reasons are
        `tool_call_errors`. `asked_again` is there if the model had to be asked twice. `final_text`,
        `final_reasoning` and `final_tool_calls` are there, in streams, if the app changed text that
        was streamed already, as chunks cannot take it back. Of several Spaces, `space` is the one
        that answered, and `fallbacks` has the `space` and the `reason` of each that did not.

    Custom events:
        Within a chain or a graph, `qwen_space_queued`, `qwen_space_started` and
        `qwen_space_notice` are dispatched before the first token.

    Reasoning:
        The model's thoughts, where the app marks them, are no part of the text. They are in
        `additional_kwargs["reasoning_content"]`, of each chunk too, and so a reasoning block in
        `content_blocks`, and with `output_version="v1"` in the content.

    Raises:
        ValueError: An argument is unknown or cannot be right; or, when the model is called, a
            message holds something that cannot be sent.
        qwen_space.QwenSpaceError: The Space cannot be reached, refuses, fails or breaks off;
            the error's `text` is the part of the reply that had arrived. Each is one of
            LangChain's own errors too, such as `ModelRateLimitError` (see
            `langchain_qwen_space.errors`).
    """

    hf_token: SecretStr | None = Field(
        default=None,
        description="A Hugging Face token for this Space. Without one, HF_TOKEN is sent to "
        "Spaces on Hugging Face, and to no other host.",
    )
    streaming: bool = Field(
        default=False, description="Whether invoke streams, so that callbacks see tokens."
    )

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        defer_build=False,
    )

    @model_validator(mode="after")
    def _name_version(self) -> Self:
        self._add_version("qwen-space", __version__)
        return self

    # Calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate(*self._prepare(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate(*self._prepare(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call, builder = self._prepare(messages, stop, kwargs)
        with typed(), contextlib.closing(call.stream()) as events:
            for event in events:
                if not (chunks := builder.chunks(event)) and isinstance(event, STATUS):
                    dispatch_status(event)
                for chunk in chunks:
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
        call, builder = self._prepare(messages, stop, kwargs)
        with typed():
            async with call.astream() as events:
                async for event in events:
                    if not (chunks := builder.chunks(event)) and isinstance(event, STATUS):
                        await adispatch_status(event)
                    for chunk in chunks:
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
    ) -> tuple[ChatCall, ChunkBuilder]:
        """Return a call, and the builder of its chunks; the call's own values win."""
        to_schema = partial(convert_to_openai_tool, strict=kwargs.get("strict"))
        arguments = self._take_arguments({**kwargs, "stop": stop}, to_schema=to_schema)
        model = arguments.options["model"] or self.model
        limits = find_limits(self.profile, model, self.space)
        limiter = self.rate_limiter
        call = self._make_call(
            to_core_messages(messages),
            arguments,
            limits,
            before_reask=None if limiter is None else limiter.aacquire,
        )
        name = self._name_model(model)
        space = first_space(self.space)
        metadata = {"model_name": name, "model_provider": "qwen-space", "space": space}
        return call, ChunkBuilder(metadata, blocks=self.output_version == "v1")

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

    # LangChain's questions about a model

    @property
    def _llm_type(self) -> str:
        return "chat-qwen-space"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "space": identify(build_config(self)),
            "model": self.model,
            "system_prompt": self.system_prompt,
            "history": self.history,
            "tool_advice": self.tool_advice,
            "endpoint": self.endpoint,
            "roles": self.roles,
            "inputs": self.inputs,
            "stop": self.stop,
            **{name: getattr(self, name) for name in SAMPLING},
        }

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return a call's options for a run's trace: the model's full name, and no headers."""
        params = super()._get_invocation_params(stop, **_without_headers(kwargs))
        return {**params, "model": self._name_model(str(params["model"]))}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key of a call in a cache, in which headers are not to lie."""
        return super()._get_llm_string(stop, **_without_headers(kwargs))

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "qwen-space"
        model = kwargs.get("model") or self.model  # of a call, which is not checked yet
        params["ls_model_name"] = self._name_model(str(model))
        return params

    def get_token_ids(self, text: str) -> list[int]:
        """Return Qwen2.5's tokens of a text.

        Raises:
            ImportError: The extra `tokens` is not installed.
        """
        return self.custom_get_token_ids(text) if self.custom_get_token_ids else tokens.encode(text)

    def get_num_tokens(self, text: str) -> int:
        """Return how many tokens a text has: exactly with the extra `tokens`, else an estimate."""
        own = self.custom_get_token_ids
        return len(own(text)) if own else tokens.count(text)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Return how many tokens the model has to read for messages.

        The marks of Qwen's chat template count too, as do the tools, and the system prompt that
        a chat without one is given. No messages at all have no tokens.

        Raises:
            ValueError: A message holds neither text nor media, or is of an unknown kind.
        """
        if not messages:
            return 0
        schemas = map(convert_to_openai_tool, tools or ())
        binding = ToolBinding.from_schemas(schemas, usage_hint=self.tool_advice)
        chat = render(to_core_messages(messages), binding, system=self.system_prompt)
        if self.custom_get_token_ids is not None:
            return sum(self.get_num_tokens(turn.text) for turn in chat)
        return tokens.count_chat(chat, history=self.history, system=self.system_prompt)

    def _resolve_model_profile(self) -> ModelProfile:
        limits = self._known_limits(self._told_window)
        return make_profile(self._name_model(self.model), limits, self._told_media)

    def load_profile(self) -> ModelProfile:
        """Ask the app for its model, context window and media, and renew `profile` by the answer.

        A Space of one's own tells the window, so that middleware can count in fractions of it.

        Raises:
            qwen_space.QwenSpaceError: The Space cannot be reached, or refuses.
        """
        with typed():
            self._open_space().endpoint()
        return self._renew_profile()

    async def aload_profile(self) -> ModelProfile:
        """Do as `load_profile`."""
        with typed():
            await self._open_space().aendpoint()
        return self._renew_profile()

    def _renew_profile(self) -> ModelProfile:
        self.profile = self._resolve_model_profile()
        return self.profile

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
        return {"timeouts": asdict(self.timeouts), "space": dump_spaces(self.space)}


def _without_headers(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's keyword arguments without those that may hold a secret."""
    return {name: value for name, value in kwargs.items() if name != "headers"}
