"""The LLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import ConfigDict, Field, model_validator

from llama_index_qwen_space import instrumentation
from llama_index_qwen_space.messages import (
    selections,
    to_arguments,
    to_core_messages,
    to_core_prompt,
    to_schema,
)
from llama_index_qwen_space.responses import (
    astream_responses,
    chat_response,
    completion_response,
    stream_responses,
    whole_piece,
)
from llama_index_qwen_space.structured_output import StructuredPrediction
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.model import SpaceChatModel
from qwen_space.tokens.limits import get_limits
from qwen_space.tools import Message

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool
    from typing_extensions import Self

__all__ = ["QwenSpace"]

_UNKNOWN = (32768, 1024)  # context window and output of a model that is not known


class QwenSpace(SpaceChatModel, StructuredPrediction, CustomLLM, FunctionCallingLLM):
    """A Qwen2.5 Hugging Face Space, or any Gradio chat app, as an LLM.

    No key and no account are needed. One object works from any thread and any event loop, one
    loop after the other, and can be copied and pickled; nothing connects before the first call.

    All system messages of a call, joined by a newline, are the system prompt; a call without
    one has `system_prompt`, wherever it comes from (a query engine, an agent, or your own code).
    `messages_to_prompt` is not used, as the Space takes messages.

    Every chunk of a stream has the text so far and, as its delta, exactly its new part. A last
    chunk with nothing new has the server's final text and `raw`: the job's `model`, `event_id`,
    `finish_reason` ("stop", "stop_sequence", "length", "tool_calls" or "error"), `duration` in
    seconds and `usage`. That has the tokens (`prompt_tokens`, `completion_tokens`, `total_tokens`)
    and their `source`: "qwen.tiktoken" where they were counted, "estimate" without the extra
    `tokens`. Of several Spaces, `space` is the one that answered, and `fallbacks` has the `space`
    and the `reason` of each that did not. An app that changes text which was streamed already makes
    a chunk with an empty delta and the new text. Closing a stream stops the job on the server; so
    does cancelling the task that reads it.

    The model's thoughts, where the app marks them, are no part of the text. Chunks have them as
    `additional_kwargs["thinking_delta"]`, the message of a chat in a `ThinkingBlock` before its
    text, and a completion in `additional_kwargs["thinking"]`.

    Tools go to the model in Qwen's own format, at the end of the system prompt, and its calls are
    `ToolCallBlock`s, no text. With `tool_required`, or where a call is broken, the model is asked
    once more; a call that does not come then is not made up. Objects (`structured_predict` and
    its kin) are asked for as JSON, once more where it does not fit, and are never blank.

    Keyword arguments of a call are `model`, `stop`, `inputs`, `headers`, `timeout`, `temperature`,
    `top_p` and `max_tokens`, in place of the LLM's own, and of a chat `tools` and `tool_choice`;
    others are ignored, and a warning names them.

    Examples:
        ```python
        from llama_index.core import Settings
        from llama_index_qwen_space import QwenSpace

        llm = QwenSpace()  # the public Space; or QwenSpace(space="http://127.0.0.1:7860")
        print(llm.complete("What is a Space?"))
        Settings.llm = llm
        ```

    Raises:
        ValueError: An argument is unknown or cannot be right; or, when the LLM is called, a
            message holds neither text nor media, or no object comes (`StructuredOutputError`).
        qwen_space.ContextOverflowError: The messages are longer than the model takes.
        qwen_space.QwenSpaceError: The Space cannot be reached, refuses, fails or breaks off;
            the error's `text` is the part of the reply that had arrived.
    """

    hf_token: str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A Hugging Face token for this Space. Without one, HF_TOKEN is sent to "
        "Spaces on Hugging Face, and to no other host.",
    )
    context_window: int | None = Field(
        default=None,
        gt=0,
        description="How many tokens prompt and reply may have together. By default the "
        "model's own window, or the one that the app has told, and 32768 for an unknown model.",
    )
    num_output: int | None = Field(
        default=None,
        gt=0,
        description="How many tokens of it prompts leave for the reply. By default max_tokens, "
        "or the model's longest reply, and 1024 for an unknown one, but no more than a quarter "
        "of the context window.",
    )
    is_function_calling_model: bool = Field(
        default=True,
        description="Whether agents are to call tools in Qwen's own format, rather than by "
        "written thoughts and actions.",
    )

    model_config = ConfigDict(
        defer_build=False,
    )

    # A limiter that was copied would double its limit, and holds a lock.
    shared_by_copies: ClassVar[tuple[str, ...]] = ("callback_manager", "rate_limiter", "verify")

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        known = self.metadata
        if known.num_output >= known.context_window:
            name = "num_output" if self.num_output else "max_tokens"
            raise ValueError(
                f"{name}={known.num_output} leaves no room for a prompt in context_window="
                f"{known.context_window}: give less of the one, or more of the other."
            )
        return self

    # The facts that LlamaIndex asks for

    @classmethod
    def class_name(cls) -> str:
        """Return the name by which the class is known in serialised form."""
        return "QwenSpaceLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """The model's abilities, as far as they are known without asking the Space."""
        name, window = self._name_model(self.model), self.context_window or self._told_window
        limits = self._known_limits(window)
        context, output = _UNKNOWN if limits is None else (limits.context_window, limits.max_output)
        return LLMMetadata(
            context_window=context,
            num_output=self.num_output or self.max_tokens or min(output, context // 4),
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=name,
            system_role=MessageRole.SYSTEM,
        )

    def load_metadata(self) -> LLMMetadata:
        """Ask the app for its model and its context window, which `metadata` has from then on.

        A Space of one's own tells both. Another tells the model; so does each call.

        Raises:
            qwen_space.QwenSpaceError: The Space cannot be reached, or refuses.
        """
        self._open_space().endpoint()
        return self.metadata

    async def aload_metadata(self) -> LLMMetadata:
        """Do as `load_metadata`."""
        await self._open_space().aendpoint()
        return self.metadata

    def to_payload(self) -> dict[str, Any]:
        """Return the LLM's fields for events; there is no secret in them."""
        known = self.metadata.model_dump()
        names = {"class_name": self.class_name(), "model": known["model_name"]}
        return {**names, **known, **self._sampling}

    # The eight endpoints. None calls another, for that would announce and count a call twice.

    @instrumentation.chat
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a chat."""
        return chat_response(whole_piece(self._chat(messages, kwargs).complete()))

    @instrumentation.chat
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a chat."""
        return chat_response(whole_piece(await self._chat(messages, kwargs).acomplete()))

    @instrumentation.streamed(instrumentation.chat)
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a chat, piece by piece; nothing is sent before the first piece is asked for."""
        return stream_responses(self._chat(messages, kwargs), chat_response)

    @instrumentation.astreamed(instrumentation.chat)
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """Answer a chat, piece by piece; nothing is sent before the first piece is asked for."""
        return astream_responses(self._chat(messages, kwargs), chat_response)

    @instrumentation.completion
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - LlamaIndex's signature
        """Answer a prompt, as the message of a user."""
        call = self._completion(prompt, kwargs, formatted=formatted)
        return completion_response(whole_piece(call.complete()))

    @instrumentation.completion
    async def acomplete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> CompletionResponse:
        """Answer a prompt, as the message of a user."""
        call = self._completion(prompt, kwargs, formatted=formatted)
        return completion_response(whole_piece(await call.acomplete()))

    @instrumentation.streamed(instrumentation.completion)
    def stream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> CompletionResponseGen:
        """Answer a prompt, piece by piece; nothing is sent before the first is asked for."""
        call = self._completion(prompt, kwargs, formatted=formatted)
        return stream_responses(call, completion_response)

    @instrumentation.astreamed(instrumentation.completion)
    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        """Answer a prompt, piece by piece; nothing is sent before the first is asked for."""
        call = self._completion(prompt, kwargs, formatted=formatted)
        return astream_responses(call, completion_response)

    # The call

    def _chat(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatCall:
        return self._call(to_core_messages(messages), kwargs)

    def _completion(self, prompt: str, kwargs: dict[str, Any], *, formatted: bool) -> ChatCall:
        """Return the call of a completion, with its `image_documents`, nodes or blocks, if any."""
        images = kwargs.pop("image_documents", None) or ()
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return self._call([to_core_prompt(prompt, images)], kwargs)

    def _call(self, chat: Sequence[Message], kwargs: Mapping[str, Any]) -> ChatCall:
        """Return a call; its own values win."""
        arguments = self._take_arguments(to_arguments(kwargs), to_schema=to_schema)
        model = arguments.options["model"] or self.model
        limiter = self.rate_limiter
        return self._make_call(
            chat,
            arguments,
            get_limits(model, self.space, self.context_window),
            before_reask=None if limiter is None else limiter.async_acquire,
        )

    # Tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: FBT001, FBT002 - LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,  # noqa: FBT001, FBT002
        tool_required: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the arguments with which a chat has these tools; nothing given is changed."""
        messages = list(chat_history or ())
        if user_msg:
            messages.append(ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)
        return {
            "messages": messages,
            "tools": [to_schema(tool) for tool in tools],
            "tool_required": tool_required,
            "allow_parallel_tool_calls": allow_parallel_tool_calls,
            **kwargs,
        }

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,  # noqa: FBT001, FBT002 - LlamaIndex's signature
        **kwargs: Any,
    ) -> list[ToolSelection]:
        """Return the calls of a response, or of a chunk of one.

        Args:
            response: The response of a chat with tools.
            error_on_no_tool_call: Whether no call is an error.
            kwargs: Ignored.

        Raises:
            ValueError: There is no call, and that is an error.
        """
        calls = selections(response.message)
        if not calls and error_on_no_tool_call:
            raise ValueError(
                f"The model called no tool; it said {response.message.content or ''!r:.200}."
            )
        return calls

    if not TYPE_CHECKING:  # where the signature is LlamaIndex's

        def predict_and_call(self, *args: Any, **kwargs: Any) -> Any:
            """Have the model call tools, and return their outputs."""
            return super().predict_and_call(*args, **self._acting(kwargs))

        async def apredict_and_call(self, *args: Any, **kwargs: Any) -> Any:
            """Have the model call tools, and return their outputs."""
            return await super().apredict_and_call(*args, **self._acting(kwargs))

    def _acting(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return arguments with those that LlamaIndex's agent of thoughts and actions needs.

        `predict_and_call` gives it None where these are left out, and it does not take that.
        """
        if self.is_function_calling_model:
            return kwargs
        from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser

        needed = {
            "react_chat_formatter": ReActChatFormatter(),
            "output_parser": ReActOutputParser(),
        }
        return {**needed, **kwargs}
