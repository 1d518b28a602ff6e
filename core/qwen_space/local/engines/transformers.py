"""An engine that runs a model of the hub by transformers, as a Space with a GPU does."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias

from qwen_space.local.engines.base import Finished, Output, Sampling
from qwen_space.local.engines.reasoning import ReasoningTags
from qwen_space.local.errors import ContextError, EngineError, require

__all__ = ["TransformersEngine"]

Generate: TypeAlias = "Callable[[list[int], dict[str, Any]], Generator[str | Finished, None, None]]"

_END = object()


class TransformersEngine:
    """A model of the Hugging Face hub, run in this process by transformers.

    Args:
        model: The model's repository on the hub, `owner/name`, or a folder with one.
        decorate: A decorator of the function that computes, such as `spaces.GPU` on ZeroGPU.
        slots: How many replies run at once.
        temperature: How freely the model chooses its words.
        max_tokens: Where a reply is cut.
        device: Where to compute; a GPU if there is one, if None.

    Attributes:
        name: The name on the page.
        slots: How many replies run at once.
    """

    def __init__(
        self,
        model: str,
        *,
        decorate: Callable[[Generate], Generate] | None = None,
        slots: int = 1,
        temperature: float = 0.7,
        max_tokens: int = 1024,
        device: str | None = None,
    ) -> None:
        self.name = model.rstrip("/").rpartition("/")[2]
        self.slots = slots
        self._repository = model
        self.defaults = Sampling(temperature=temperature, max_tokens=max_tokens)
        self._device = device
        self._tokenizer: Any = None
        self._model: Any = None
        self._run: Generate = self._generate if decorate is None else decorate(self._generate)

    def start(self) -> None:
        """Load the model, and download it before if need be.

        Raises:
            MissingExtraError: torch or transformers is not installed.
        """
        torch, package = _require("torch"), _require("transformers")
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = package.AutoTokenizer.from_pretrained(self._repository)
        model = package.AutoModelForCausalLM.from_pretrained(self._repository, dtype="auto")
        self._model = model.to(device)

    def close(self) -> None:
        """Release the model."""
        self._model = self._tokenizer = None

    async def stream(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling | None = None
    ) -> AsyncGenerator[Output, None]:
        """Yield the reply's pieces.

        Raises:
            EngineError: The chat is too long, or there is no GPU for it.
        """
        prompt = self._encode(messages)
        parts = _iterate_in_thread(self._run, prompt, self._options(sampling or Sampling()))
        tags = ReasoningTags()
        try:
            async for part in parts:
                if isinstance(part, str):
                    for each in tags.feed(part):
                        yield each
                    continue
                for each in tags.close():
                    yield each
                yield part
        finally:
            await parts.aclose()

    def _encode(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        if self._model is None:
            raise RuntimeError("The engine does not run: start() it")
        text = self._tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False
        )
        prompt: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        limit = self._model.config.max_position_embeddings
        if len(prompt) >= limit:
            raise ContextError(
                f"The conversation of {len(prompt)} tokens does not fit into the {limit} tokens "
                "that the model can read. Clear the chat or shorten the message."
            )
        return prompt

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        limit = sampling.max_tokens or self.defaults.max_tokens
        given = sampling.temperature
        temperature = self.defaults.temperature if given is None else given
        if not temperature:
            return {"max_new_tokens": limit, "do_sample": False}
        options = {"max_new_tokens": limit, "do_sample": True, "temperature": temperature}
        return options | ({} if sampling.top_p is None else {"top_p": sampling.top_p})

    def _generate(
        self, prompt: list[int], options: dict[str, Any]
    ) -> Generator[str | Finished, None, None]:
        """Yield a reply's text and its end. ZeroGPU runs this in a process of its own."""
        torch, package = _require("torch"), _require("transformers")
        inputs = torch.tensor([prompt], device=self._model.device)
        streamer = package.TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True
        )
        writing = _Writing(self._model, inputs, streamer, options)
        try:
            yield from streamer
            tokens = writing.result().shape[1] - len(prompt)
            yield Finished(tokens >= options["max_new_tokens"], len(prompt), None, tokens)
        finally:
            writing.stop()


class _Writing:
    """A model that writes a reply in a thread of its own, into a streamer."""

    def __init__(self, model: Any, inputs: Any, streamer: Any, options: dict[str, Any]) -> None:
        self._stopped = threading.Event()
        self._tokens: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, args=(model, inputs, streamer, options))
        self._thread.start()

    def result(self) -> Any:
        """Return the tokens of the prompt and the reply; raise the error of the model."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._tokens

    def stop(self) -> None:
        """End the reply after the token that is computed now."""
        self._stopped.set()
        self._thread.join()

    def _write(self, model: Any, inputs: Any, streamer: Any, options: dict[str, Any]) -> None:
        torch = _require("torch")

        def is_stopped(tokens: Any, _scores: Any, **_: Any) -> Any:
            count, device = tokens.shape[0], tokens.device
            return torch.full((count,), self._stopped.is_set(), device=device, dtype=torch.bool)

        try:
            self._tokens = model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                streamer=streamer,
                stopping_criteria=[is_stopped],
                **options,
            )
        except BaseException as exc:
            self._error = exc
            streamer.end()


async def _iterate_in_thread(run: Generate, *arguments: Any) -> AsyncGenerator[Any, None]:
    """Yield the items of a blocking generator, which is closed after its current item."""
    loop, left = asyncio.get_running_loop(), threading.Event()
    queue: asyncio.Queue[Any] = asyncio.Queue()

    def work() -> None:
        items = run(*arguments)
        try:
            for item in items:
                if left.is_set():
                    break
                loop.call_soon_threadsafe(queue.put_nowait, item)
            end: Any = _END
        except Exception as exc:
            end = exc
        finally:
            items.close()
        loop.call_soon_threadsafe(queue.put_nowait, end)

    # In the caller's context: there ZeroGPU finds the request, and with it whose quota counts.
    working = loop.run_in_executor(None, contextvars.copy_context().run, work)
    try:
        while (item := await queue.get()) is not _END:
            if isinstance(item, Exception):
                raise _as_engine_error(item)
            yield item
    finally:
        left.set()
        await asyncio.shield(working)


def _as_engine_error(exc: Exception) -> Exception:
    """Show a visitor the sentences of ZeroGPU, which come as Gradio's errors."""
    if isinstance(exc, require("gradio").Error):
        return EngineError(str(exc.message))
    return exc


def _require(package: str) -> Any:
    return require(package, "local,transformers")
