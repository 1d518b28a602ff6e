"""The chat model."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from langchain_qwen_space.errors import typed
from langchain_qwen_space.messages import turns
from qwen_space import __version__, tokens
from qwen_space.config import (
    DEFAULT_MAX_SIZE,
    DEFAULT_MODEL,
    SpaceConfig,
    Timeouts,
    has_password,
    space_url,
)
from qwen_space.environment import default_hub, default_space, token_for
from qwen_space.events import Completed, Event, Rewritten, TextDelta, ThinkingDelta
from qwen_space.misuse import refuse_unknown, said_by
from qwen_space.space import Space
from qwen_space.stop import StopScanner

__all__ = ["ChatQwenSpace"]

logger = logging.getLogger(__name__)

_SAMPLING = ("temperature", "top_p", "max_tokens")

_HEARTBEAT = 20.0  # seconds; while a job waits, Gradio's server gives a sign of life every 15


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

    Stop:
        A reply ends before the first of the `stop` sequences, and the Space stops working on it.

    Response metadata:
        `model_name`, `model_provider`, `finish_reason` ("stop" or "stop_sequence"), `duration`
        in seconds, `event_id` and `space`. `final_text` is there only if the app changed text
        that had been streamed already, which chunks cannot take back; `final_reasoning` likewise.

    Reasoning:
        What the model thinks, where the app marks that, is no part of the text. It is in
        `additional_kwargs["reasoning_content"]`, of each chunk too, and so a reasoning block in
        `content_blocks`, and with `output_version="v1"` in the content.

    Raises:
        ValueError: An argument is unknown or cannot be right; or, when the model is called, a
            message holds something else than text, or the Space does not offer the model.
        qwen_space.QwenSpaceError: The Space cannot be reached, refuses, fails or breaks off;
            the error's `text` is what had arrived of the reply. Each is one of LangChain's own
            errors too, such as `ModelRateLimitError` (see `langchain_qwen_space.errors`).
    """

    space: str = Field(
        default_factory=default_space,
        validation_alias=AliasChoices("space", "base_url"),
    )
    """A Space's id (`owner/name`), or the URL of a Gradio app. From `QWEN_SPACE_URL` if set."""

    model: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model", "model_name"))
    """`qwen-2.5` for the Space's default, a size (`7B`), or a name (`Qwen2.5-7B-Instruct`)."""

    hf_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("hf_token", "api_key")
    )
    """A Hugging Face token for this Space; without one, `HF_TOKEN` goes to `*.hf.space` only."""

    system_prompt: str | None = None
    """The system prompt of calls without a system message; None is the Space's own."""

    temperature: float | None = None
    """Goes to the app's input of that name; a warning says so where it has none."""

    top_p: float | None = None
    """As `temperature`."""

    max_tokens: int | None = Field(default=None, gt=0)
    """As `temperature`; in tokens."""

    stop: list[str] | None = Field(
        default=None, validation_alias=AliasChoices("stop", "stop_sequences")
    )
    """Texts before the first of which a reply ends. A call's own `stop` wins."""

    timeout: float | None = Field(
        default=None, validation_alias=AliasChoices("timeout", "request_timeout"), gt=0
    )
    """Seconds to wait for the first token once the app has started, and for the next sign of life,
    for which 20 are waited at least; see `timeouts`."""

    timeouts: Timeouts = Field(default_factory=Timeouts)
    """All time limits, each on its own, in seconds."""

    max_retries: int = 2
    """How often a step that cannot have run the prompt is tried again."""

    history: Literal["split", "native"] = "split"
    """Earlier turns: "split" renders them into the prompt, "native" fills the app's history."""

    endpoint: str | None = None
    """The api name of the app's function, when discovery should not choose."""

    inputs: dict[str, Any] = Field(default_factory=dict)
    """Values for further inputs of the app, by label."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """The URL of an HTTP proxy for all requests."""

    headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Headers to add to all requests, or to put in place of ours."""

    max_size: int = DEFAULT_MAX_SIZE
    """The most bytes of an answer or a message of the Space, and the most characters of a reply."""

    streaming: bool = False
    """Whether `invoke` streams, so that callbacks see tokens."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,  # it may hold the token
    )

    _space: Space | None = PrivateAttr(default=None)

    # Construction

    if not TYPE_CHECKING:  # where the fields say what the arguments are

        def __init__(self, **kwargs: Any) -> None:
            try:
                super().__init__(**kwargs)
            except ValidationError as exc:  # which holds the arguments, and so the token
                raise ValueError(said_by(exc)) from None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: Any) -> Any:
        if isinstance(values, dict):
            refuse_unknown(cls.__name__, values, _argument_names(cls))
        return values

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @model_validator(mode="after")
    def _check_early(self) -> Self:
        self._config()
        StopScanner(self.stop or ())
        self._add_version("qwen-space", __version__)
        return self

    def _config(self) -> SpaceConfig:
        return SpaceConfig(
            space=self.space,
            model=self.model,
            hf_token=self._token(),
            proxy=self.proxy,
            timeouts=self._timeouts(),
            max_retries=self.max_retries,
            system_prompt=self.system_prompt,
            history=self.history,
            endpoint=self.endpoint,
            inputs=self.inputs,
            sampling={
                name: value for name in _SAMPLING if (value := getattr(self, name)) is not None
            },
            headers=self.headers,
            hub=default_hub(),
            max_size=self.max_size,
        )

    def _token(self) -> str | None:
        given = None if self.hf_token is None else self.hf_token.get_secret_value()
        return token_for(space_url(self.space), given)

    def _timeouts(self) -> Timeouts:
        if self.timeout is None:
            return self.timeouts
        silence = max(self.timeout, _HEARTBEAT)
        return replace(self.timeouts, first_token=self.timeout, silence=silence)

    def _open_space(self) -> Space:
        """Return the Space, made anew when a field has changed since."""
        config = self._config()
        if self._space is None or self._space.config != config:
            self._space = Space(config)
        return self._space

    # Calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        space, options = self._request(stop, kwargs)
        with typed():
            completed = space.complete(turns(messages), **options)
        return self._result(completed, options)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        space, options = self._request(stop, kwargs)
        with typed():
            completed = await space.acomplete(turns(messages), **options)
        return self._result(completed, options)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        space, options = self._request(stop, kwargs)
        chunks = _Chunks(self, options)
        with typed(), contextlib.closing(space.iterate(turns(messages), **options)) as events:
            for event in events:
                if (chunk := chunks.of(event)) is not None:
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
        space, options = self._request(stop, kwargs)
        chunks = _Chunks(self, options)
        with typed():
            async with space.stream(turns(messages), **options) as events:
                async for event in events:
                    if (chunk := chunks.of(event)) is not None:
                        if run_manager is not None:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk

    def _request(
        self, stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[Space, dict[str, Any]]:
        """Return the Space and the options of a call; a call's own values win."""
        rest = dict(kwargs)
        options = {
            "model": rest.pop("model", None),
            "stop": (self.stop or []) if stop is None else stop,
            "inputs": rest.pop("inputs", None),
        }
        given = {name: rest.pop(name, None) for name in _SAMPLING}
        options["sampling"] = {name: value for name, value in given.items() if value is not None}
        if rest:
            logger.warning("ChatQwenSpace ignores %s: a Space has no use for it", sorted(rest))
        return self._open_space(), options

    def _result(self, completed: Completed, options: Mapping[str, Any]) -> ChatResult:
        message = AIMessage(
            completed.text,
            additional_kwargs=_reasoning(completed.thinking),
            response_metadata=self._metadata(completed, options),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _metadata(self, completed: Completed, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "model_name": completed.model or options["model"] or self.model,
            "model_provider": "qwen-space",
            "finish_reason": completed.finish_reason,
            "duration": completed.duration,
            "event_id": completed.event_id,
            "space": self.space,
        }

    # What LangChain wants to know

    @property
    def _llm_type(self) -> str:
        return "chat-qwen-space"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "space": self._config().url,
            "model": self.model,
            "system_prompt": self.system_prompt,
            "history": self.history,
            "endpoint": self.endpoint,
            "inputs": self.inputs,
            "stop": self.stop,
            **{name: getattr(self, name) for name in _SAMPLING},
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "qwen-space"
        params["ls_model_name"] = kwargs.get("model") or self.model
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

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: all but the secrets, which are to be given again."""
        state = dict(super().__getstate__())
        proxy = None if has_password(self.proxy) else self.proxy
        left: dict[str, Any] = {"hf_token": None, "headers": {}, "proxy": proxy}
        state["__dict__"] = {**state["__dict__"], **left}
        state["__pydantic_fields_set__"] = state["__pydantic_fields_set__"] - {"hf_token"}
        state["__pydantic_private__"] = {**(state["__pydantic_private__"] or {}), "_space": None}
        return state


class _Chunks:
    """One reply's events as LangChain's chunks."""

    def __init__(self, model: ChatQwenSpace, options: Mapping[str, Any]) -> None:
        self._model = model
        self._options = options
        self._sent: list[str] = []
        self._thought: list[str] = []

    def of(self, event: Event) -> ChatGenerationChunk | None:
        match event:
            case TextDelta() | Rewritten() if event.delta:
                self._sent.append(event.delta)
                return ChatGenerationChunk(message=AIMessageChunk(content=event.delta))
            case ThinkingDelta():
                self._thought.append(event.delta)
                message = AIMessageChunk(content="", additional_kwargs=_reasoning(event.delta))
                return ChatGenerationChunk(message=message)
            case Completed():
                return self._last(event)
        return None

    def _last(self, completed: Completed) -> ChatGenerationChunk:
        metadata = self._model._metadata(completed, self._options)  # noqa: SLF001 - its own
        if completed.text != "".join(self._sent):
            metadata["final_text"] = completed.text
        if completed.thinking != "".join(self._thought):
            metadata["final_reasoning"] = completed.thinking
        message = AIMessageChunk(content="", response_metadata=metadata, chunk_position="last")
        return ChatGenerationChunk(message=message)


def _reasoning(thinking: str) -> dict[str, Any]:
    """Return what was thought under the name that langchain-core makes reasoning blocks of."""
    return {"reasoning_content": thinking} if thinking else {}


def _argument_names(cls: type[ChatQwenSpace]) -> list[str]:
    """Return the constructor's arguments, with those that go by several names under each."""
    names: dict[str, None] = {}
    for name, field in cls.model_fields.items():
        names[name] = None
        if isinstance(field.validation_alias, AliasChoices):
            names.update((str(each), None) for each in field.validation_alias.choices)
        elif field.alias:
            names[field.alias] = None
    return list(names)
