"""Engines, which write the replies of a local Space, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qwen_space.local.engines.base import Engine
from qwen_space.local.engines.llama import LlamaEngine
from qwen_space.local.engines.ocr import OCREngine
from qwen_space.local.engines.openai import OpenAIEngine
from qwen_space.local.weights import find_weights

__all__ = ["engine_for"]


def engine_for(
    model: str | None = None,
    *,
    small: bool = False,
    base_url: str | None = None,
    api_key: str | None = None,
    context: int = 4096,
    slots: int | None = None,
    threads: int | None = None,
    gpu_layers: int | None = None,
    prompt_cache: bool = True,
    temperature: float = 0.7,
    max_tokens: int | None = None,
    takes: Iterable[str] | None = None,
    ocr: bool = False,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Engine:
    """Return an engine, which is not started yet: a server if `base_url` is given, else a file.

    Args:
        model: With `base_url` the server's name of the model, else the argument of `find_weights`.
        small: Take the smallest model, for tests.
        base_url: A server that speaks OpenAI's chat completions.
        api_key: The server's key.
        context: How many tokens a conversation may have. A server has its own limit.
        slots: How many replies run at once.
        threads: How many threads compute. A server has its own.
        gpu_layers: How many layers of a file a GPU computes.
        prompt_cache: Whether a file's engine keeps the prompts of earlier turns; without it,
            temperature 0 repeats replies to the letter.
        temperature: How freely the model chooses its words.
        max_tokens: Where a reply is cut.
        takes: The kinds of media that the server's model takes, as for `OpenAIEngine`.
        ocr: Read the text in pictures, for a model that sees none.
        say: Called with a line about each download.
        progress: Show a bar while downloading.

    Raises:
        MissingExtraError: A package of the extra `local` is not installed.
        WeightsError: There is no model to be had.
    """
    engine: Engine
    if base_url is not None:
        engine = OpenAIEngine(
            base_url,
            model,
            api_key,
            temperature=temperature,
            max_tokens=max_tokens,
            slots=slots or 4,
            takes=takes,
        )
    else:
        engine = LlamaEngine(
            find_weights(model, small=small, say=say, progress=progress),
            context=context,
            slots=slots or 2,
            threads=threads,
            gpu_layers=gpu_layers,
            prompt_cache=prompt_cache,
            temperature=temperature,
            max_tokens=max_tokens,
        )
    return OCREngine(engine) if ocr else engine
