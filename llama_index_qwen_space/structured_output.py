"""Objects by prompt: what is asked for, and the object in what comes back.

LlamaIndex's own way shows the model a schema with doubled braces, leaves its parser in the
caller's template, and streams blank objects where the JSON stands in a Markdown fence.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.llm import LLM
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.prompts.base import BasePromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError, from_json

from llama_index_qwen_space.instrumentation import ClosingStream
from qwen_space.chat.structured import NoJSONError, find_json, instruction, reask
from qwen_space.chat_model.arguments import format_validation_error

__all__ = ["StructuredOutputError", "StructuredPrediction"]

dispatcher = get_dispatcher(__name__)

Model = TypeVar("Model", bound=BaseModel)

_FENCE = re.compile(r"```[ \t]*(?:json)?[ \t]*\n", re.IGNORECASE)
_CALLING = frozenset({"tool_choice", "tool_required", "allow_parallel_tool_calls"})
_OPENING = re.compile(r"[{\[]")


class StructuredOutputError(ValueError):
    """The model did not give the object, also when it was asked once more.

    Attributes:
        reply: The model's last reply.
        reason: What is wrong with it.
    """

    def __init__(self, name: str, reply: str, reason: str) -> None:
        super().__init__(name, reply, reason)
        self.name = name
        self.reply = reply
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The model gave no {self.name}, also when it was told what is wrong: {self.reason}. "
            f"Its reply was {self.reply!r:.300}. Try a larger model, or a simpler class."
        )


class StructuredPrediction(LLM):
    """An LLM that gives objects, asking once more where the first reply has none.

    `pydantic_program_mode="function"` leaves whole objects to LlamaIndex, which then has the model
    call a function. Not the streams: LlamaIndex's do not ask for the call, and without one they
    give blank objects.
    """

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Return an object of a class.

        Args:
            output_cls: A class of Pydantic.
            prompt: What to ask. It stays as it is.
            llm_kwargs: Keyword arguments for the chat.
            prompt_args: Values for the prompt's variables.

        Raises:
            StructuredOutputError: The second reply has none either. It is a `ValueError`.
        """
        if self._is_left_to_llama_index:
            predict = super().structured_predict
            return cast("Model", predict(output_cls, prompt, llm_kwargs, **prompt_args))
        asked = self._extraction(output_cls, prompt, prompt_args)
        found = None
        while found is None:
            found = asked.result(self.chat(asked.messages, **_without_tools(llm_kwargs)))
        dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Do as `structured_predict`."""
        if self._is_left_to_llama_index:
            apredict = super().astructured_predict
            return cast("Model", await apredict(output_cls, prompt, llm_kwargs, **prompt_args))
        asked = self._extraction(output_cls, prompt, prompt_args)
        found = None
        while found is None:
            found = asked.result(await self.achat(asked.messages, **_without_tools(llm_kwargs)))
        dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | FlexibleModel, None, None]:
        """Yield an object of a class while it is written, and whole as the last.

        Arguments and errors are those of `structured_predict`. What does not fit the class yet is
        an object with the same fields, of which some are None; none comes without any.
        """
        asked = self._extraction(output_cls, prompt, prompt_args)
        found = None
        while found is None:
            stream = self.stream_chat(asked.messages, **_without_tools(llm_kwargs))
            with contextlib.closing(stream) as chunks:
                last = None
                for last in chunks:
                    if (partial := asked.partial(last)) is not None:
                        yield partial
            found = asked.result(last)
        yield found
        dispatcher.event(LLMStructuredPredictEndEvent(output=found))

    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | FlexibleModel, None]:
        """Do as `stream_structured_predict`."""
        asked = self._extraction(output_cls, prompt, prompt_args)
        opened: list[AsyncGenerator[ChatResponse, None]] = []

        async def objects() -> AsyncGenerator[Model | FlexibleModel, None]:
            found = None
            while found is None:
                stream = await self.astream_chat(asked.messages, **_without_tools(llm_kwargs))
                opened[:] = [stream]
                last = None
                async for last in stream:
                    if (partial := asked.partial(last)) is not None:
                        yield partial
                await stream.aclose()
                found = asked.result(last)
            yield found
            dispatcher.event(LLMStructuredPredictEndEvent(output=found))

        return ClosingStream(objects(), opened)

    @property
    def _is_left_to_llama_index(self) -> bool:
        ours = PydanticProgramMode.DEFAULT, PydanticProgramMode.LLM
        return self.pydantic_program_mode not in ours

    def _extraction(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        prompt_args: dict[str, Any],
    ) -> _Extraction[Model]:
        dispatcher.event(
            LLMStructuredPredictStartEvent(
                output_cls=output_cls, template=prompt, template_args=prompt_args
            )
        )
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        return _Extraction(output_cls, messages)


class _Extraction(Generic[Model]):
    """Asks for an object of a class, a second time if need be.

    Args:
        output_cls: The class.
        messages: What to ask.

    Attributes:
        messages: What to ask now.
    """

    def __init__(self, output_cls: type[Model], messages: Sequence[ChatMessage]) -> None:
        self._output_cls = output_cls
        self._fields = list(output_cls.model_fields)
        self._flexible = create_flexible_model(output_cls)
        self._asked_again = False
        self._shown: Any = None
        self.messages = _instructed(messages, instruction(output_cls.model_json_schema()))

    def result(self, response: ChatResponse | None) -> Model | None:
        """Return the object in a whole reply; None where the model is to be asked once more.

        Raises:
            StructuredOutputError: There is none for the second time.
        """
        reply = _said(response)
        try:
            return self._read(reply)
        except ValidationError as exc:
            reason = format_validation_error(exc)
        except NoJSONError as exc:
            reason = exc.reason
        if self._asked_again:
            raise StructuredOutputError(self._output_cls.__name__, reply, reason)
        self._asked_again = True
        self._shown = None
        self.messages = [
            *self.messages,
            ChatMessage(content=reply, role=MessageRole.ASSISTANT),
            ChatMessage(content=reask(reason)),
        ]
        return None

    def _read(self, reply: str) -> Model:
        return self._validated(find_json(reply, self._fits).value)

    def _validated(self, value: Any) -> Model:
        # As JSON, where a date is a string and a tuple a list, however strict the class is.
        found = self._output_cls.model_validate_json(json.dumps(value))
        if isinstance(value, dict) and value and self._fields and not found.model_fields_set:
            raise self._is_another  # the schema for one, where all fields have defaults
        return found

    @property
    def _is_another(self) -> ValidationError:
        fields = ", ".join(self._fields)
        error = PydanticCustomError("no_field", f"It has none of the fields: {fields}")
        return ValidationError.from_exception_data(
            self._output_cls.__name__, [{"type": error, "input": None}]
        )

    def _fits(self, value: Any) -> bool:
        try:
            self._validated(value)
        except ValidationError:
            return False
        return True

    def partial(self, chunk: ChatResponse) -> Model | FlexibleModel | None:
        """Return the object as far as it can be read from the start of a reply.

        None while there is nothing of it, or nothing new.
        """
        value = _begun(_said(chunk)) if chunk.delta else None
        if not value or value == self._shown:
            return None
        if isinstance(value, dict) and not any(value.values()):
            return None  # a field's name, and nothing of its value
        self._shown = value
        if (partial := self._as_far_as_it_fits(value)) is not None:
            dispatcher.event(LLMStructuredPredictInProgressEvent(output=partial))
        return partial

    def _as_far_as_it_fits(self, value: Any) -> Model | FlexibleModel | None:
        with contextlib.suppress(ValidationError):
            return self._validated(value)
        if isinstance(value, dict) and any(map(value.get, self._fields)):
            return self._flexible.model_validate(value)
        return None


def _without_tools(llm_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return arguments without those by which others have an object made: by calling a tool."""
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in _CALLING}


def _said(response: ChatResponse | None) -> str:
    return "" if response is None else response.message.content or ""


def _instructed(messages: Sequence[ChatMessage], words: str) -> list[ChatMessage]:
    """Return messages with an instruction at the end of the last that a user says."""
    chat = list(messages)
    for place in range(len(chat) - 1, -1, -1):
        if chat[place].role == MessageRole.USER:
            told = chat[place].model_copy(deep=True)
            told.blocks = [*told.blocks, *ChatMessage(f"\n{words}").blocks]
            return [*chat[:place], told, *chat[place + 1 :]]
    return [*chat, ChatMessage(words)]


def _begun(reply: str) -> Any:
    """Return the JSON value that a reply has begun with, behind a fence or prose; or None."""
    fence = _FENCE.search(reply)
    opening = _OPENING.search(reply, fence.end() if fence else 0)
    if opening is None:
        return None
    text, _, _ = reply[opening.start() :].partition("\n```")
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return None
