"""Objects by prompt: the instruction, and the object in the reply.

LlamaIndex's own way shows the model a schema with doubled braces, leaves its parser in the
caller's template, and streams blank objects where the JSON stands in a Markdown fence.
"""

from __future__ import annotations

import contextlib
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
from pydantic import BaseModel, ConfigDict

from qwen_space.chat_model.closing_stream import ClosingStream
from qwen_space.chat_model.extraction import MISSING, Extraction, PartialJSON
from qwen_space.chat_model.schema import OutputSchema

__all__ = ["StructuredOutputError", "StructuredPrediction"]

dispatcher = get_dispatcher(__name__)

Model = TypeVar("Model", bound=BaseModel)

_CALLING = frozenset({"tool_choice", "tool_required", "allow_parallel_tool_calls"})


class StructuredOutputError(ValueError):
    """The model did not give the object, also when it was asked once more.

    Attributes:
        reply: The model's last reply.
        reason: Its fault.
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

    model_config = ConfigDict(defer_build=True)  # its subclass builds a validator of its own

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
            prompt: The question. It stays as it is.
            llm_kwargs: Keyword arguments for the chat.
            prompt_args: Values for the prompt's variables.

        Raises:
            StructuredOutputError: The second reply has none either. It is a `ValueError`.
        """
        if self._is_left_to_llama_index:
            predict = super().structured_predict
            return cast("Model", predict(output_cls, prompt, llm_kwargs, **prompt_args))
        asked = self._extraction(output_cls, prompt, prompt_args, llm_kwargs)
        found = None
        while found is None:
            found = asked.result(self.chat(asked.messages, **asked.arguments))
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
        asked = self._extraction(output_cls, prompt, prompt_args, llm_kwargs)
        found = None
        while found is None:
            found = asked.result(await self.achat(asked.messages, **asked.arguments))
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

        Arguments and errors are those of `structured_predict`. A value that does not fit the
        class yet is an object with the same fields, some of them None; none comes without any.
        """
        asked = self._extraction(output_cls, prompt, prompt_args, llm_kwargs)
        found = None
        while found is None:
            stream = self.stream_chat(asked.messages, **asked.arguments)
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
        asked = self._extraction(output_cls, prompt, prompt_args, llm_kwargs)
        opened: list[AsyncGenerator[ChatResponse, None]] = []

        async def objects() -> AsyncGenerator[Model | FlexibleModel, None]:
            found = None
            while found is None:
                stream = await self.astream_chat(asked.messages, **asked.arguments)
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
        llm_kwargs: dict[str, Any] | None,
    ) -> _Prediction[Model]:
        dispatcher.event(
            LLMStructuredPredictStartEvent(
                output_cls=output_cls, template=prompt, template_args=prompt_args
            )
        )
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        return _Prediction(output_cls, messages, llm_kwargs)


class _Prediction(Generic[Model]):
    """Asks for an object of a class, a second time if need be.

    Args:
        output_cls: The class.
        messages: The messages that ask for it.
        llm_kwargs: Keyword arguments for the chat.

    Attributes:
        messages: The messages to ask with now.
        arguments: The keyword arguments of the chat, with the format of the reply.
    """

    def __init__(
        self,
        output_cls: type[Model],
        messages: Sequence[ChatMessage],
        llm_kwargs: Mapping[str, Any] | None,
    ) -> None:
        self._output_cls = output_cls
        self._fields = list(output_cls.model_fields)
        self._flexible = create_flexible_model(output_cls)
        self._schema = OutputSchema(output_cls)
        self._extraction: Extraction[Model] = Extraction(self._schema.load)
        self._partial = PartialJSON()
        self.messages = list(messages)
        wanted = {"name": output_cls.__name__, "schema": self._schema.json_schema}
        self.arguments = {
            **_without_tools(llm_kwargs),
            "response_format": {"type": "json_schema", "json_schema": wanted},
            "reask": False,  # this asks once more itself, with the fault that its own check finds
        }

    def result(self, response: ChatResponse | None) -> Model | None:
        """Return the object in a whole reply; None where the model is to be asked once more.

        Raises:
            StructuredOutputError: There is none for the second time.
        """
        reply = _text_of(response)
        if question := self._extraction.feed(reply):
            self._partial = PartialJSON()
            self.messages = [
                *self.messages,
                ChatMessage(content=reply, role=MessageRole.ASSISTANT),
                ChatMessage(content=question),
            ]
            return None
        if reason := self._extraction.reason:
            raise StructuredOutputError(self._output_cls.__name__, reply, reason)
        return self._extraction.value

    def partial(self, chunk: ChatResponse) -> Model | FlexibleModel | None:
        """Return the object as far as it can be read from the start of a reply.

        None while there is nothing of it, or nothing new.
        """
        value = self._partial.feed(_text_of(chunk)) if chunk.delta else MISSING
        if value is MISSING or not value or (isinstance(value, dict) and not any(value.values())):
            return None  # or a field's name, and nothing of its value
        if (partial := self._as_far_as_it_fits(value)) is not None:
            dispatcher.event(LLMStructuredPredictInProgressEvent(output=partial))
        return partial

    def _as_far_as_it_fits(self, value: Any) -> Model | FlexibleModel | None:
        with contextlib.suppress(ValueError):
            found: Model = self._schema.load(value)
            return found
        if isinstance(value, dict) and any(map(value.get, self._fields)):
            return self._flexible.model_validate(value)
        return None


def _without_tools(llm_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return arguments without those by which others have an object made: by calling a tool."""
    return {name: value for name, value in (llm_kwargs or {}).items() if name not in _CALLING}


def _text_of(response: ChatResponse | None) -> str:
    return "" if response is None else response.message.content or ""
